// What HTML alone cannot do. The server owns all state; here pushed fragments find their place and keys find their button.

const me = document.body.dataset.user;
const seen = new Set(); // jobs that this page has shown: one that was cleared does not come back
const byId = (id) => document.getElementById(id);
const each = (selector, act, root = document) => root.querySelectorAll(selector).forEach(act);

// Pages are made in the reader's time zone, which the server learns here. The first one with times is asked for anew.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && zone !== document.body.dataset.zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
  if (document.cookie.includes(`zone=${zone}`) && document.querySelector("time, .day")) location.reload();
}

// --- Pushed and answered fragments

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
  const after = [...(row?.parentElement.children ?? [])].find((other) => other.matches(".is-waiting") && Number(other.dataset.priority) < Number(row.dataset.priority));
  if (after && row.matches(".is-waiting") && row.compareDocumentPosition(after) & Node.DOCUMENT_POSITION_PRECEDING) after.before(row);
}

// An engine is new, gone or in trouble: the panel is asked for anew, in the order in which the server puts them.
function recount(found) {
  const ids = (cards) => String(cards.filter((card) => card.matches(".engine")).map((card) => card.id));
  const panel = byId("engines");
  if (!panel || !found.some((root) => root.id === "engine-pill")) return;
  if (ids(found) !== ids([...panel.querySelectorAll(".engine")])) htmx.trigger(panel, "renew");
}

// A job of mine ended while nobody looked. Pushes repeat; of several pages the browser shows one note.
const told = new Set();
function notify(root) {
  const opened = new URLSearchParams(byId("socket")?.getAttribute("ws-connect").split("?")[1]).get("since");
  const mine = root.dataset.owner === me && root.matches(":is(.is-done, .is-partial, .is-failed)");
  if (!mine || told.has(root.id) || Date.parse(root.dataset.ended) < Date.parse(opened)) return;
  told.add(root.id);
  if (!document.hidden || !notifying() || Notification.permission !== "granted") return;
  const note = new Notification(root.dataset.say, { tag: root.id, icon: root.querySelector("img")?.getAttribute("src") ?? "" });
  note.onclick = () => {
    window.focus();
    location.assign(root.querySelector("h3 a").getAttribute("href"));
  };
}

