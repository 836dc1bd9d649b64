// Keys for fingers, and the device's own on-screen keyboard: it types into a box that nobody sees, and that is emptied at once.

import { hold, press, type } from "./keys.js";

const COARSE = "(pointer: coarse)";
const FILLER = "  "; // something to delete, or the device's keyboard would not tell of Backspace

export function followTouchBar(screen) {
  const bar = document.getElementById("touch-bar");
  const input = document.getElementById("touch-input");
  const held = new Set();

  function withRfb(action) {
    const rfb = screen()?.rfb;
    if (rfb) action(rfb);
  }
  function letGo() {
    withRfb((rfb) => held.forEach((button) => hold(rfb, button.dataset.hold, false)));
    for (const button of held) button.setAttribute("aria-pressed", "false");
    held.clear();
  }
  function send(action) {
    withRfb(action);
    letGo();
  }
  function empty() {
    input.value = FILLER;
    input.setSelectionRange(FILLER.length, FILLER.length);
  }

  for (const button of bar.querySelectorAll("[data-tap]")) {
    button.addEventListener("click", () => send((rfb) => press(rfb, button.dataset.tap)));
  }
  for (const button of bar.querySelectorAll("[data-hold]")) {
    button.addEventListener("click", () => {
      const isDown = !held.has(button);
      withRfb((rfb) => hold(rfb, button.dataset.hold, isDown));
      if (isDown) held.add(button);
      else held.delete(button);
      button.setAttribute("aria-pressed", String(isDown));
    });
  }
  // Fingers on the bar must not take the device's keyboard away.
  bar.addEventListener("pointerdown", (event) => document.activeElement === input && event.preventDefault());
  document.getElementById("touch-keyboard").addEventListener("click", () => {
    if (document.activeElement === input) return input.blur();
    empty();
    return input.focus();
  });
  input.addEventListener("input", (event) => {
    if (event.isComposing) return;
    if (event.inputType === "deleteContentBackward") send((rfb) => press(rfb, "BackSpace"));
    else if (event.inputType === "insertLineBreak") send((rfb) => press(rfb, "Enter"));
    else if (event.data) send((rfb) => type(rfb, event.data));
    empty();
  });
  input.addEventListener("compositionend", (event) => {
    send((rfb) => type(rfb, event.data));
    empty();
  });
  followChoice(bar);
}

function followChoice(bar) {
  const toggle = document.getElementById("toggle-touch-bar");
  function show(isShown) {
    bar.hidden = !isShown;
    document.body.classList.toggle("has-touch-bar", isShown);
    toggle.setAttribute("aria-pressed", String(isShown));
  }
  toggle.addEventListener("click", () => show(bar.hidden));
  show(window.matchMedia(COARSE).matches);
}
