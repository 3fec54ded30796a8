// Crops: the hole follows the sliders, and the pointer moves the sliders.

function cut(figure) {
  const svg = figure.querySelector("[data-hole]"), { width, height } = svg.viewBox.baseVal;
  const [across, down] = svg.dataset.hole.split(" ").map(Number);
  const at = (name, room) => (room * Number(figure.querySelector(`[name=${name}]`)?.value ?? 50)) / 100;
  const hole = `M${at("x", width - across)} ${at("y", height - down)}h${across}v${down}h-${across}z`;
  svg.querySelector("path").setAttribute("d", `M0 0h${width}v${height}H0z${hole}`);
}

let held; // the crop under the pressed pointer: where it was pressed, and how far its sliders stood
document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest?.(".crop.moves [data-hole]");
  if (!svg || event.button) return;
  svg.setPointerCapture(event.pointerId);
  const sliders = [...svg.closest(".crop").querySelectorAll("[type=range]")];
  held = { svg, x: event.clientX, y: event.clientY, sliders, from: sliders.map((slider) => Number(slider.value)) };
});
document.addEventListener("pointermove", (event) => {
  if (!held) return;
  const { svg, sliders, from } = held, box = svg.getBoundingClientRect(), { width, height } = svg.viewBox.baseVal;
  const [across, down] = svg.dataset.hole.split(" ").map(Number);
  const room = { x: box.width * (1 - across / width), y: box.height * (1 - down / height) };
  const moved = { x: event.clientX - held.x, y: event.clientY - held.y };
  sliders.forEach((slider, index) => (slider.value = from[index] + (100 * moved[slider.name]) / room[slider.name]));
  cut(svg.closest(".crop"));
});
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => {
    const moved = held?.sliders.find((slider, index) => Number(slider.value) !== held.from[index]);
    held = undefined;
    moved?.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
document.addEventListener("input", ({ target }) => target.closest?.(".crop") && cut(target.closest(".crop")));
