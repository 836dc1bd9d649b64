// spice-html5 opens its WebSockets with the subprotocol "binary" alone. In the bundle that holds it, this class stands in for
// the browser's (build.mjs, `inject`), and offers the ticket beside it: never in an address, which would be logged.

const BrowserSocket = globalThis.WebSocket;
let subprotocol = "";

/** What every socket opened from now on carries. */
export function carry(ticket) {
  subprotocol = ticket;
}

class TicketSocket extends BrowserSocket {
  constructor(url, protocols) {
    super(url, [].concat(protocols, subprotocol));
  }
}

export { TicketSocket as WebSocket };