// Work on a dataset goes on: its page asks for the pictures that came in, where it shows the last ones it knew.
// What is being asked for already may have been answered before this came: then it is asked for once more.
const late = new Set();
// Where somebody chooses, nothing is taken from under their hands.
const isInUse = (place) => place.matches("[data-rests]") && place.querySelector("details[open], :focus");
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (isInUse(detail.target)) detail.shouldSwap = false;
});
function arrive({ dataset }) {
  if (!dataset.arrives) return;
  each(`[data-arrivals="${dataset.arrives}"]`, (place) => {
    if (isInUse(place)) return;
    if (place.matches(".htmx-request")) late.add(place.id);
    else htmx.trigger(place, "arrive");
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
    if (isJob && root.dataset.say && root.className !== old.className.replace(" own", "") && root.dataset.owner === me) {
      byId("announcer").textContent = root.dataset.say;
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
    reckoning = setTimeout(() => form.querySelector("[aria-invalid=true]") ?? htmx.trigger(".compose .fields", "renew"), 500);
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
  if (line) line.textContent = [...active].find((job) => job.matches(".is-running.own"))?.querySelector(".state > span")?.textContent ?? "";
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
  const names = (box) => [...(box?.querySelectorAll("[type=range]") ?? [])].map((input) => input.name).sort().join();
  // The same rows again: what is on the page is newer, and perhaps under somebody's finger.
  if (target.id === "mix" && (dragged || (names(root) && names(root) === names(target)))) event.detail.shouldSwap = false;
  // Nothing new: a button that waits for its turn must not be taken out of the page.
  if (root?.isEqualNode(target)) event.detail.shouldSwap = false;
});

document.addEventListener("htmx:afterSettle", (event) => {
  settle();
  arm();
  if (event.detail.target?.id === "reference") htmx.trigger(".compose .fields", "change");
  const refused = event.detail.xhr?.status === 422 && event.detail.target?.id === "compose-form";
  if (refused) (document.querySelector("#readiness a") ?? document.querySelector("[aria-invalid=true]"))?.focus();
});

// --- The connection

let lost;
document.addEventListener("htmx:wsClose", () => {
  lost ??= setTimeout(() => document.body.classList.add("offline"), 1500);
});
document.addEventListener("htmx:wsOpen", () => {
  clearTimeout(lost);
  lost = undefined;
  document.body.classList.remove("offline");
});

// --- Toast: eight seconds, longer while somebody is at it

let leaving;
function arm() {
  clearTimeout(leaving);
  const toast = byId("toast");
  if (!toast?.firstElementChild) return;
  leaving = setTimeout(() => (toast.matches(":hover, :focus-within") ? arm() : toast.replaceChildren()), 8000);
}

function say(words) {
  const box = document.createElement("div");
  box.className = "toast";
  box.textContent = words;
  byId("toast").replaceChildren(box);
  arm();
}

document.addEventListener("htmx:responseError", (event) => {
  const { trouble, forbidden } = byId("toast").dataset, { xhr } = event.detail;
  const told = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") && xhr.responseText;
  say(told || (xhr.status === 403 ? forbidden : trouble));
});
document.addEventListener("htmx:sendError", () => say(byId("toast").dataset.offline));

// --- Theme

document.addEventListener("htmx:afterRequest", (event) => {
  const theme = event.detail.requestConfig?.parameters?.theme;
  if (!event.detail.successful || !event.target.matches(".theme") || !theme) return;
  document.documentElement.dataset.theme = theme;
  each("[data-theme-button]", (button) => {
    button.value = { dark: "light", light: "system", system: "dark" }[theme];
    button.ariaLabel = button.dataset[theme];
    button.querySelector(".words").textContent = button.dataset[theme];
  });
});

// --- One press makes one thing
// While a request is on its way htmx drops another press (hx-sync), and the server knows a form by its request id. What
// is left is a quick answer between the two clicks: the second click of a double click never means a second thing.

const MEANT = 300; // milliseconds after which the same key on the same form is pressed on purpose

function maker(button) {
  if (button?.matches("[data-once]")) return button;
  const form = button?.type === "submit" && !button.hasAttribute("formaction") && button.form;
  return form && form.elements.request_id ? form : undefined;
}

document.addEventListener("click", (event) => {
  const thing = maker(event.target.closest?.("button"));
  if (!thing) return;
  const keyed = event.detail === 0, again = keyed && event.timeStamp - (thing.keyed ?? -MEANT) < MEANT;
  if (keyed) thing.keyed = event.timeStamp;
  if (event.detail < 2 && !again) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// A key that is held down presses once.
document.addEventListener("keydown", (event) => {
  const { target, key, repeat } = event, held = repeat && (key === "Enter" || key === " ");
  const presses = target.matches?.("button") ? maker(target) : target.form?.elements.request_id && !target.matches("textarea");
  if (held && (presses || event.ctrlKey || event.metaKey)) event.preventDefault();
}, true);

// A page that comes out of the browser's memory brings the id of a press that was answered.
function renew() {
  const id = byId("request-id"), some = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...some].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (id) id.value = hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}
addEventListener("pageshow", ({ persisted }) => persisted && renew());

// --- The form

function changed(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

function sow(value) {
  byId("seed").value = value;
  changed(byId("seed"));
}

const random = () => String(crypto.getRandomValues(new Uint32Array(1))[0]);

function filter() {
  const words = document.querySelector("[data-style-search]").value.toLowerCase().split(/\s+/);
  const kind = document.querySelector("[data-style-kind]:checked")?.value;
  const found = (card) => words.every((word) => card.dataset.words.toLowerCase().includes(word));
  const cards = [...document.querySelectorAll(".style-card[data-words]")];
  cards.forEach((card) => {
    const fits = !kind || card.dataset.kind === kind || card.dataset.kind === "base";
    card.hidden = !(fits && found(card));
  });
  each("[data-no-style]", (line) => (line.hidden = cards.some((card) => !card.hidden)));
}

function startFrom(files) {
  const input = byId("reference-file"), mode = byId("mode-image");
  const picture = [...(files ?? [])].find((file) => file.type.startsWith("image/"));
  if (!input || !picture) return false;
  const carrier = new DataTransfer();
  carrier.items.add(picture);
  if (!mode.checked) {
    mode.checked = true;
    changed(mode);
  }
  input.files = carrier.files;
  changed(input);
  return true;
}

document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-cut]")) target.closest(".versus").style.setProperty("--cut", `${target.value}%`);
  if (target.matches("[data-style-search], [data-style-kind]")) filter();
  if (target.id === "seed") byId("keep-seed").ariaPressed = String(target.value !== "");
  if (target.dataset.safeTo) {
    const row = target.closest("li").classList;
    row.toggle("above", Number(target.value) > Number(target.dataset.safeTo));
    row.toggle("below", Number(target.value) < Number(target.dataset.safeFrom));
  }
  if (!target.name) return;
  const wrong = target.closest("[aria-invalid]");
  if (wrong) {
    wrong.ariaInvalid = null;
    byId(`${target.name}-error`)?.remove();
  }
  const text = target.dataset.text ?? (target.type === "range" ? Number(target.value).toFixed(2) : target.value);
  each(`[data-shows="${CSS.escape(target.name)}"]`, (output) => (output.textContent = text));
});

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest(selector);
  const opener = hit("[data-open]"), example = hit("[data-prompt]");
  const remove = hit("[name=remove]"), reason = hit("#readiness a[href^='#']");
  if (opener) {
    event.preventDefault();
    opener.closest("[popover]")?.hidePopover();
    byId(opener.dataset.open).showModal();
  }
  const mover = hit("[data-move]");
  if (mover) {
    event.preventDefault();
    move(mover.closest("li"), mover.name === "up" ? -1 : 1);
    mover.focus();
  }
  if (hit("[data-keep-seed]")) sow(byId("seed").value ? "" : random());
  if (hit("[data-dice]")) {
    event.preventDefault();
    sow(random());
  }
  if (remove) byId(`style-${remove.value}`).checked = false;
  if (example) {
    event.preventDefault();
    byId("view-compose").checked = true;
    byId("prompt").value = example.dataset.prompt;
    changed(byId("prompt"));
    byId("prompt").focus();
  }
  if (reason) {
    const field = byId(reason.hash.slice(1));
    const control = field?.matches("input, textarea, select") ? field : field?.querySelector("input:not([type=hidden]), textarea, select");
    if (!control) return;
    event.preventDefault();
    control.closest("details")?.setAttribute("open", "");
    control.focus();
  }
});

