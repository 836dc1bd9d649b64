// Small pictures of desktops' screens on their cards: asked for while a card is in sight and the page is looked at, one after
// the other. A desktop that is off or suspended shows what was there before; that is asked for once.

const LIVE_MS = 5000;
const AGAIN_MS = 10000; // no picture now
const ROUND_MS = 1000;
const AT_ONCE = 2;
const STATUS = { forbidden: 403, unprocessable: 422 };

export function followThumbnails() {
  const list = document.getElementById("desktops");
  if (!list || !("thumbnails" in list.dataset)) return;
  const thumbnails = new Thumbnails();
  thumbnails.adopt();
  // Cards are replaced when their desktops change, and the whole list is at times.
  new MutationObserver(() => thumbnails.adopt()).observe(list.parentElement, { childList: true, subtree: true });
  document.addEventListener("visibilitychange", () => thumbnails.round());
  setInterval(() => thumbnails.round(), ROUND_MS);
}

class Thumbnails {
  constructor() {
    this.known = new Map(); // a picture's address -> {source, etag} as last seen
    this.due = new WeakMap(); // a view -> when to ask for its picture
    this.inSight = new Set();
    this.asking = 0;
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.inSight[isIntersecting ? "add" : "delete"](target);
      this.round();
    });
  }

  adopt() {
    for (const view of document.querySelectorAll("[data-thumbnail]")) {
      if (this.due.has(view)) continue;
      this.due.set(view, 0);
      show(view, this.known.get(view.dataset.thumbnail));
      this.observer.observe(view);
    }
  }

  round() {
    if (document.hidden) return;
    for (const view of this.inSight) {
      if (!view.isConnected) this.forget(view);
      else if (this.asking < AT_ONCE && this.due.get(view) <= performance.now()) this.ask(view);
    }
  }

  forget(view) {
    this.inSight.delete(view);
    this.observer.unobserve(view);
  }

  async ask(view) {
    const url = view.dataset.thumbnail;
    this.asking += 1;
    this.due.set(view, Infinity);
    const answer = await fetch(url).catch(() => null);
    const wait = answer?.ok ? await this.seen(view, url, answer) : refused(answer);
    this.due.set(view, performance.now() + wait);
    this.asking -= 1;
  }

  /** Shows the picture, unless it is the one that is shown; answers when to ask again. */
  async seen(view, url, answer) {
    const etag = answer.headers.get("ETag");
    let known = this.known.get(url);
    if (known?.etag !== etag) {
      if (known) URL.revokeObjectURL(known.source);
      known = { etag, source: URL.createObjectURL(await answer.blob()) };
      this.known.set(url, known);
      show(view, known);
    }
    return "live" in view.dataset ? LIVE_MS : Infinity;
  }
}

function show(view, known) {
  if (!known) return;
  view.querySelector(".view-picture").src = known.source;
  view.classList.add("has-picture");
}

/** When to ask again after there was no picture: never, where there will be none. */
function refused(answer) {
  return [STATUS.forbidden, STATUS.unprocessable].includes(answer?.status) ? Infinity : AGAIN_MS;
}
