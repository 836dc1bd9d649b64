// What waits for its turn moves up without an event of its own: such a desktop is looked at again every few seconds.

const LOOK_AGAIN_MS = 5000;

/** Looks again at what says by data-queue that its desktop waits. */
export function followQueue() {
  setInterval(() => {
    if (document.hidden) return;
    const ids = new Set([...document.querySelectorAll("[data-queue]")].map((each) => each.dataset.queue));
    for (const id of ids) document.dispatchEvent(new CustomEvent("live:change", { detail: { id } }));
  }, LOOK_AGAIN_MS);
}
