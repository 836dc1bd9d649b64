// Runs before the page is painted: light or dark, if the person chose one. Otherwise the style sheet follows the system.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.bsTheme = theme;
} catch {
  // Storage is switched off in this browser: the system's choice it is.
}
