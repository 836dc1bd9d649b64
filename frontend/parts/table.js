// Tables of desktops and of operations: select all, how many are selected, rows that stay true. Without this they work by pages.

import { fetchPart } from "./fetch_part.js";

const WAIT_MS = 600;

/** Keeps the table on this page, if there is one, equal to what is, and what is selected in it selected. */
export function followTable() {
  if (!document.querySelector("#many, [data-takes-new]")) return;
  document.addEventListener("change", (event) => {
    if (event.target.id === "select-all") selectAll(event.target.checked);
    if (event.target.closest("#many")) show();
  });
  let waiting;
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(renew, WAIT_MS); // many changes at once are one look
  };
  document.addEventListener("live:change", later);
  document.addEventListener("live:catch-up", later);
  show();
}

function boxes() {
  return [...document.querySelectorAll("#many input[name=id]")];
}

function selectAll(checked) {
  for (const box of boxes()) box.checked = checked;
}

function show() {
  const all = document.getElementById("select-all");
  const count = document.getElementById("many-count");
  if (!all || !count) return;
  const selected = boxes().filter((box) => box.checked).length;
  all.hidden = false;
  all.checked = selected > 0 && selected === boxes().length;
  all.indeterminate = selected > 0 && !all.checked;
  const text = selected ? count.dataset.some.replace("COUNT", selected) : count.dataset.none;
  if (count.textContent !== text) count.textContent = text;
}

/** Takes the rows' states from the page as it is now. Rows that came or went wait for the next visit: nothing jumps away;
 * but a table that takes new rows is taken whole while nobody is at it. */
async function renew() {
  const answer = await fetchPart(window.location.href);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const whole = document.querySelector("[data-takes-new]");
  const isAtRest = !boxes().some((box) => box.checked) && !document.querySelector("#many details[open]");
  if (whole && isAtRest && !whole.contains(document.activeElement)) {
    whole.replaceWith(fresh.getElementById(whole.id));
    show();
    return;
  }
  for (const box of boxes()) {
    const news = fresh.getElementById(box.id)?.closest("tr").querySelector(".row-news");
    if (news) box.closest("tr").querySelector(".row-news").replaceWith(news);
    if (news) continue;
    const state = fresh.getElementById(box.id)?.closest("tr").querySelector(".state");
    if (state) box.closest("tr").querySelector(".state").replaceWith(state);
  }
}