// --- The order of the mix: rows change places here, the server reads it with the form

function settled(row) {
  const rows = [...row.parentElement.children], say = row.parentElement.dataset.placed;
  const title = row.querySelector(".name").textContent;
  byId("announcer").textContent = `${title}: ${say.replace("%1", rows.indexOf(row) + 1).replace("%2", rows.length)}`;
  changed(row.querySelector("[type=range]"));
}

function move(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  if (step < 0) other.before(row);
  else other.after(row);
  settled(row);
}

let dragged;
document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest("[data-grip]"), row = grip?.closest("li");
  if (!row?.parentElement.children[1] || event.button) return;
  event.preventDefault();
  grip.setPointerCapture(event.pointerId);
  dragged = { row, before: row.previousElementSibling };
  row.classList.add("dragged");
});
document.addEventListener("pointermove", ({ clientY }) => {
  if (!dragged) return;
  const middle = (other) => other.getBoundingClientRect().top + other.offsetHeight / 2;
  const { row } = dragged;
  // Its neighbours give way: were it moved itself, it would lose the pointer.
  while (row.previousElementSibling && clientY < middle(row.previousElementSibling)) row.after(row.previousElementSibling);
  while (row.nextElementSibling && clientY > middle(row.nextElementSibling)) row.before(row.nextElementSibling);
});
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => {
    if (!dragged) return;
    const { row, before } = dragged;
    dragged = undefined;
    row.classList.remove("dragged");
    if (row.previousElementSibling !== before) settled(row);
  });
}

