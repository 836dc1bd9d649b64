// Notices: closing them, and the one that the page shows by itself when the server does not answer.

export function followNotices() {
  document.addEventListener("click", (event) => {
    event.target.closest("[data-notice-close]")?.closest(".notice").remove();
  });
  document.body.addEventListener("htmx:sendError", () => show("notice-unreachable"));
  document.body.addEventListener("htmx:responseError", () => show("notice-failed"));
}

function show(id) {
  const template = document.getElementById(id);
  document.getElementById("notices")?.replaceChildren(template.content.cloneNode(true));
}
