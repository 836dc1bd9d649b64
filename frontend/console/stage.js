// What the page shows where there is no screen. Its words come from the server, in the person's language.

import { fetchPart } from "../parts/fetch_part.js";

const CONNECTION_COLORS = {
  connecting: "state-busy",
  connected: "state-good",
  reconnecting: "state-busy",
  refused: "state-bad",
  gone: "state-calm",
};

export class Stage {
  constructor(body) {
    this.url = body.dataset.stageUrl;
    this.sign = document.getElementById("connection-state");
    this.asked = 0;
  }

  /** What was asked for until now comes too late: something newer is known. */
  forget() {
    this.asked += 1;
  }

  /** How the desktop is now: {state, console}, "gone", or null when nobody could say (or was asked again since). */
  async fetch() {
    this.asked += 1;
    const asked = this.asked;
    const answer = await fetchPart(this.url);
    if (asked !== this.asked) return null;
    if (answer?.status === 404) return "gone";
    if (!answer?.ok) return null;
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const stage = parsed.getElementById("stage");
    if (!stage) return null;
    document.getElementById("stage").replaceWith(stage);
    return { state: stage.dataset.state, console: stage.dataset.console };
  }

  /** Says why the screen was refused; without a reason the page's own words stay. */
  explain(reason, code) {
    if (reason) document.getElementById("refusal").textContent = reason;
    document.getElementById("refusal-code").textContent = code ?? "";
  }

  /** Brings the bar's sign to the page's state: the connection's, or else the desktop's. */
  tell(state) {
    const stage = document.getElementById("stage");
    const text = this.sign.dataset[state] ?? stage.dataset.stateText;
    const color = CONNECTION_COLORS[state] ?? [...stage.classList].find((name) => name.startsWith("state-")) ?? "state-calm";
    if (this.sign.textContent !== text) this.sign.textContent = text;
    this.sign.className = `state ${color}`;
  }
}