// --- The large sheet beside a style goes away with Esc and with a press, until one comes back to it

function hush() {
  each(".pick:is(:hover, :focus-within)", (pick) => pick.classList.add("hushed"));
}
document.addEventListener("pointerdown", hush);
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => each(".pick.hushed", (pick) => pick.contains(target) || pick.classList.remove("hushed")));
}

document.addEventListener("dragover", (event) => {
  if (!byId("reference-file") || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.querySelector(".file")?.classList.add("over");
});
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, () => document.querySelector(".file")?.classList.remove("over"));
}
document.addEventListener("drop", (event) => startFrom(event.dataTransfer.files) && event.preventDefault());
document.addEventListener("paste", (event) => startFrom(event.clipboardData.files) && event.preventDefault());

// --- Large files: in parts, two files at a time, and after a break on from where the server stands

const waiting = [];
let lanes = 0;
const rest = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const count = (value, style, unit, digits = 0) => new Intl.NumberFormat(document.documentElement.lang, { style, unit, maximumFractionDigits: digits }).format(value);
const size = (bytes) => count(bytes / 2 ** 20, "unit", "megabyte", 1);
const span = (seconds) => (seconds < 90 ? count(Math.ceil(seconds), "unit", "second") : count(Math.ceil(seconds / 60), "unit", "minute"));
const state = (row, words) => (row.querySelector(".state").textContent = words);

