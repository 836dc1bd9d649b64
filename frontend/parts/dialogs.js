// Questions that a page asks ("delete?", "which name?") come up in a dialog. Without this script the same link leads to a page.

import { fetchPart } from "./fetch_part.js";

/** Opens links marked data-dialog in the page's dialog. */
export function followDialogs(htmx) {
  const dialog = document.getElementById("dialog");
  if (!dialog) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(htmx, dialog, link);
    }
    if (event.target === dialog || event.target.closest("[data-dialog-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.body.addEventListener("dialog:done", () => dialog.close());
  dialog.addEventListener("close", () => returnTo(dialog.dataset.opener));
}

async function open(htmx, dialog, link) {
  dialog.dataset.opener = link.closest(".menu")?.querySelector("summary")?.id || link.id;
  const answer = await fetchPart(link.href);
  if (!answer?.ok) {
    window.location.assign(link.href); // the page itself says what is wrong
    return;
  }
  const content = dialog.querySelector("#dialog-content");
  htmx.swap(content, await answer.text(), { swapStyle: "innerHTML" });
  dialog.showModal();
  content.querySelector("[autofocus]")?.focus();
  content.querySelector("input[autofocus]")?.select();
}

function returnTo(id) {
  if (id) document.getElementById(id)?.focus();
}
