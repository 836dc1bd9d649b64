// How good the line to the gateway is: a word sent there comes back at once, on the same WebSocket as the screen.

const ASK_MS = 3000;
const GOOD_MS = 60;
const FAIR_MS = 150;
const KEPT = 5;
const DEAD_MS = 9000; // without a word, though one was asked for; a browser itself would wait for minutes

export class Line {
  constructor(sign) {
    this.sign = sign;
    this.text = document.getElementById("line-milliseconds");
  }

  /** Measures on this WebSocket until it closes; `dead` is called when nothing comes any more. To be called before anybody else
   * listens to it. */
  follow(socket, dead) {
    const times = [];
    let sent = null;
    let heard = performance.now();
    const asking = setInterval(() => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (sent !== null && performance.now() - Math.max(sent, heard) > DEAD_MS) {
        clearInterval(asking);
        dead();
        return;
      }
      if (sent !== null) this.show(Math.max(performance.now() - sent, FAIR_MS + 1)); // still no answer: poor, whatever it was
      else socket.send(`echo ${(sent = performance.now())}`);
    }, ASK_MS);
    socket.addEventListener("message", (event) => {
      heard = performance.now();
      if (typeof event.data !== "string") return;
      event.stopImmediatePropagation();
      if (sent === null) return;
      times.push(performance.now() - sent);
      sent = null;
      if (times.length > KEPT) times.shift();
      this.show([...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]);
    });
    socket.addEventListener("close", () => {
      clearInterval(asking);
      this.sign.hidden = true;
    });
  }

  show(milliseconds) {
    const rounded = Math.round(milliseconds);
    const quality = rounded <= GOOD_MS ? "good" : rounded <= FAIR_MS ? "fair" : "poor";
    this.sign.hidden = false;
    this.sign.className = `line-quality when-connected is-${quality}`;
    this.sign.title = this.sign.dataset[quality].replace("{ms}", rounded);
    this.text.textContent = `${rounded} ms`;
  }
}
