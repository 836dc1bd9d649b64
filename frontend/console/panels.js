// Panels beside the screen: one is open at a time; Escape or its cross closes it and gives the keyboard back to the desktop.

export class Panels {
  constructor(body, giveKeyboardBack) {
    this.body = body;
    this.giveKeyboardBack = giveKeyboardBack;
    this.panels = new Map();
    new MutationObserver(() => body.dataset.console !== "connected" && this.close()).observe(body, {
      attributeFilter: ["data-console"],
    });
  }

  /** Makes `button` open and close `panel`; `opened` is called with every opening. */
  add(button, panel, opened) {
    this.panels.set(panel, { button, opened });
    button.addEventListener("click", () => (panel.hidden ? this.open(panel) : this.close({ withFocus: true })));
    panel.querySelector("[data-panel-close]").addEventListener("click", () => this.close({ withFocus: true }));
    panel.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close({ withFocus: true });
    });
  }

  open(panel, { withFocus = true } = {}) {
    if (!panel.hidden) return;
    this.close();
    panel.hidden = false;
    this.body.dataset.panel = panel.id;
    const { button, opened } = this.panels.get(panel);
    button.setAttribute("aria-expanded", "true");
    opened();
    if (withFocus) panel.querySelector("textarea, button.btn-primary").focus();
  }

  close({ withFocus = false } = {}) {
    for (const [panel, { button }] of this.panels) {
      panel.hidden = true;
      button.setAttribute("aria-expanded", "false");
    }
    delete this.body.dataset.panel;
    if (withFocus) this.giveKeyboardBack();
  }
}