function call(row, method, address, body, tell = () => {}) {
  const request = (row.request = new XMLHttpRequest());
  request.open(method, address);
  const headers = { ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true", "HX-Current-URL": location.href };
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.timeout = 300_000;
  request.upload.onprogress = ({ loaded }) => tell(loaded);
  return new Promise((answer) => {
    request.onloadend = () => answer(request);
    request.send(body);
  });
}

// Asks again, with growing pauses, while the studio or the way to it is gone. 409 says where to go on.
async function insist(row, ...what) {
  for (let tries = 0; tries < 20 && !row.dataset.ended; tries += 1) {
    const answer = await call(row, ...what), { status } = answer;
    // Who says "in five minutes" waits for somebody who mends something.
    const late = status === 503 && Number(answer.getResponseHeader("Retry-After")) > 60;
    if (status && (status < 500 || status === 507 || late)) {
      const signIn = answer.getResponseHeader("HX-Redirect"), kind = answer.getResponseHeader("Content-Type");
      if (signIn) location.assign(signIn);
      const facts = kind?.includes("json") ? JSON.parse(answer.response) : { [kind?.startsWith("text/plain") ? "error" : "html"]: answer.response };
      if (signIn || (status >= 400 && status !== 409)) throw new Error(facts.error);
      return facts;
    }
    if (!row.dataset.ended) state(row, row.dataset.offline);
    await rest(Math.min(2 ** tries, 30));
  }
  throw new Error();
}

function fields(form, facts = {}) {
  const found = new FormData(form);
  each("[type=file]", (input) => found.delete(input.name), form);
  Object.entries(facts).forEach((fact) => found.set(...fact));
  return found;
}

async function send(form, row, { file, path }) {
  const mark = `${file.lastModified}${path && ` ${path}`}`;
  const facts = { purpose: form.dataset.upload, name: file.name, size: file.size, fingerprint: mark, path };
  const bar = row.querySelector("progress"), upload = await insist(row, "POST", row.dataset.start, fields(form, facts));
  row.dataset.parts = upload.parts;
  const first = upload.received, since = performance.now();
  const show = (sent) => {
    const left = ((file.size - sent) / (sent - first)) * (performance.now() - since) / 1000;
    const shown = { sent: size(sent), size: size(file.size), percent: count(sent / file.size, "percent"), left: sent > first ? span(left) : "…" };
    bar.value = sent / file.size;
    state(row, row.dataset.moving.replace(/{(\w+)}/g, (_, name) => shown[name]));
  };
  for (let at = first, answer; ; at = answer.received) {
    if (at < file.size) {
      show(at);
      const part = await file.slice(at, at + upload.part_size).arrayBuffer(); // fails where the file was changed or moved
      answer = await insist(row, "PUT", `${upload.parts}?offset=${at}`, new Blob([part], { type: "application/octet-stream" }), (loaded) => show(Math.min(at + loaded, file.size)));
    } else {
      bar.removeAttribute("value");
      row.querySelector("button").hidden = true;
      state(row, row.dataset.checking);
      answer = await insist(row, "POST", upload.finish, fields(form, { path }));
      if (!("received" in answer)) return answer;
    }
    if (answer.received === at) await rest(1); // another page is at this file
  }
}

function end(row, how, words) {
  row.dataset.ended = how;
  state(row, words);
  each("progress, button", (part) => part.remove(), row);
  byId("announcer").textContent = `${row.querySelector(".name").textContent}: ${words}`;
}

async function carry(form, row, [each]) {
  const list = row.parentElement, { uploadTarget, uploadSwap = "innerHTML" } = form.dataset;
  try {
    const { html, location: onward } = await send(form, row, each);
    end(row, "done", row.dataset.done);
    if (html !== undefined) row.remove();
    if (html) htmx.swap(uploadTarget, html, { swapStyle: uploadSwap });
    if (onward && !list.querySelector("li:not([data-ended]), [data-ended=failed]")) location.assign(onward);
  } catch (error) {
    if (!row.dataset.ended) end(row, "failed", error.message || row.dataset.failed);
  }
}

// Where a form takes several files at once, small ones travel together, and all of a drop are one row that counts.

const CRATE = 6 * 2 ** 20, MOST_IN_CRATE = 50, MOST_NAMED = 100; // a larger file goes in parts

function crates(files) {
  const found = [];
  let room = 0;
  for (const each of files) {
    if (!found.length || each.file.size > room || found.at(-1).length === MOST_IN_CRATE) {
      found.push([]);
      room = CRATE;
    }
    found.at(-1).push(each);
    room -= each.file.size;
  }
  return found;
}

async function sendCrate(form, row, crate, tell) {
  const body = fields(form);
  for (const { file, path } of crate) {
    body.append("file", new File([await file.arrayBuffer()], file.name)); // fails where the file was changed or moved
    body.append("path", path || file.name);
  }
  return insist(row, "POST", form.dataset.uploadTogether, body, tell);
}

async function carryMany(form, row, files) {
  const bar = row.querySelector("progress"), sum = { added: 0, known: 0, captions: 0, refused: 0 };
  const fill = (words, facts) => words.replace(/{(\w+)}/g, (_, name) => count(facts[name], "decimal"));
  let done = 0;
  for (const crate of crates(files)) {
    const show = (part) => {
      bar.value = (done + part * crate.length) / files.length;
      state(row, fill(row.dataset.counting, { done, total: files.length }));
    };
    show(0);
    row.querySelector("button").hidden = false;
    let answer;
    try {
      const bytes = crate.reduce((total, { file }) => total + file.size, 1);
      answer = crate[0].file.size > CRATE ? await send(form, row, crate[0]) : await sendCrate(form, row, crate, (sent) => show(Math.min(sent / bytes, 1)));
    } catch (error) {
      if (row.dataset.ended) return;
      const reason = error.message || row.dataset.failed;
      answer = { refused: crate.map(({ file, path }) => [path || file.name, reason]), refused_count: crate.length };
    }
    done += crate.length;
    for (const [name, reason] of answer.refused) if (row.parentElement.childElementCount < MOST_NAMED) end(line(form, name), "failed", reason);
    for (const [name, sentence] of answer.remarks ?? []) if (row.parentElement.childElementCount < MOST_NAMED) end(line(form, name), "done", sentence);
    sum.refused += answer.refused_count;
    for (const name of ["added", "known", "captions"]) sum[name] += answer[name] ?? 0;
    arrive(form);
    if (row.dataset.ended) return;
  }
  const words = Object.keys(sum).filter((name) => sum[name] || (name === "added" && !sum.known)).map((name) => fill(row.dataset[name], { n: sum[name] }));
  end(row, "done", words.join(" · "));
}

async function work() {
  if (lanes > 1) return;
  lanes += 1;
  while (waiting.length) {
    const [form, row, files] = waiting.shift();
    await (form.dataset.uploadTogether && !files[0].alone ? carryMany : carry)(form, row, files);
  }
  lanes -= 1;
}

function line(form, name) {
  const row = form.querySelector("template").content.firstElementChild.cloneNode(true);
  row.querySelector(".name").textContent = row.querySelector("progress").ariaLabel = name;
  form.querySelector(".uploads").append(row);
  return row;
}

// Takes [{ file, path }], path being "" where no folder was chosen.
function take(form, files) {
  const together = form.dataset.uploadTogether ? files.filter(({ file }) => !file.name.toLowerCase().endsWith(".zip")) : [];
  if (together.length) {
    each("[data-ended]", (row) => row.remove(), form.querySelector(".uploads"));
    const order = new Intl.Collator(undefined, { numeric: true }), called = ({ file, path }) => path || file.name;
    together.sort((one, other) => order.compare(called(one), called(other)));
    const row = line(form, "");
    const name = together.length > 1 ? row.dataset.files.replace("{n}", count(together.length, "decimal")) : together[0].file.name;
    row.querySelector(".name").textContent = row.querySelector("progress").ariaLabel = name;
    waiting.push([form, row, together]);
  }
  for (const each of files) if (!together.includes(each)) waiting.push([form, line(form, each.file.name), [{ ...each, alone: true }]]);
  work();
  work();
}

// What is in dropped folders too. Of a file that the form does not take only the name is sent, so that the answer says why.
const MOST_FOUND = 5000;

async function unfold(form, entries) {
  const found = [], endings = form.querySelector("[accept]")?.accept.split(",") ?? [""];
  const ask = (entry, method) => new Promise((answer, fail) => entry[method](answer, fail));
  const walk = async (entry, path) => {
    if (found.length >= MOST_FOUND) return;
    if (entry.isFile) {
      const file = await ask(entry, "file"), fits = !path || endings.some((ending) => file.name.toLowerCase().endsWith(ending));
      found.push({ file: fits ? file : new File([], file.name), path: path && path + file.name });
    } else {
      const reader = entry.createReader();
      for (let some; (some = await ask(reader, "readEntries")).length; ) for (const one of some) await walk(one, `${path}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return found;
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-upload] [type=file]")) return;
  take(target.form, [...target.files].map((file) => ({ file, path: file.webkitRelativePath })));
  target.value = "";
});
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    const form = event.target.closest("[data-upload]");
    if (!form || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    form.querySelector(".file").classList.toggle("over", name === "dragover");
    if (name === "dragover") return;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry());
    if (form.dataset.uploadTogether && entries.some((entry) => entry?.isDirectory)) unfold(form, entries.filter(Boolean)).then((found) => take(form, found), () => say(byId("toast").dataset.trouble));
    else take(form, [...event.dataTransfer.files].map((file) => ({ file, path: "" })));
  });
}
document.addEventListener("click", ({ target }) => {
  const row = target.closest("[data-upload-cancel]")?.closest("li");
  if (!row) return;
  const { request } = row;
  end(row, "cancelled", row.dataset.cancelled);
  if (row.dataset.parts) call(row, "DELETE", row.dataset.parts); // where this does not arrive, the sweep forgets it
  request?.abort();
});

// --- Captions: saved when one leaves them, driven by keys, tags dragged or pressed onto them

const captions = () => [...document.querySelectorAll("[data-caption]")];
const text = (form) => form.elements.caption;
const isDirty = (form) => text(form).value !== text(form).defaultValue;

function note(form) {
  const card = form.closest(".caption"), { template, trigger } = byId("captions").dataset;
  card.classList.toggle("dirty", isDirty(form));
  card.classList.remove("failed");
  const read = template.replaceAll("{trigger}", () => trigger).replaceAll("{caption}", () => text(form).value);
  each("[data-reads]", (line) => (line.textContent = read.split(",").map((part) => part.trim()).filter(Boolean).join(", ")), form);
  const unsaved = document.querySelectorAll(".caption.dirty").length;
  each("[data-unsaved]", (line) => {
    line.hidden = !unsaved;
    line.textContent = line.dataset.words.replace("%1", unsaved);
  });
}

function keepCaption(form) {
  if (isDirty(form) && form.sending !== text(form).value) form.requestSubmit();
}

// What is on its way to the server must arrive before the page goes.
function whenSaved(act) {
  if (!document.querySelector("[data-caption].htmx-request")) act();
  else document.addEventListener("htmx:afterRequest", () => setTimeout(() => whenSaved(act)), { once: true });
}

let following; // the caption whose successor is still being fetched
function step(form, by) {
  const all = captions(), next = all[all.indexOf(form) + by], more = byId("captions-more");
  if (next) text(next).focus();
  else if (by > 0 && more?.matches(".more")) {
    following = form;
    more.scrollIntoView();
  }
}

function addTag(form, tag) {
  const field = text(form), old = field.value.replace(/[\s,]+$/, "");
  if (field.readOnly || old.split(",").some((other) => other.trim().toLowerCase() === tag.toLowerCase())) return;
  field.value = old ? `${old}, ${tag}` : tag;
  note(form);
}

document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
  if (elt.matches("[data-caption]")) elt.sending = text(elt).value;
});
document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful, xhr } }) => {
  if (!elt.matches("[data-caption]") || !elt.isConnected) return;
  const refused = xhr.status === 422; // its foot says why
  if (successful && !refused) text(elt).defaultValue = elt.sending;
  delete elt.sending;
  note(elt);
  elt.closest(".caption").classList.toggle("failed", !successful && !refused);
});
document.addEventListener("htmx:afterSettle", ({ target }) => {
  each(".caption.dirty [data-caption]", note, target);
  if (!following) return;
  const form = following;
  following = undefined;
  step(form, 1);
});
document.addEventListener("input", ({ target }) => target.form?.matches("[data-caption]") && note(target.form));
document.addEventListener("focusout", ({ target }) => {
  const form = target.form;
  // Where somebody else wrote meanwhile, one of the two texts is chosen, and not by leaving the field.
  if (form?.matches("[data-caption]") && !form.querySelector("[data-newer]")) keepCaption(form);
});
addEventListener("beforeunload", (event) => captions().some(isDirty) && event.preventDefault());
document.addEventListener("click", ({ target }) => target.closest("[data-save-captions]") && captions().forEach(keepCaption));
document.addEventListener("keydown", (event) => {
  const { key, code, target, altKey, shiftKey } = event, form = target.form?.matches("[data-caption]") && target.form;
  const control = event.ctrlKey || event.metaKey;
  if (control && key.toLowerCase() === "s" && captions().length) {
    event.preventDefault();
    captions().forEach(keepCaption);
  } else if (!form || control || event.isComposing || !target.matches("textarea")) return;
  else if (altKey && /^Digit[1-9]$/.test(code)) {
    event.preventDefault();
    const tag = document.querySelectorAll("[data-tag]")[code.at(-1) - 1];
    if (tag) addTag(form, tag.dataset.tag);
  } else if ((key === "Enter" && !shiftKey && !altKey) || (altKey && (key === "ArrowDown" || key === "ArrowUp"))) {
    event.preventDefault();
    keepCaption(form);
    step(form, key === "ArrowUp" ? -1 : 1);
  }
});

let carried; // the tag that is being dragged
document.addEventListener("dragstart", ({ target }) => (carried = target.dataset?.tag));
document.addEventListener("dragend", () => (carried = undefined));
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    const form = carried && event.target.closest(".caption")?.querySelector("[data-caption]");
    if (!form) return;
    event.preventDefault();
    if (name === "drop") {
      addTag(form, carried);
      keepCaption(form);
    }
  });
}

// --- Pictures that are ticked are counted on the button that takes them

document.addEventListener("change", ({ target }) => {
  const form = target.closest("[data-choose]");
  if (form) byId("chosen").textContent = form.querySelectorAll(":checked").length || "";
});

// --- Filters that submit themselves, text for the clipboard

document.addEventListener("change", ({ target }) => {
  const chooses = target.matches("select, [type=checkbox]") && target.form?.matches("[data-autosubmit]");
  if (chooses) whenSaved(() => target.form.requestSubmit());
});

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a page that is not on this machine has no clipboard: the old way still works.
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  button.focus();
  say(button.dataset.copied);
});

// --- Crops: the hole follows the sliders, and the pointer moves the sliders

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
  const { svg, sliders, from } = held, box = svg.getBoundingClientRect(), hole = svg.dataset.hole.split(" ").map(Number);
  const room = { x: box.width * (1 - hole[0] / svg.viewBox.baseVal.width), y: box.height * (1 - hole[1] / svg.viewBox.baseVal.height) };
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

// --- Keys

const singles = () => localStorage.getItem("single-keys") !== "off";
each("[data-single-keys]", (box) => {
  box.checked = singles();
  box.addEventListener("change", () => localStorage.setItem("single-keys", box.checked ? "on" : "off"));
});

// --- Notifications: off until somebody wants them, for each person

const notifying = () => "Notification" in window && localStorage.getItem(`notify-${me}`) === "on";
each("[data-notify]", (box) => {
  box.disabled = !("Notification" in window && isSecureContext);
  if (box.disabled) box.closest("label").title = box.dataset.insecure;
  box.checked = !box.disabled && notifying() && Notification.permission === "granted";
  box.addEventListener("change", async () => {
    if (box.checked && (await Notification.requestPermission()) !== "granted") {
      box.checked = false;
      say(box.dataset.refused);
    }
    localStorage.setItem(`notify-${me}`, box.checked ? "on" : "off");
  });
});

let going = 0; // until when a letter after G names a page
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const press = (element) => element && (event.preventDefault(), element.click());
  if (key === "Escape") hush();
  if (key === "Enter" && target.dataset?.enter && !event.isComposing) return press(byId(target.dataset.enter));
  if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const button = document.querySelector("#compose-form .go");
    if (button && !event.repeat) press(button);
  } else if (event.altKey && !event.ctrlKey && !event.metaKey) {
    const button = { Digit1: "mode-text", Digit2: "mode-image", KeyR: "dice" }[event.code];
    if (button) press(byId(button));
  }
  const typing = target.isContentEditable || target.matches?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !singles()) return;
  const letter = key.toLowerCase();
  if (event.timeStamp < going) {
    going = 0;
    press(document.querySelector(`.rail [data-key="${CSS.escape(letter)}"]`));
  } else if (letter === "g") going = event.timeStamp + 1500;
  else if ((key === "ArrowLeft" || key === "ArrowRight") && !target.matches?.("[type=range], [type=radio]")) press(document.querySelector(`a[rel=${key === "ArrowLeft" ? "prev" : "next"}]`));
  else if (letter === "t") press(document.querySelector("[data-theme-button]"));
  else if (key === "?") byId("shortcuts")?.showModal();
  else if (key === "/") {
    const search = document.querySelector("[type=search]");
    if (search) event.preventDefault();
    search?.focus();
  }
});

renew();
settle();
arm();
