// The list of desktops: a card is fetched again when its desktop changes, comes when it is made, goes when it is gone.

import { fetchPart } from "./fetch_part.js";

/** Keeps the list on this page, if there is one, equal to what is. */
export function followCards(htmx) {
  const list = document.getElementById("desktops");
  if (!list) return;
  const cards = new Cards(htmx);
  document.addEventListener("live:change", (event) => cards.changed(event.detail));
  document.addEventListener("live:catch-up", () => cards.fetchList());
  document.body.addEventListener("htmx:afterSettle", () => cards.announce());
  cards.announce();
  cards.waitForImages();
}

class Cards {
  constructor(htmx) {
    this.htmx = htmx;
    this.fetching = new Map(); // a desktop's id -> whether to fetch once more after this
    this.told = new Map(); // a desktop's id -> the state last announced
  }

  /** Fetches one card; changes that come in meanwhile are one more fetch together. */
  async changed({ id, state }) {
    if (state === "deleted") {
      this.gone(id);
      return;
    }
    if (this.fetching.has(id)) {
      this.fetching.set(id, true);
      return;
    }
    this.fetching.set(id, false);
    await this.fetchCard(id);
    const again = this.fetching.get(id);
    this.fetching.delete(id);
    if (again) this.changed({ id });
  }

  async fetchCard(id) {
    const card = cardOf(id);
    const list = document.getElementById("desktops");
    if (!card && !("takesNew" in list.dataset)) return undefined; // search results, say
    if (!card && !list.querySelector("[data-desktop]")) return this.fetchList();
    const url = list.dataset.cardUrl.replace("DESKTOP", encodeURIComponent(id));
    const answer = await fetchPart(url);
    if (answer?.status === 404) return this.gone(id);
    if (answer?.ok) this.show(id, await answer.text());
    return undefined;
  }

  show(id, html) {
    const card = cardOf(id);
    const grid = document.querySelector("#desktops .desktops");
    if (card) keepingMenus(() => this.htmx.swap(card, html, { swapStyle: "outerHTML" }));
    else if (grid) this.htmx.swap(grid, html, { swapStyle: "afterbegin" });
  }

  gone(id) {
    const card = cardOf(id);
    if (!card) return undefined;
    if (document.querySelectorAll("[data-desktop]").length === 1) return this.fetchList();
    const hadFocus = card.contains(document.activeElement);
    card.remove();
    this.told.delete(id);
    if (hadFocus) document.getElementById("page-title")?.focus();
    return undefined;
  }

  async fetchList() {
    const wanted = { target: "#desktops", select: "#desktops", swap: "outerHTML" };
    await keepingMenus(() => this.htmx.ajax("GET", window.location.href, wanted));
    this.waitForImages();
  }

  /** No desktop can be made yet: looks again until the first image is there (no event tells of it). */
  waitForImages() {
    clearTimeout(this.waiting);
    if (document.querySelector("#desktops[data-unprepared]")) this.waiting = setTimeout(() => this.fetchList(), 3000);
  }

  /** Says what changed to people who do not see it. The first time only takes note. */
  announce() {
    const first = this.told.size === 0;
    for (const card of document.querySelectorAll("[data-desktop]")) {
      const { desktop, state, announcement } = card.dataset;
      if (this.told.get(desktop) !== state && !first) document.getElementById("announcer").textContent = announcement;
      this.told.set(desktop, state);
    }
  }
}

function cardOf(id) {
  return document.getElementById(`desktop-${id}`);
}

/** An open menu of a card stays open when the card is replaced, and the keyboard where it was. */
async function keepingMenus(replace) {
  const open = [...document.querySelectorAll("#desktops .menu[open]")].map((menu) => menu.id);
  const focused = document.activeElement?.id;
  await replace();
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  // htmx keeps the keyboard's place by ids, but cannot give it to what is in a menu that was closed at that moment.
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
}
