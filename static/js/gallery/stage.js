// The large picture: as large as the place, pixel for pixel, and beyond; moved with the mouse, fingers or keys. Lights
// out takes away everything else.

import { each } from "../dom.js";
import { isLetter } from "../keys.js";

const MOST = 16; // pixels of the screen for one of the picture
const STEP = 1.5; // of the buttons and keys
const MOVE = 80; // pixels for one press of a key
const CLICK = 5; // pixels that a finger may move while it clicks
const SWIPE = 60; // pixels
const SHARP = 3; // from here on single pixels are shown as squares

const stage = document.querySelector(".stage:has(.lens)");
const place = stage?.querySelector(".big"), picture = place?.querySelector("img");
const see = { times: 1, x: 0, y: 0 }; // times of what fits, and how far its centre is from that of the place

// How often what fits has to be enlarged to have one pixel of the picture on one of the screen.
const whole = () => (picture.naturalWidth || picture.width) / (picture.clientWidth * devicePixelRatio);
const most = () => Math.max(MOST * whole(), 1);
const near = (value, end) => Math.min(Math.max(value, -end), end);

function show() {
  const { times } = see, isFit = times <= 1;
  see.x = near(see.x, Math.max(0, (picture.clientWidth * times - place.clientWidth) / 2));
  see.y = near(see.y, Math.max(0, (picture.clientHeight * times - place.clientHeight) / 2));
  picture.style.transform = isFit ? "" : `translate(${see.x}px, ${see.y}px) scale(${times})`;
  place.classList.toggle("near", !isFit);
  place.classList.toggle("pixels", times >= SHARP * whole());
  const percent = Math.round((times / whole()) * 100);
  if (percent) stage.querySelector("[data-percent]").textContent = `${percent} %`; // it is not loaded yet
  stage.querySelector("[data-lens='fit']").disabled = isFit;
}

// The point of the picture under (x, y), measured from the middle of the place, stays there.
function enlarge(times, x = 0, y = 0) {
  const to = Math.min(Math.max(times, 1), most()), by = to / see.times;
  see.x = x - (x - see.x) * by;
  see.y = y - (y - see.y) * by;
  see.times = to;
  show();
}

// Pixel for pixel; twice that if the picture is shown so already.
const closer = () => (whole() > 1.05 ? whole() : 2 * whole());
const toggle = (x, y) => enlarge(see.times > 1 ? 1 : closer(), x, y);

function middle({ clientX, clientY }) {
  const { left, top, width, height } = place.getBoundingClientRect();
  return [clientX - left - width / 2, clientY - top - height / 2];
}

// --- Lights out lasts from picture to picture

const root = document.documentElement;
const lights = () => !root.classList.contains("lights-out");
function switchLights(on) {
  root.classList.toggle("lights-out", !on);
  sessionStorage.setItem("lights", on ? "on" : "out");
  each("[data-lens='lights']", (button) => (button.ariaPressed = String(!on)));
  show();
}

function fillScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
}

const acts = {
  in: () => enlarge(see.times * STEP),
  out: () => enlarge(see.times / STEP),
  fit: () => enlarge(1),
  whole: () => toggle(),
  lights: () => switchLights(!lights()),
  screen: fillScreen,
};

// From picture to picture no page is left behind: Back leads to where the first one was pressed.
function walk(event) {
  const link = event.target.closest(".film a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  location.replace(link.href);
}

// --- The mouse and fingers

const fingers = new Map();
let pressed; // where the first one went down, and whether it has moved since
const go = (way) => document.querySelector(`a[rel=${way}]`)?.click();
const spread = ([one, other]) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
const between = ([one, other]) => ({
  clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2,
});

function down(event) {
  if (event.button) return;
  fingers.set(event.pointerId, event);
  place.setPointerCapture(event.pointerId);
  pressed = { event, moved: fingers.size > 1 || pressed?.moved };
}

function move(event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const earlier = [...fingers.values()];
  fingers.set(event.pointerId, event);
  if (fingers.size === 2) {
    const now = [...fingers.values()];
    enlarge((see.times * spread(now)) / spread(earlier), ...middle(between(now)));
  } else if (see.times > 1) {
    see.x += event.clientX - before.clientX;
    see.y += event.clientY - before.clientY;
    show();
  }
  const { clientX, clientY } = pressed.event;
  if (Math.hypot(event.clientX - clientX, event.clientY - clientY) > CLICK) pressed.moved = true;
}

function up(event) {
  if (!fingers.delete(event.pointerId) || fingers.size) return;
  const { event: begun, moved } = pressed, across = event.clientX - begun.clientX;
  pressed = undefined;
  if (event.type === "pointercancel") return;
  if (!moved && begun.target === picture) toggle(...middle(event));
  const isAcross = Math.abs(across) > Math.max(SWIPE, 2 * Math.abs(event.clientY - begun.clientY));
  if (moved && isAcross && see.times <= 1 && event.pointerType === "touch") go(across > 0 ? "prev" : "next");
}

function turn(event) {
  if (!event.ctrlKey && !matchMedia("(min-width: 761px)").matches) return; // there the page is what a wheel moves
  event.preventDefault();
  enlarge(see.times * Math.exp(-event.deltaY / 300), ...middle(event));
}

// --- Keys

const WAYS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEYS = { z: acts.whole, l: acts.lights, "+": acts.in, "=": acts.in, "-": acts.out };

function press(event) {
  if (event.key === "Escape") return leave(event);
  if (!isLetter(event)) return;
  const act = KEYS[event.key.toLowerCase()], way = event.shiftKey && see.times > 1 && WAYS[event.key];
  if (way) {
    see.x += MOVE * way[0];
    see.y += MOVE * way[1];
    show();
  } else if (act) act();
  if (act || way) event.preventDefault();
}

// One thing at a time: close up, lights out, then back to the wall.
function leave({ target }) {
  if (document.querySelector("dialog[open], :popover-open") || target.matches?.("input, textarea, select")) return;
  if (see.times > 1) enlarge(1);
  else if (!lights()) switchLights(true);
  else document.querySelector("a[data-up]")?.click();
}

if (picture) {
  place.addEventListener("pointerdown", down);
  place.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) place.addEventListener(name, up);
  place.addEventListener("wheel", turn, { passive: false });
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  document.addEventListener("keydown", press);
  document.addEventListener("click", walk);
  document.addEventListener("click", ({ target }) => acts[target.closest("[data-lens]")?.dataset.lens]?.());
  addEventListener("resize", show);
  picture.addEventListener("load", show);
  stage.querySelector("[data-lens='screen']").hidden = !document.fullscreenEnabled;
  switchLights(sessionStorage.getItem("lights") !== "out");
  const frames = stage.querySelector(".frames"), current = frames.querySelector("[aria-current]");
  if (current) frames.scrollLeft = current.offsetLeft - (frames.clientWidth - current.clientWidth) / 2;
}
