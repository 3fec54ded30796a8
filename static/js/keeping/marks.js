// Favourites and stars of the person who looks: shown at once, then as the server says. Other tabs hear of it.

import { byId, each } from "../dom.js";
import { isLetter } from "../keys.js";
import { say } from "../toast.js";

const known = new Map(); // by the picture's number: 1 or 0 for a favourite, and the stars
const waiting = new Map(); // by the picture's number: what is on its way
const others = new BroadcastChannel("marks");
const MOST = 400; // pictures that are asked for at a time

const words = () => byId("marked")?.dataset;
const read = (element) => element.dataset.marks.split(" ").map(Number);
const numberOf = (tile) => tile.querySelector(":scope > a")?.pathname.match(/^\/gallery\/(\d+)\/$/)?.[1];
const tiles = () => [...document.querySelectorAll("figure.tile:has(> .acts)")];
const form = (number) => document.querySelector(`#marks[data-picture="${number}"]`);

function showOnTile(tile, [favourite, stars]) {
  tile.dataset.marks = `${favourite} ${stars}`;
  tile.querySelector("[data-favour]")?.setAttribute("aria-pressed", Boolean(favourite));
  tile.querySelector(".marked")?.remove();
  if (!favourite && !stars) return;
  const marked = byId("marked").content.firstElementChild.cloneNode(true), [heart, rating] = marked.children;
  if (!favourite) heart.remove();
  if (!stars) rating.remove();
  rating.setAttribute("aria-label", words().stars.replace("0", stars));
  rating.querySelector("b").textContent = stars;
  tile.append(marked);
}

function showOnForm(panel, [favourite, stars]) {
  panel.dataset.marks = `${favourite} ${stars}`;
  each("button", (button) => {
    const star = Number(button.dataset.star ?? 0), isOn = star ? star === stars : Boolean(favourite);
    button.setAttribute("aria-pressed", isOn);
    button.value = star ? (isOn ? 0 : star) : 1 - favourite;
  }, panel);
}

function show(number, marks) {
  known.set(number, marks);
  for (const tile of tiles()) if (numberOf(tile) === number) showOnTile(tile, marks);
  const panel = form(number);
  if (panel) showOnForm(panel, marks);
}

// --- Reading: tiles that everybody gets alike say nothing of marks

async function ask(numbers) {
  if (!numbers.length || !words()) return;
  const query = new URLSearchParams(numbers.slice(0, MOST).map((number) => ["picture", number]));
  const answer = await fetch(`${words().read}?${query}`).catch(() => undefined);
  if (!answer?.ok || answer.redirected) return;
  const marks = await answer.json();
  for (const number of numbers.slice(0, MOST)) if (!waiting.has(number)) show(number, marks[number] ?? [0, 0]);
}

function learn() {
  const unknown = new Set();
  for (const tile of tiles()) {
    const number = numberOf(tile);
    if (!number) continue;
    if (tile.dataset.marks && !waiting.has(number)) known.set(number, read(tile));
    if (known.has(number)) showOnTile(tile, known.get(number));
    else unknown.add(number);
  }
  const panel = byId("marks");
  if (panel) known.set(panel.dataset.picture, read(panel));
  ask([...unknown]);
}
document.addEventListener("htmx:load", learn);

others.onmessage = ({ data }) => show(...data);
function renew() {
  const shown = [...tiles().map(numberOf), byId("marks")?.dataset.picture];
  if (!document.hidden) ask([...new Set(shown.filter(Boolean))]);
}
document.addEventListener("selection-changed", renew);
// A page that comes back may show what was changed elsewhere meanwhile.
document.addEventListener("visibilitychange", renew);
addEventListener("pageshow", ({ persisted }) => persisted && renew());

// --- Setting

async function send(number, address, name, value) {
  const headers = { ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true" };
  const answer = await fetch(address, { method: "POST", headers, body: new URLSearchParams({ [name]: value }) });
  const box = document.createElement("template");
  box.innerHTML = answer.ok ? await answer.text() : "";
  const told = box.content.querySelector("#marks");
  if (answer.redirected) location.reload(); // the session has ended
  if (!told) throw new Error(answer.status === 404 ? "404" : "");
  return told;
}

async function press(number, address, name, value) {
  const [favourite, stars] = known.get(number) ?? [0, 0];
  show(number, name === "stars" ? [favourite, value] : [value, stars]);
  const { on, off, stars: rated, unrated } = words();
  byId("announcer").textContent =
    name === "stars" ? (value ? rated.replace("0", value) : unrated) : value ? on : off;
  const before = waiting.get(number) ?? Promise.resolve();
  const mine = before.then(() => send(number, address, name, value), () => send(number, address, name, value));
  waiting.set(number, mine);
  try {
    const told = await mine;
    if (waiting.get(number) !== mine) return;
    waiting.delete(number);
    const average = form(number)?.querySelector(".average");
    average?.replaceWith(told.querySelector(".average"));
    show(number, read(told));
    others.postMessage([number, read(told)]);
  } catch {
    if (waiting.get(number) === mine) waiting.delete(number);
    say(byId("toast").dataset[navigator.onLine ? "trouble" : "offline"]);
    ask([number]);
  }
}

document.addEventListener("click", (event) => {
  const heart = event.target.closest("[data-favour]"), button = event.target.closest("#marks button");
  if (heart) {
    const number = numberOf(heart.closest("figure"));
    press(number, heart.dataset.favour, "favourite", 1 - (known.get(number)?.[0] ?? 0));
  } else if (button) {
    event.preventDefault();
    press(button.form.dataset.picture, button.form.action, button.name, Number(button.value));
  }
});

// --- Keys: stars of the tile in focus, else of the picture whose page it is. F presses the heart.

document.addEventListener("keydown", (event) => {
  if (!/^[0-5]$/.test(event.key) || event.repeat || !isLetter(event)) return;
  const tile = event.target.closest?.("figure.tile:has(> .acts)"), panel = byId("marks");
  const many = document.querySelector("#selection:not([hidden]) form:has([value=stars])");
  const values = { work: "stars", asked: 1, stars: event.key };
  if (many) htmx.ajax("POST", many.action, { source: many, values, swap: "none" });
  else if (tile) press(numberOf(tile), tile.querySelector("[data-favour]").dataset.favour, "stars", Number(event.key));
  else if (panel) press(panel.dataset.picture, panel.action, "stars", Number(event.key));
});
