// The bar over the screen: steps aside while somebody works, comes back at the window's upper edge, by its tongue, or by
// Ctrl+Alt+Shift; Escape gives the keyboard back to the desktop.

const AWAY_AFTER_MS = 2500;
const EDGE_PX = 3;
const CHORD = ["Control", "Alt", "Shift"];

export function followToolbar(body, screen) {
  const bar = document.getElementById("console-bar");
  let leaving;

  function comeBack() {
    body.dataset.bar = "here";
    clearTimeout(leaving);
    leaving = setTimeout(goAway, AWAY_AFTER_MS);
  }
  function goAway() {
    if (body.dataset.panel || bar.matches(":hover, :focus-within")) comeBack();
    else body.dataset.bar = "away";
  }
  function giveKeyboardBack() {
    screen()?.focus();
    goAway();
  }

  new MutationObserver(comeBack).observe(body, { attributeFilter: ["data-console"] });
  document.addEventListener("pointermove", (event) => event.clientY <= EDGE_PX && comeBack());
  document.getElementById("console-tongue").addEventListener("click", comeBack);
  bar.addEventListener("pointerenter", comeBack);
  bar.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.target.closest(".menu")) giveKeyboardBack();
  });
  followChord(() => {
    comeBack();
    document.getElementById("console-back").focus();
  });
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.addEventListener("click", () => screen()?.press(button.dataset.keys));
  }
  followFullScreen(() => screen()?.focus());
}

/** Calls `pressed` once Ctrl, Alt and Shift were held together and all are up again: so none of them stays down inside. */
function followChord(pressed) {
  const down = new Set();
  let isChord = false;
  window.addEventListener(
    "keydown",
    (event) => {
      if (CHORD.includes(event.key)) down.add(event.key);
      isChord = CHORD.includes(event.key) && (isChord || down.size === CHORD.length);
    },
    { capture: true },
  );
  window.addEventListener(
    "keyup",
    (event) => {
      down.delete(event.key);
      if (!isChord || event.ctrlKey || event.altKey || event.shiftKey) return;
      isChord = false;
      // After the screen has seen the key come up.
      setTimeout(pressed);
    },
    { capture: true },
  );
  window.addEventListener("blur", () => down.clear());
}

function followFullScreen(afterwards) {
  const button = document.getElementById("full-screen");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", async () => {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen({ navigationUI: "hide" }).catch(() => undefined);
    afterwards();
  });
  document.addEventListener("fullscreenchange", () => {
    button.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
    // So that Escape, Alt-Tab and the like go to the desktop, where the browser lets us.
    if (document.fullscreenElement) navigator.keyboard?.lock?.().catch(() => undefined);
    else navigator.keyboard?.unlock?.();
  });
}
