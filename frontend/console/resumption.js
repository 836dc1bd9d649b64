// The right to go on with a session whose line broke, without asking the portal for a new ticket. A loss is answered with one
// try at once; if that does not help, the portal is asked, which knows more; while the portal does not answer, both in turn.

export class Resumption {
  constructor() {
    this.connection = null;
    this.isDue = false;
  }

  /** A new session begins with this connection. */
  begin({ url, resume_subprotocol: subprotocol, resume_seconds: seconds }) {
    this.connection = { url, subprotocol };
    this.milliseconds = seconds * 1000;
    this.isOpen = false;
    this.isDue = false;
  }

  /** The screen is there. */
  works() {
    this.isOpen = true;
  }

  /** The screen is there no more; `isLine`: because of the line to it. Answers whether to go on at once. */
  lost(isLine) {
    if (this.isOpen) this.until = isLine ? performance.now() + this.milliseconds : 0;
    this.isDue = this.isOpen && this.isPossible();
    this.isOpen = false;
    return this.isDue;
  }

  /** Nobody could be asked: the next try is one to go on. */
  again() {
    this.isDue = this.isPossible();
  }

  /** What to open in place of a new session, handed out once for each try; null if there is nothing to go on with. */
  take() {
    const connection = this.isDue && this.isPossible() ? this.connection : null;
    this.isDue = false;
    return connection;
  }

  isPossible() {
    return this.connection !== null && performance.now() < this.until;
  }
}
