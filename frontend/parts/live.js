// The stream of changes. Tells the rest of the page by events on `document`:
//   live:change    {id, state}  a desktop changed
//   live:catch-up               changes may have been missed: look again at what matters
// and by body[data-stream]: "live", or "lost" while the stream is away (then a catch-up comes every few seconds).

const LOST_AFTER_MS = 2000;
const POLL_MS = 5000;
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 10000;
const HIDDEN_GRACE_MS = 15000;

/** Follows the stream at `url` for as long as the page is looked at; does nothing without a `url`. */
export function followStream(url) {
  if (!url) return;
  const stream = new Stream(url);
  stream.open();
  // A browser has six connections to a server; tabs that nobody looks at must not hold them.
  let leaving;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(() => stream.pause(), HIDDEN_GRACE_MS);
    else stream.resume();
  });
  window.addEventListener("pagehide", () => stream.pause());
  window.addEventListener("pageshow", (event) => event.persisted && stream.resume());
  window.addEventListener("online", () => stream.retryNow());
}

class Stream {
  constructor(url) {
    this.url = new URL(url, window.location.href);
    this.attempts = 0;
    this.source = null;
  }

  open() {
    this.source?.close();
    // The address says which event was the last when the page was made, so nothing between then and now is missed.
    if (this.lastId) this.url.searchParams.set("last_event_id", this.lastId);
    this.source = new EventSource(this.url);
    this.source.addEventListener("open", () => this.opened());
    this.source.addEventListener("error", () => this.broke());
    this.source.addEventListener("stream.reset", () => tell("live:catch-up"));
    this.source.addEventListener("desktop.changed", (event) => this.changed(event));
  }

  opened() {
    this.attempts = 0;
    clearTimeout(this.losing);
    clearInterval(this.polling);
    this.polling = this.losing = undefined;
    const wasLost = document.body.dataset.stream === "lost";
    document.body.dataset.stream = "live";
    if (wasLost) tell("live:catch-up");
  }

  broke() {
    this.losing ??= setTimeout(() => this.lost(), LOST_AFTER_MS);
    // The browser tries again by itself after a cut, and gives up after a refusal.
    if (this.source?.readyState === EventSource.CLOSED) this.retryLater();
  }

  lost() {
    document.body.dataset.stream = "lost";
    this.polling ??= setInterval(() => tell("live:catch-up"), POLL_MS);
  }

  retryLater() {
    const wait = Math.min(RETRY_FIRST_MS * 2 ** this.attempts, RETRY_LONGEST_MS);
    this.attempts += 1;
    clearTimeout(this.retrying);
    this.retrying = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2));
  }

  retryNow() {
    if (this.source && this.source.readyState !== EventSource.OPEN) this.open();
  }

  pause() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.retrying);
    clearTimeout(this.losing);
    clearInterval(this.polling);
    this.polling = this.losing = undefined;
  }

  resume() {
    if (this.source) return;
    this.open();
    tell("live:catch-up");
  }

  changed(event) {
    this.lastId = event.lastEventId;
    const change = JSON.parse(event.data);
    tell("live:change", { id: change.object_id, state: change.state });
  }
}

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}
