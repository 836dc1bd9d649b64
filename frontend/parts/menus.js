// Menus are details elements. What those lack: closing by Escape, by a click elsewhere and after a choice, and arrow keys.

export function followMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) {
      const chosen = event.target.closest(".dropdown-item");
      if (!menu.contains(event.target) || chosen) close(menu, false);
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.(".menu");
    if (!menu) return;
    if (event.key === "Escape" && menu.open) close(menu, true);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") move(event, menu, event.key === "ArrowDown" ? 1 : -1);
  });
  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest?.(".menu[open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) close(menu, false);
  });
}

function close(menu, withFocus) {
  menu.open = false;
  if (withFocus) menu.querySelector("summary").focus();
}

function move(event, menu, direction) {
  event.preventDefault();
  menu.open = true;
  const items = [...menu.querySelectorAll(".dropdown-item")];
  const present = items.indexOf(document.activeElement);
  const start = direction > 0 ? -1 : items.length;
  items.at(((present < 0 ? start : present) + direction) % items.length)?.focus();
}
