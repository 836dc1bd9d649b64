// Sound on and off: a connection of its own beside the screen's. Browsers play only after a press, so it is off at first;
// once it is on it comes back with the screen.

import { requestConnection } from "./connection.js";

export function followSoundSwitch(body) {
  const button = document.getElementById("sound-switch");
  const place = document.getElementById("sound");
  let isWanted = false;
  let isAsking = false;
  let sound = null;

  function show() {
    button.setAttribute("aria-pressed", String(isWanted));
  }
  async function begin() {
    if (sound || isAsking || !isWanted || body.dataset.console !== "connected") return;
    isAsking = true;
    try {
      const { Sound } = await import(button.dataset.script);
      const answer = await requestConnection(body.dataset.connectionsUrl, "spice");
      if (answer.kind !== "granted") isWanted = false;
      else if (isWanted) sound = new Sound(place, answer.connection, ended);
    } catch {
      isWanted = false; // the script could not be loaded
    } finally {
      isAsking = false;
    }
    show();
  }
  function ended() {
    sound = null;
    isWanted = false; // it would break again; the next press tries anew
    show();
  }
  function end() {
    sound?.close();
    sound = null;
  }

  button.addEventListener("click", () => {
    isWanted = !isWanted;
    if (isWanted) begin();
    else end();
    show();
  });
  new MutationObserver(() => (body.dataset.console === "connected" ? begin() : end())).observe(body, {
    attributeFilter: ["data-console"],
  });
}
