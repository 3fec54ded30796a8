// Bytes on their way to the studio: large files in parts, small ones together, and after a break on from where the
// server stands.

import { each } from "./dom.js";

const rest = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
export function count(value, style, unit, maximumFractionDigits = 0) {
  return new Intl.NumberFormat(document.documentElement.lang, { style, unit, maximumFractionDigits }).format(value);
}
const size = (bytes) => count(bytes / 2 ** 20, "unit", "megabyte", 1);
function span(seconds) {
  return seconds < 90 ? count(Math.ceil(seconds), "unit", "second") : count(Math.ceil(seconds / 60), "unit", "minute");
}
export const state = (row, words) => (row.querySelector(".state").textContent = words);

export function call(row, method, address, body, tell = () => {}) {
  const request = (row.request = new XMLHttpRequest());
  request.open(method, address);
  const common = JSON.parse(document.body.getAttribute("hx-headers"));
  const headers = { ...common, "HX-Request": "true", "HX-Current-URL": location.href };
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
      const words = kind?.startsWith("text/plain") ? "error" : "html";
      const facts = kind?.includes("json") ? JSON.parse(answer.response) : { [words]: answer.response };
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

// An answer that gets the file no further: another page is at it, or the parts reach different machines.
const MOST_SETBACKS = 30;

export async function send(form, row, { file, path }) {
  const mark = `${file.lastModified}${path && ` ${path}`}`;
  const facts = { purpose: form.dataset.upload, name: file.name, size: file.size, fingerprint: mark, path };
  const bar = row.querySelector("progress"), upload = await insist(row, "POST", row.dataset.start, fields(form, facts));
  row.dataset.parts = upload.parts;
  const first = upload.received, since = performance.now();
  const show = (sent) => {
    const left = ((file.size - sent) / (sent - first)) * (performance.now() - since) / 1000;
    const percent = count(sent / file.size, "percent");
    const shown = { sent: size(sent), size: size(file.size), percent, left: sent > first ? span(left) : "…" };
    bar.value = sent / file.size;
    state(row, row.dataset.moving.replace(/{(\w+)}/g, (_, name) => shown[name]));
  };
  let furthest = first, setbacks = 0;
  for (let at = first, answer; ; at = answer.received) {
    if (at < file.size) {
      show(at);
      const part = await file.slice(at, at + upload.part_size).arrayBuffer(); // fails if the file was changed or moved
      const body = new Blob([part], { type: "application/octet-stream" });
      const tell = (loaded) => show(Math.min(at + loaded, file.size));
      answer = await insist(row, "PUT", `${upload.parts}?offset=${at}`, body, tell);
    } else {
      bar.removeAttribute("value");
      row.querySelector("button").hidden = true;
      state(row, row.dataset.checking);
      answer = await insist(row, "POST", upload.finish, fields(form, { path }));
      if (!("received" in answer)) return answer;
    }
    if (answer.received > furthest) [furthest, setbacks] = [answer.received, 0];
    else if (answer.received <= at) {
      if ((setbacks += 1) > MOST_SETBACKS) throw new Error(row.dataset.stuck);
      await rest(1);
    }
  }
}

// Where a form takes several files at once, small ones travel together.

export const CRATE = 6 * 2 ** 20; // a larger file goes in parts
const MOST_IN_CRATE = 50;

export function crates(files) {
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

export async function sendCrate(form, row, crate, tell) {
  const body = fields(form);
  for (const { file, path } of crate) {
    body.append("file", new File([await file.arrayBuffer()], file.name)); // fails where the file was changed or moved
    body.append("path", path || file.name);
  }
  return insist(row, "POST", form.dataset.uploadTogether, body, tell);
}
