// How the desktop's screen stands in the window. The choice is this browser's, for all desktops.

const KEY = "yunzhuo-console-view";
const VIEWS = {
  follow: { scaleViewport: true, resizeSession: true }, // scaled where the desktop cannot take the window's size
  fit: { scaleViewport: true, resizeSession: false },
  actual: { scaleViewport: false, resizeSession: false },
};

export class View {
  constructor(screen) {
    this.screen = screen;
    this.buttons = [...document.querySelectorAll("[data-view]")];
    const kept = localStorage.getItem(KEY);
    this.name = kept in VIEWS ? kept : "follow";
    for (const button of this.buttons) button.addEventListener("click", () => this.choose(button.dataset.view));
    this.tell();
  }

  choose(name) {
    this.name = name;
    localStorage.setItem(KEY, name);
    this.tell();
    this.apply(this.screen()?.rfb);
    this.screen()?.focus();
  }

  /** Brings a connection to the chosen view. */
  apply(rfb) {
    if (rfb) Object.assign(rfb, VIEWS[this.name]);
  }

  tell() {
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.view === this.name));
  }
}
