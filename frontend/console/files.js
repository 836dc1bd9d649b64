// Files into the desktop, by dropping or choosing, and out of it, from a list of its download folder.

import { ask } from "./guest.js";
import { upload } from "./upload.js";

const UNITS = ["B", "kB", "MB", "GB"];

export class Files {
  constructor(panel, { isConnected, show }) {
    this.panel = panel;
    this.words = panel.dataset;
    this.isConnected = isConnected;
    this.show = show;
    this.uploads = document.getElementById("uploads");
    this.list = document.getElementById("files");
    this.status = document.getElementById("files-status");
    this.turn = Promise.resolve(); // one file at a time: the line is the same for all
    const input = document.getElementById("files-input");
    document.getElementById("choose-files").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.take([...input.files]);
      input.value = "";
    });
    document.getElementById("refresh-files").addEventListener("click", () => this.opened());
    this.followDrops();
  }

  async opened() {
    try {
      const { items } = await (await ask(this.words.url)).json();
      this.list.replaceChildren(...items.map((file) => this.entry(file)));
      document.getElementById("no-files").hidden = items.length > 0;
      document.getElementById("download-all").hidden = items.length < 2;
      this.say("");
    } catch (refusal) {
      this.say((refusal.status && refusal.message) || this.words.failed);
    }
  }

  entry({ name, size_bytes: size }) {
    const link = Object.assign(document.createElement("a"), {
      href: this.address(name),
      download: name,
      textContent: name,
      title: this.words.download.replace("{name}", name),
    });
    const item = document.createElement("li");
    item.append(link, said("file-size", readable(size)));
    return item;
  }

  followDrops() {
    const sign = document.getElementById("drop-sign");
    const carriesFiles = (event) => this.isConnected() && event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      sign.hidden = false;
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget || (sign.hidden = true));
    document.addEventListener("drop", (event) => {
      sign.hidden = true;
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.show();
      this.take(filesOf(event.dataTransfer));
    });
  }

  take(files) {
    for (const file of files) this.begin(file);
  }

  begin(file) {
    const item = document.createElement("li");
    const progress = Object.assign(document.createElement("progress"), { max: file.size || 1, value: 0 });
    progress.setAttribute("aria-label", file.name);
    const state = said("file-state", this.words.waiting);
    const controller = new AbortController();
    const cancel = Object.assign(document.createElement("button"), {
      type: "button",
      className: "btn btn-quiet",
      textContent: this.words.cancel,
    });
    cancel.addEventListener("click", () => controller.abort());
    item.append(said("file-name", file.name), state, progress, cancel);
    this.uploads.append(item);
    const ended = (text, kind) => {
      state.textContent = text;
      item.dataset.kind = kind;
      progress.remove();
      cancel.remove();
    };
    if (file.size > Number(this.words.limit)) return ended(this.words.tooLarge, "bad");
    if (/^\.|[/\\\p{Cc}]/u.test(file.name)) return ended(this.words.badName, "bad");
    this.turn = this.turn.then(() =>
      this.carry(file, controller.signal, (bytes) => {
        progress.value = bytes;
        state.textContent = `${readable(bytes)} / ${readable(file.size)}`;
      }).then(
        () => ended(this.words.done, "good"),
        (failure) => ended(this.reason(failure), failure.name === "AbortError" ? "calm" : "bad"),
      ),
    );
    return undefined;
  }

  async carry(file, signal, told) {
    signal.throwIfAborted();
    await upload(file, {
      url: this.address(file.name),
      uploadsUrl: this.words.uploadsUrl + encodeURIComponent(file.name),
      pieceBytes: Number(this.words.piece),
      signal,
      told,
    });
    await this.opened();
  }

  reason(failure) {
    if (failure.name === "AbortError") return this.words.cancelled;
    return (failure.status && failure.message) || this.words.failed;
  }

  address(name) {
    return `${this.words.url}/${encodeURIComponent(name)}`;
  }

  say(text) {
    this.status.textContent = text;
  }
}

/** The plain files among what was dropped; a folder would come as an unreadable file. */
function filesOf(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory);
  return items.map((item) => item.getAsFile()).filter(Boolean);
}

function said(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent });
}

function readable(bytes) {
  const power = Math.min(Math.floor(Math.log(Math.max(bytes, 1)) / Math.log(1000)), UNITS.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power && bytes < 100 * 1000 ** power ? 1 : 0)} ${UNITS[power]}`;
}
