// One file on its way into the desktop, a piece a request: a piece that was lost is sent again, the rest waits for it.

import { ask } from "./guest.js";

const TRIES = 4;
const PAUSE_MS = 1000;
const MAY_WORK_LATER = 500;

/** Puts `file` in; `told(bytes)` hears how much is there. Throws like `ask`; what was put in is forgotten then. */
export async function upload(file, { url, uploadsUrl, pieceBytes, signal, told }) {
  try {
    let offset = 0;
    do {
      const end = Math.min(offset + pieceBytes, file.size);
      await put(url, file.slice(offset, end), place(offset, end, file.size), signal);
      offset = end;
      told(offset);
    } while (offset < file.size);
  } catch (failure) {
    ask(uploadsUrl, { method: "DELETE" }).catch(() => undefined);
    throw failure;
  }
}

function place(offset, end, size) {
  return size ? { "Content-Range": `bytes ${offset}-${end - 1}/${size}` } : {};
}

async function put(url, piece, headers, signal) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await ask(url, { method: "PUT", body: piece, headers: { "Content-Type": "application/octet-stream", ...headers }, signal });
    } catch (failure) {
      const isFinal = failure.name === "AbortError" || (failure.status && failure.status < MAY_WORK_LATER);
      if (isFinal || !left) throw failure;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      signal.throwIfAborted();
    }
  }
}
