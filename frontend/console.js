// A desktop's own page. What it shows is body[data-console]:
//
//   waiting       the desktop is on its way (building, starting, ...): its steps
//   stopped       it is off, or suspended: the way to start it
//   failed        it needs attention: why, and what can be done
//   connecting    the first connection is being opened
//   connected     the screen
//   reconnecting  the connection was lost; tried again: first to go on with the session, then with a new ticket
//   refused       the screen may not be opened: why
//   gone          there is no such desktop any more
//
// The desktop's own state comes with the stream of changes (live:change), the rest from here.

import { Clipboard } from "./console/clipboard.js";
import { requestConnection } from "./console/connection.js";
import { Files } from "./console/files.js";
import { Line } from "./console/line.js";
import { Panels } from "./console/panels.js";
import { Resumption } from "./console/resumption.js";
import { Screen } from "./console/screen.js";
import { followSoundSwitch } from "./console/sound_switch.js";
import { Stage } from "./console/stage.js";
import { followToolbar } from "./console/toolbar.js";
import { followTouchBar } from "./console/touch_bar.js";
import { View } from "./console/view.js";

const RETRY_MS = [250, 500, 1000, 2000, 4000, 8000];
const LOOK_AGAIN_MS = 5000;
const STEADY_MS = 5000; // a connection that held this long was a good one: the next loss starts over

class Console {
  constructor(body) {
    this.body = body;
    this.stage = new Stage(body);
    this.line = new Line(document.getElementById("line-quality"));
    this.view = new View(() => this.screen);
    this.screen = null;
    this.resumption = new Resumption();
    this.attempt = 0;
    this.round = 0; // counts the wishes to connect, so that the answer to an old one is known as such
  }

  start() {
    document.addEventListener("live:change", (event) => this.changed(event.detail));
    document.addEventListener("live:catch-up", () => this.look());
    window.addEventListener("online", () => this.connectNow());
    for (const id of ["reconnect-now", "retry-refused"]) {
      document.getElementById(id).addEventListener("click", () => this.connectNow());
    }
    this.isReachable = canBeOpened(this.body.dataset);
    if (this.isReachable) this.connect();
    else this.waitForChange();
  }

  waitForChange() {
    this.show(this.body.dataset.console);
    this.look(); // what was told while this script was loading, nobody heard
    // Changes are told; this is for the one that was not, whatever kept it.
    setInterval(() => this.body.dataset.console === "waiting" && this.look(), LOOK_AGAIN_MS);
  }

  /** A change of this or of another desktop. */
  changed({ id, state }) {
    if (id !== this.body.dataset.desktop) return;
    this.body.dataset.state = state;
    this.stage.forget();
    this.isReachable = canBeOpened({ state });
    if (this.isReachable) this.connectNow();
    else if (state === "deleted" || state === "binned") this.leave("gone");
    else this.look();
  }

  /** Asks how the desktop is, and shows it unless its screen is there. */
  async look() {
    if (await this.isConnectable()) this.connectNow();
  }

  async isConnectable() {
    const stage = await this.stage.fetch();
    if (!stage) return this.isReachable;
    if (stage === "gone") {
      this.leave("gone");
      return false;
    }
    this.body.dataset.state = stage.state;
    this.isReachable = canBeOpened(stage);
    if (this.isReachable) return true;
    if (!this.screen) this.leave(stage.console);
    return false;
  }

  /** Connects without waiting any longer, unless the screen is there or on its way. */
  connectNow() {
    if (this.screen || this.asking) return;
    this.attempt = 0;
    this.connect();
  }

  async connect() {
    clearTimeout(this.retrying);
    this.round += 1;
    const round = this.round;
    this.show(this.wasConnected ? "reconnecting" : "connecting");
    const resumable = this.resumption.take();
    if (resumable) {
      this.open(resumable);
      return;
    }
    this.asking = true;
    const answer = await requestConnection(this.body.dataset.connectionsUrl);
    this.asking = false;
    if (round === this.round) this[answer.kind](answer);
    else if (this.isReachable) this.connectNow();
  }

  granted({ connection }) {
    this.resumption.begin(connection);
    this.open(connection);
  }

  open(connection) {
    this.screen = new Screen(document.getElementById("screen"), connection, {
      line: this.line,
      view: this.view,
      connected: () => this.connected(),
      lost: (isLine) => this.lost(isLine),
      refused: (reason) => this.refused({ reason }),
    });
  }

  /** The desktop cannot be connected to at the moment: shows what it is doing instead. */
  async unavailable() {
    if (await this.isConnectable()) this.retryLater();
  }

  refused({ reason, code }) {
    this.stage.explain(reason, code);
    this.leave("refused");
  }

  gone() {
    this.leave("gone");
  }

  stale() {
    window.location.reload();
  }

  signedOut() {
    window.location.assign(this.body.dataset.signInUrl);
  }

  broken() {
    this.resumption.again();
    this.retryLater();
  }

  connected() {
    this.wasConnected = true;
    this.resumption.works();
    this.steady = setTimeout(() => (this.attempt = 0), STEADY_MS);
    this.show("connected");
    this.screen.focus();
  }

  lost(isLine) {
    clearTimeout(this.steady);
    this.screen = null;
    if (this.resumption.lost(isLine)) this.connect();
    else if (this.isReachable) this.retryLater();
    else this.look();
  }

  retryLater() {
    this.show(this.wasConnected || this.attempt > 1 ? "reconnecting" : "connecting");
    const wait = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)] * (0.8 + Math.random() * 0.4);
    this.attempt += 1;
    clearTimeout(this.retrying);
    this.retrying = setTimeout(() => this.connect(), wait);
  }

  /** Gives up connecting for now and shows something else. */
  leave(state) {
    clearTimeout(this.retrying);
    this.round += 1;
    this.screen?.close();
    this.screen = null;
    this.show(state);
  }

  show(state) {
    if (this.body.dataset.console !== state) performance.mark(`console:${state}`);
    this.body.dataset.console = state;
    this.stage.tell(state);
  }
}

/** Whether there is a screen: the portal calls it connecting, also while personal files or an address are on their way. */
function canBeOpened({ state, console }) {
  return state === "available" || console === "connecting";
}

const page = new Console(document.body);
followToolbar(document.body, () => page.screen);
followTouchBar(() => page.screen);
followSoundSwitch(document.body);
followPanels();
page.start();

function followPanels() {
  const isConnected = () => document.body.dataset.console === "connected";
  const panels = new Panels(document.body, () => page.screen?.focus());
  const [clipboardPanel, filesPanel] = ["clipboard-panel", "files-panel"].map((id) => document.getElementById(id));
  const clipboard = new Clipboard(clipboardPanel, isConnected);
  const files = new Files(filesPanel, { isConnected, show: () => panels.open(filesPanel, { withFocus: false }) });
  panels.add(document.getElementById("open-clipboard"), clipboardPanel, () => clipboard.opened());
  panels.add(document.getElementById("open-files"), filesPanel, () => files.opened());
}
