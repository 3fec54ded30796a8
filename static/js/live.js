// Pushed and answered fragments find their place on the page. The server owns all state.

import { byId, each, me } from "./dom.js";
import { notify, words } from "./preferences.js";

const seen = new Set(); // jobs that this page has shown: one that was cleared does not come back

function roots(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  return [...box.content.children];
}

function wanted(root) {
  const owns = root.dataset.owner === me;
  return [...document.querySelectorAll("[data-live-list]")].find((list) => {
    const wish = list.dataset.liveList;
    const fits = (list.tagName === "TBODY") === (root.tagName === "TR");
    return fits && (wish === "all" || (wish === "mine" && owns) || (wish === "others" && !owns));
  });
}

// A bar that is kept moves on smoothly; a new one would jump.
function slide(old, root) {
  if (!root.matches(".job-progress")) return false;
  const bar = old.querySelector("progress[value]"), next = root.querySelector("progress[value]");
  if (!bar || !next) return false;
  bar.value = next.value;
  bar.textContent = next.textContent;
  each(".state:not(.lost)", (line) => line.replaceWith(root.querySelector(".state:not(.lost)")), old);
  old.dataset.version = root.dataset.version;
  return true;
}

function keep(old, root) {
  each("details[open][id]", (box) => root.querySelector(`#${CSS.escape(box.id)}`)?.setAttribute("open", ""), old);
  const picture = old.querySelector("img[data-making]"), place = root.querySelector("[data-making]");
  if (picture && place?.dataset.making === picture.dataset.making) place.replaceWith(picture.cloneNode());
}

// What was moved to the front goes before what waits with less priority, on every page.
function arrange(row) {
  const rows = [...(row?.parentElement.children ?? [])], priority = (one) => Number(one.dataset.priority);
  const after = rows.find((other) => other.matches(".is-waiting") && priority(other) < priority(row));
  if (!after || !row.matches(".is-waiting")) return;
  if (row.compareDocumentPosition(after) & Node.DOCUMENT_POSITION_PRECEDING) after.before(row);
}

// An engine is new, gone or in trouble: the panel is asked for anew, in the order in which the server puts them.
function recount(found) {
  const ids = (cards) => String(cards.filter((card) => card.matches(".engine")).map((card) => card.id));
  const panel = byId("engines");
  if (!panel || !found.some((root) => root.id === "engine-pill")) return;
  if (ids(found) !== ids([...panel.querySelectorAll(".engine")])) htmx.trigger(panel, "renew");
}

// Work on a dataset goes on: its page asks for the pictures that came in, where it shows the last ones it knew.
// What is being asked for already may have been answered before this came: then it is asked for once more.
const late = new Set(), soon = new WeakSet(); // soon: a place waits before it asks, which no push begins anew
// Where somebody chooses, nothing is taken from under their hands.
const isInUse = (place) => place.matches("[data-rests]") && place.querySelector("details[open], :focus");
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (isInUse(detail.target)) detail.shouldSwap = false;
});
document.addEventListener("htmx:beforeRequest", ({ detail }) => soon.delete(detail.elt));
export function arrive({ dataset }) {
  if (!dataset.arrives) return;
  each(`[data-arrivals="${dataset.arrives}"]`, (place) => {
    if (isInUse(place)) return;
    if (place.matches(".htmx-request")) late.add(place.id);
    else if (!soon.has(place)) htmx.trigger(soon.add(place) && place, "arrive");
  });
}
document.addEventListener("htmx:afterSettle", () => {
  for (const id of late) {
    const place = byId(id);
    if (place?.matches(".htmx-request")) continue;
    late.delete(id);
    if (place?.dataset.arrivals) htmx.trigger(place, "arrive");
  }
});

function receive(root) {
  arrive(root);
  const old = byId(root.id), isJob = "job" in root.dataset;
  if (isJob && root.dataset.say) notify(root);
  if (old) {
    const ahead = Number(root.dataset.version ?? 1) - Number(old.dataset.version ?? 0);
    if (ahead < 0 || (isJob && ahead === 0)) return;
    if (!isJob && slide(old, root)) return;
    const focused = old.contains(document.activeElement);
    const looksNew = root.className !== old.className.replace(" own", "");
    if (isJob && root.dataset.say && looksNew && root.dataset.owner === me) {
      byId("announcer").textContent = words(root);
    }
    keep(old, root);
    htmx.swap(old, root.outerHTML, { swapStyle: "outerHTML" });
    if (root.dataset.priority) arrange(byId(root.id));
    if (focused && document.activeElement === document.body) {
      byId(root.id)?.querySelector("a, button")?.focus({ preventScroll: true });
    }
  } else if (isJob && !seen.has(root.id) && !("aside" in root.dataset)) {
    const list = wanted(root);
    if (list) htmx.swap(list, root.outerHTML, { swapStyle: list.dataset.liveAt ?? "afterbegin" });
  }
}

