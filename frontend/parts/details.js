// Details: the parts marked data-live are fetched again when the desktop (or "any" of them) changes; what is typed stays.

import { fetchPart } from "./fetch_part.js";

/** Keeps the details on this page, if there are any, equal to what is. */
export function followDetails(htmx) {
  const head = document.querySelector("[data-watched]");
  if (!head) return;
  const { watched, detailsUrl } = head.dataset;
  const isMeant = (id) => watched === "any" || id === watched;
  const look = once(() => refresh(htmx, detailsUrl));
  document.addEventListener("live:change", (event) => isMeant(event.detail.id) && look());
  document.addEventListener("live:catch-up", look);
}

/** As `fetch`, one at a time: whatever changes meanwhile is one more look together. */
function once(fetch) {
  let again;
  return async () => {
    if (again !== undefined) {
      again = true;
      return;
    }
    do {
      again = false;
      await fetch();
    } while (again);
    again = undefined;
  };
}

async function refresh(htmx, url) {
  const answer = await fetchPart(url);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...document.querySelectorAll("[data-live] details")].map((each) => each.open);
  for (const part of document.querySelectorAll("[data-live]")) {
    const replacement = fresh.getElementById(part.id);
    if (replacement) htmx.swap(part, replacement.outerHTML, { swapStyle: "outerHTML" });
  }
  // The newest stands first, so what was open is counted from the end.
  const details = [...document.querySelectorAll("[data-live] details")].reverse();
  open.reverse().forEach((wasOpen, index) => details[index] && (details[index].open = wasOpen));
}
