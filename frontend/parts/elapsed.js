// How long a change has been going on: data-elapsed says the seconds when the page was made, and time goes on from there.

const born = new WeakMap();

export function followElapsed() {
  const language = document.documentElement.lang;
  const seconds = new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "narrow" });
  setInterval(() => {
    for (const place of document.querySelectorAll("[data-elapsed]")) tick(place, seconds);
  }, 250);
}

function tick(place, seconds) {
  if (!born.has(place)) born.set(place, performance.now() - Number(place.dataset.elapsed) * 1000);
  const elapsed = Math.floor((performance.now() - born.get(place)) / 1000);
  const text = elapsed < 60 ? seconds.format(elapsed) : `${Math.floor(elapsed / 60)}:${String(elapsed % 60).padStart(2, "0")}`;
  if (place.textContent !== text) place.textContent = text;
}