// What the form promises depends on who waits and on which engines are well.
let queue, reckoning;
function reckon() {
  const pill = byId("engine-pill"), form = byId("compose-form");
  const now = [byId("rail-badge")?.textContent, pill?.className, pill?.querySelectorAll(".failed").length].join();
  if (form && queue !== undefined && queue !== now) {
    clearTimeout(reckoning);
    const ask = () => form.querySelector("[aria-invalid=true]") ?? htmx.trigger(".compose .fields", "renew");
    reckoning = setTimeout(ask, 500);
  }
  queue = now;
}

function settle() {
  reckon();
  const mine = Number(byId("rail-badge")?.dataset.mine ?? 0);
  document.title = `${mine ? `(${mine}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`;
  each("[data-job]", (job) => {
    seen.add(job.id);
    job.classList.toggle("own", job.dataset.owner === me);
  });
  const active = document.querySelectorAll(".jobs > :is(.is-waiting, .is-loading, .is-running)");
  each("[data-active]", (line) => {
    line.hidden = !active.length;
    line.querySelector("[data-number]").textContent = active.length;
  });
  const line = byId("running-line");
  const running = [...active].find((job) => job.matches(".is-running.own"));
  if (line) line.textContent = running?.querySelector(".state > span")?.textContent ?? "";
}

document.addEventListener("htmx:wsBeforeMessage", (event) => {
  event.preventDefault();
  const found = roots(event.detail.message);
  found.forEach(receive);
  recount(found);
  settle();
});

// An answer may come after the push that it caused: its card is treated like any pushed one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const found = roots(event.detail.serverResponse ?? "");
  const cards = found.filter((root) => "job" in root.dataset);
  if (!cards.length || !event.detail.shouldSwap) return;
  cards.forEach(receive);
  event.detail.serverResponse = found.filter((root) => !cards.includes(root)).map((root) => root.outerHTML).join("");
  event.detail.swapOverride = "none";
  settle();
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail, root = fragment.firstElementChild;
  if (target.matches("details:not([data-empty])")) root?.toggleAttribute("open", target.open);
  // Nothing new: a button that waits for its turn must not be taken out of the page.
  if (root?.isEqualNode(target)) event.detail.shouldSwap = false;
});

document.addEventListener("htmx:afterSettle", settle);
settle();

// --- The connection

// Once the studio is there again, all pages are back within ten seconds, but evenly, so that it can answer meanwhile.
const pause = (attempt) => 1000 * (attempt ? 1 + 7 * Math.random() : 3 * Math.random());
htmx.config.wsReconnectDelay = pause;

// A page that comes back asks for what changed since its last message, and a while before, because pushes may lag.
// Where this clock stands still while a computer sleeps, it asks for more than it needs.
const LAG = 30000, opened = new Map(), open = htmx.createWebSocket;
let heard = 0;
function sinceThen(url) {
  if (!opened.has(url)) opened.set(url, performance.now());
  const address = new URL(url), rendered = Date.parse(address.searchParams.get("since"));
  const missed = heard - opened.get(url) - LAG;
  if (missed > 0) address.searchParams.set("since", new Date(rendered + missed).toISOString());
  return address.href;
}
htmx.createWebSocket = (url) => open(sinceThen(url));
document.addEventListener("htmx:wsBeforeMessage", () => {
  heard = performance.now();
});

let lost;
document.addEventListener("htmx:wsClose", ({ detail }) => {
  // Redis is away. htmx comes back by itself only after codes that daphne cannot send.
  if (detail.event?.code === 4503) setTimeout(() => detail.socketWrapper.reconnect(), pause(1));
  lost ??= setTimeout(() => document.body.classList.add("offline"), 1500);
});
document.addEventListener("htmx:wsOpen", () => {
  clearTimeout(lost);
  lost = undefined;
  document.body.classList.remove("offline");
});
