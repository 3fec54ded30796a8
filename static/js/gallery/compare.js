// Pictures that are compared: one zoom and one place for all of them, the line between two, one of them alone.

import { byId, each } from "../dom.js";
import { isLetter } from "../keys.js";

const MOST = 16, STEP = 1.25; // times the fitted size
const stage = document.querySelector("[data-compare]");
const at = (name) => document.querySelector(`[data-compare-${name}]`);
const view = (name) => Boolean(byId(`view-${name}`)?.checked);
let zoom = 1, x = 0, y = 0; // the middle's way from the pane's middle, in widths and heights of a pane

function show() {
  const most = (zoom - 1) / 2, within = (way) => Math.min(most, Math.max(-most, way));
  [x, y] = [within(x), within(y)];
  stage.style.setProperty("--zoom", zoom);
  stage.style.setProperty("--x", `${100 * x}%`);
  stage.style.setProperty("--y", `${100 * y}%`);
  stage.classList.toggle("zoomed", zoom > 1);
  at("percent").textContent = `${Math.round((100 * zoom) / actual())} %`;
}

// At this zoom a pixel of the first picture is one of the screen.
function actual() {
  const picture = stage.querySelector("img"), { naturalWidth: wide, naturalHeight: high } = picture;
  if (!wide) return 1;
  const fitted = Math.min(picture.clientWidth / wide, picture.clientHeight / high);
  return 1 / (fitted * devicePixelRatio);
}

// What is at a place of a pane, in widths and heights from its middle, stays there.
function zoomTo(wanted, px = 0, py = 0) {
  const next = Math.min(MOST, Math.max(1, wanted));
  x = px - ((px - x) * next) / zoom;
  y = py - ((py - y) * next) / zoom;
  zoom = next;
  show();
}

function place(event) {
  const box = event.target.closest(".pane").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5, box];
}

function cut(percent) {
  const slider = at("cut");
  slider.value = percent;
  stage.style.setProperty("--cut", `${slider.value}%`);
}

function press(how) {
  if (how === "fit") zoomTo(1);
  else if (how === "actual") zoomTo(actual());
  else zoomTo(how === "in" ? zoom * STEP : zoom / STEP);
}

const pointers = new Map();
function drag(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const [px, py, box] = place({ target: before.pane, clientX: event.clientX, clientY: event.clientY });
  const [first, second] = [...pointers.values()];
  if (second) {
    const apart = () => Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY) || 1;
    const was = apart();
    Object.assign(before, { clientX: event.clientX, clientY: event.clientY });
    return zoomTo((zoom * apart()) / was, px, py);
  }
  if (view("slider") && (zoom === 1 || before.onLine)) cut(100 * (px + 0.5));
  else {
    x += (event.clientX - before.clientX) / box.width;
    y += (event.clientY - before.clientY) / box.height;
    show();
  }
  Object.assign(before, { clientX: event.clientX, clientY: event.clientY });
}

function swap() {
  stage.prepend(stage.querySelectorAll(".pane")[1]);
}

function leave() {
  const came = document.referrer && new URL(document.referrer).origin === location.origin;
  if (came && history.length > 1) history.back();
  else document.querySelector("a[data-escape]").click();
}

function only(number) {
  const same = stage.dataset.only === number;
  if (same) delete stage.dataset.only;
  else stage.dataset.only = number;
  each(".pane", (pane, index) => pane.classList.toggle("alone", !same && String(index + 1) === number), stage);
}

function key(event) {
  const { key: pressed } = event;
  if (pressed === "Escape" && !document.querySelector("dialog[open], :popover-open")) return leave();
  if (!isLetter(event)) return;
  if (/^[1-4]$/.test(pressed) && stage.querySelectorAll(".pane")[pressed - 1]) only(pressed);
  else if (pressed === "+" || pressed === "=") press("in");
  else if (pressed === "-") press("out");
  else if (pressed === "0") press("fit");
  else if (pressed.toLowerCase() === "s" && at("swap")) swap();
  else if (view("slider") && pressed.startsWith("Arrow") && !event.target.matches("[type=range], [type=radio]")) {
    cut(Number(at("cut").value) + { ArrowLeft: -2, ArrowRight: 2 }[pressed]);
  }
}

if (stage) {
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [px, py] = place(event);
    zoomTo(zoom * Math.exp(-event.deltaY / 400), px, py);
  }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("a") || !event.target.closest(".pane")) return;
    const [px] = place(event), line = Number(at("cut")?.value ?? 50) / 100 - 0.5;
    const pane = event.target.closest(".pane"), onLine = Math.abs(px - line) < 0.04;
    pointers.set(event.pointerId, { pane, onLine, clientX: event.clientX, clientY: event.clientY });
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", drag);
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("dblclick", () => zoomTo(zoom > 1 ? 1 : actual()));
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-compare-zoom], [data-compare-swap]");
    if (button) button.dataset.compareZoom ? press(button.dataset.compareZoom) : swap();
  });
  at("cut")?.addEventListener("input", ({ target }) => cut(target.value));
  at("gain")?.addEventListener("input", ({ target }) => {
    stage.style.setProperty("--gain", target.value);
    at("shows").textContent = `× ${target.value}`;
  });
  at("view")?.addEventListener("change", ({ target }) => {
    const address = new URL(location.href);
    address.searchParams.set("view", target.value);
    history.replaceState(null, "", address);
    show();
  });
  document.addEventListener("keydown", key);
  stage.querySelector("img").addEventListener("load", show);
  addEventListener("resize", show);
  show();
}
