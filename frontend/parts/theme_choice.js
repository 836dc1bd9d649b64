// Light, dark, or as the system has it: kept in this browser (theme.js reads it before a page is painted).

export function followTheme() {
  const choice = document.getElementById("theme-choice");
  if (!choice) return;
  choice.hidden = false;
  const present = document.documentElement.dataset.bsTheme ?? "system";
  choice.querySelector(`input[value="${present}"]`).checked = true;
  choice.addEventListener("change", (event) => choose(event.target.value));
}

function choose(theme) {
  if (theme === "system") {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.bsTheme;
  } else {
    localStorage.setItem("theme", theme);
    document.documentElement.dataset.bsTheme = theme;
  }
}
