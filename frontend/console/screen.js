// One connection to a desktop's screen, carried by the gateway as a WebSocket. It is over when it breaks: the next one is new.

import RFB from "@novnc/novnc";

import { press } from "./keys.js";

// The gateway's word that the right to see this desktop has ended, or that the session went on elsewhere; asking again at once
// would be no use.
const OVER = [4003, 4004];
// No closing word at all, and that the gateway stops: the session may go on over another connection.
const LINE = [1006, 1012];

export class Screen {
  /** Connects at once. `told` is asked to take note: connected(), lost(isLine), refused(reason). */
  constructor(place, { url, subprotocol }, { line, view, ...told }) {
    this.told = told;
    // The ticket travels as a subprotocol, never in an address that is logged.
    const socket = new WebSocket(url, ["binary", subprotocol]);
    socket.addEventListener("close", (event) => (this.closeCode = event.code));
    line.follow(socket, () => this.giveUp());
    this.rfb = new RFB(place, socket, { shared: true });
    this.rfb.background = "transparent";
    view.apply(this.rfb);
    this.rfb.focusOnClick = true;
    this.rfb.addEventListener("connect", () => told.connected());
    this.rfb.addEventListener("disconnect", () => this.ended());
    this.rfb.addEventListener("securityfailure", (event) => this.refuse(event.detail.reason));
    this.rfb.addEventListener("credentialsrequired", () => this.refuse());
  }

  focus() {
    this.rfb.focus({ preventScroll: true });
  }

  /** Presses keys that the browser keeps for itself, and goes on in the desktop. */
  press(names) {
    press(this.rfb, names);
    this.focus();
  }

  /** Ends it without a word to whoever was told. */
  close() {
    this.told = null;
    if (!this.isOver) this.rfb.disconnect();
  }

  refuse(reason) {
    const told = this.told;
    this.close();
    told?.refused(reason);
  }

  ended() {
    this.isOver = true;
    const told = this.told;
    this.told = null;
    if (OVER.includes(this.closeCode)) told?.refused();
    else told?.lost(LINE.includes(this.closeCode));
  }

  /** Nothing is heard any more, though nobody has hung up. */
  giveUp() {
    const told = this.told;
    this.close();
    told?.lost(true);
  }
}
