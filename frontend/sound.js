// A desktop's sound, beside the screen that VNC draws: SPICE's main channel and its playback channel, nothing else.

import { Constants } from "@spice-project/spice-html5/src/enums.js";
import { SpiceMainConn } from "@spice-project/spice-html5/src/main.js";
import { SpicePlaybackConn } from "@spice-project/spice-html5/src/playback.js";
import { SpiceMsgChannels } from "@spice-project/spice-html5/src/spicemsg.js";

import { carry } from "./sound/ticket_socket.js";

class MainChannel extends SpiceMainConn {
  process_channel_message(message) {
    if (message.type !== Constants.SPICE_MSG_MAIN_CHANNELS_LIST) return super.process_channel_message(message);
    const { channels } = new SpiceMsgChannels(message.data);
    const playback = channels.find(({ type }) => type === Constants.SPICE_CHANNEL_PLAYBACK);
    if (!playback) throw new Error("The desktop has no sound.");
    this.playback = new SpicePlaybackConn({
      uri: this.ws.url,
      parent: this,
      connection_id: this.connection_id,
      type: playback.type,
      chan_id: playback.id,
      onerror: this.onerror,
    });
    return true;
  }

  // Mouse, clipboard and the size of the screen are VNC's and the guest agent's matter.
  handle_mouse_mode() {}
  connect_agent() {}

  stop() {
    if (this.playback) this.playback.state = "closing";
    this.playback?.cleanup();
    super.stop();
  }
}

/** One connection to a desktop's sound. It is over when it breaks: the next one is new. */
export class Sound {
  /** Connects at once and plays into `place`; `ended` is called if it breaks. */
  constructor(place, { url, subprotocol }, ended) {
    this.place = place;
    this.ended = ended;
    carry(subprotocol);
    // The gateway puts the machine's own password in the place of this one.
    this.main = new MainChannel({ uri: url, screen_id: place.id, password: "", onerror: () => this.end() });
  }

  /** Ends it without a word to whoever was told. */
  close() {
    this.ended = null;
    this.end();
  }

  end() {
    const { main, ended } = this;
    this.main = null;
    this.ended = null;
    main?.stop();
    this.place.replaceChildren();
    ended?.();
  }
}
