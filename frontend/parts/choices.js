// New desktop: sizes too small for the chosen image cannot be chosen. (The server refuses them in any case.)

export function followChoices() {
  const form = document.getElementById("new-desktop");
  if (!form) return;
  form.addEventListener("change", () => offerWhatFits(form));
  offerWhatFits(form);
}

function offerWhatFits(form) {
  const image = form.querySelector("input[name=image]:checked");
  const flavors = [...form.querySelectorAll("input[name=flavor]")];
  for (const flavor of flavors) {
    flavor.disabled =
      Number(flavor.dataset.memoryMib) < Number(image?.dataset.minMemoryMib ?? 0) ||
      Number(flavor.dataset.diskMib) < Number(image?.dataset.minDiskMib ?? 0);
    if (flavor.disabled) flavor.checked = false;
  }
  const fitting = flavors.find((flavor) => !flavor.disabled);
  if (fitting && !flavors.some((flavor) => flavor.checked)) fitting.checked = true;
}
