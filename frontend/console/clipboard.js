// The clipboard both ways. The box works everywhere and by keyboard; where the browser lets a page have the device's own
// clipboard, nobody needs to copy by hand, and once the person has allowed it, coming back to the page carries it over.

import { ask } from "./guest.js";

export class Clipboard {
  constructor(panel, isConnected) {
    this.panel = panel;
    this.words = panel.dataset;
    this.isConnected = isConnected;
    this.box = panel.querySelector("textarea");
    this.status = document.getElementById("clipboard-status");
    this.carried = null; // what both sides have, as far as this page knows
    document.getElementById("clipboard-send").addEventListener("click", () => this.trying(() => this.send(this.box.value)));
    document.getElementById("clipboard-take").addEventListener("click", () => this.trying(() => this.take()));
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.trying(() => this.send(this.box.value));
    });
    this.followDevice();
  }

  /** What there is to do when the panel opens: nothing is asked of anybody before the person does. */
  opened() {
    this.say("");
    this.box.select();
  }

  followDevice() {
    if (!navigator.clipboard?.readText) return;
    const push = document.getElementById("clipboard-push");
    push.hidden = false;
    push.addEventListener("click", () => this.trying(() => this.push()));
    window.addEventListener("focus", () => this.pushIfAllowed());
  }

  async push() {
    const text = await navigator.clipboard.readText().catch(() => null);
    if (text === null) return this.say(this.words.denied, "bad");
    this.box.value = text;
    return this.send(text);
  }

  async pushIfAllowed() {
    if (!this.isConnected() || this.carried === null) return;
    const permission = await navigator.permissions?.query({ name: "clipboard-read" }).catch(() => null);
    if (permission?.state !== "granted") return;
    const text = await navigator.clipboard.readText().catch(() => "");
    if (text && text !== this.carried) await this.send(text).catch(() => undefined);
  }

  async send(text) {
    if (new Blob([text]).size > Number(this.words.limit)) return this.say(this.words.tooLong, "bad");
    await ask(this.words.url, {
      method: "PUT",
      body: JSON.stringify({ text }),
      headers: { "Content-Type": "application/json" },
    });
    this.carried = text;
    return this.say(this.words.sent, "good");
  }

  async take() {
    const { text } = await (await ask(this.words.url)).json();
    this.box.value = text;
    this.box.focus();
    this.box.select();
    if (!text) return this.say(this.words.empty);
    this.carried = text;
    const isCopied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    return this.say(isCopied ? this.words.copied : this.words.taken, "good");
  }

  async trying(wish) {
    this.say(this.words.working);
    try {
      await wish();
    } catch (refusal) {
      this.say(refusal.status === 413 ? this.words.tooLong : (refusal.status && refusal.message) || this.words.failed, "bad");
    }
  }

  say(text, kind = "calm") {
    this.status.textContent = text;
    this.status.dataset.kind = kind;
  }
}
