// Keys that a browser keeps for itself, or that fingers do not have: each by its keysym (X11) and its place (UI Events).

const KEYS = {
  Ctrl: [0xffe3, "ControlLeft"],
  Alt: [0xffe9, "AltLeft"],
  Shift: [0xffe1, "ShiftLeft"],
  Super: [0xffeb, "MetaLeft"],
  Del: [0xffff, "Delete"],
  Esc: [0xff1b, "Escape"],
  Escape: [0xff1b, "Escape"],
  Tab: [0xff09, "Tab"],
  F4: [0xffc1, "F4"],
  PrintScreen: [0xff61, "PrintScreen"],
  Left: [0xff51, "ArrowLeft"],
  Up: [0xff52, "ArrowUp"],
  Right: [0xff53, "ArrowRight"],
  Down: [0xff54, "ArrowDown"],
  BackSpace: [0xff08, "Backspace"],
  Enter: [0xff0d, "Enter"],
};
const LATIN_1_END = 0x100;
const UNICODE_KEYSYM = 0x01000000;

/** Presses these keys together (`Ctrl-Alt-Del`) and lets them go. */
export function press(rfb, names) {
  const keys = names.split("-").map((name) => KEYS[name]);
  for (const [keysym, code] of keys) rfb.sendKey(keysym, code, true);
  for (const [keysym, code] of keys.reverse()) rfb.sendKey(keysym, code, false);
}

/** Presses one key, or lets it go. */
export function hold(rfb, name, isDown) {
  rfb.sendKey(...KEYS[name], isDown);
}

/** Types text, sign by sign, wherever these signs are on the desktop's keyboard. */
export function type(rfb, text) {
  for (const sign of text) {
    const point = sign.codePointAt(0);
    if (sign === "\n") press(rfb, "Enter");
    else rfb.sendKey(point < LATIN_1_END ? point : UNICODE_KEYSYM + point, null);
  }
}
