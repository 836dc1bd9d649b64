// The peer's page: noVNC as it comes, straight to websockify. The address's fragment is the screen's password.

import RFB from "@novnc/novnc";

const credentials = { password: window.location.hash.slice(1) };
const rfb = new RFB(document.getElementById("screen"), `ws://${window.location.host}/websockify`, { credentials });
rfb.addEventListener("connect", () => {
  document.body.dataset.console = "connected";
  rfb.focus();
});
