// Files that are chosen or dropped: one row for each, or one that counts where a form takes several at once; two are
// sent at a time.

import { byId, each } from "./dom.js";
import { arrive } from "./live.js";
import { say } from "./toast.js";
import { call, count, CRATE, crates, send, sendCrate, state } from "./upload_bytes.js";

const MOST_NAMED = 100; // files that get a row of their own
const waiting = [];
let lanes = 0;

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
      const tell = (sent) => show(Math.min(sent / bytes, 1));
      answer = await (crate[0].file.size > CRATE ? send(form, row, crate[0]) : sendCrate(form, row, crate, tell));
    } catch (error) {
      if (row.dataset.ended) return;
      const reason = error.message || row.dataset.failed;
      answer = { refused: crate.map(({ file, path }) => [path || file.name, reason]), refused_count: crate.length };
    }
    done += crate.length;
    const hasRoom = () => row.parentElement.childElementCount < MOST_NAMED;
    for (const [name, reason] of answer.refused) if (hasRoom()) end(line(form, name), "failed", reason);
    for (const [name, sentence] of answer.remarks ?? []) if (hasRoom()) end(line(form, name), "done", sentence);
    sum.refused += answer.refused_count;
    for (const name of ["added", "known", "captions"]) sum[name] += answer[name] ?? 0;
    arrive(form);
    if (row.dataset.ended) return;
  }
  const named = Object.keys(sum).filter((name) => sum[name] || (name === "added" && !sum.known));
  end(row, "done", named.map((name) => fill(row.dataset[name], { n: sum[name] })).join(" · "));
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
  const isLoose = ({ file }) => !file.name.toLowerCase().endsWith(".zip");
  const together = form.dataset.uploadTogether ? files.filter(isLoose) : [];
  if (together.length) {
    each("[data-ended]", (row) => row.remove(), form.querySelector(".uploads"));
    const order = new Intl.Collator(undefined, { numeric: true }), called = ({ file, path }) => path || file.name;
    together.sort((one, other) => order.compare(called(one), called(other)));
    const row = line(form, ""), many = () => row.dataset.files.replace("{n}", count(together.length, "decimal"));
    const name = together.length > 1 ? many() : together[0].file.name;
    row.querySelector(".name").textContent = row.querySelector("progress").ariaLabel = name;
    waiting.push([form, row, together]);
  }
  for (const each of files.filter((one) => !together.includes(one))) {
    waiting.push([form, line(form, each.file.name), [{ ...each, alone: true }]]);
  }
  work();
  work();
}

// What is in dropped folders too. Of a file that the form does not take only the name is sent: the answer says why.
const MOST_FOUND = 5000;

async function unfold(form, entries) {
  const found = [], endings = form.querySelector("[accept]")?.accept.split(",") ?? [""];
  const ask = (entry, method) => new Promise((answer, fail) => entry[method](answer, fail));
  const walk = async (entry, path) => {
    if (found.length >= MOST_FOUND) return;
    if (entry.isFile) {
      const file = await ask(entry, "file");
      const fits = !path || endings.some((ending) => file.name.toLowerCase().endsWith(ending));
      found.push({ file: fits ? file : new File([], file.name), path: path && path + file.name });
    } else {
      const reader = entry.createReader();
      for (let some; (some = await ask(reader, "readEntries")).length; ) {
        for (const one of some) await walk(one, `${path}${entry.name}/`);
      }
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
    if (form.dataset.uploadTogether && entries.some((entry) => entry?.isDirectory)) {
      const fail = () => say(byId("toast").dataset.trouble);
      unfold(form, entries.filter(Boolean)).then((found) => take(form, found), fail);
    } else take(form, [...event.dataTransfer.files].map((file) => ({ file, path: "" })));
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
// A form that takes one file and says at once what it makes of it.
const taker = (target) => target.closest("form[data-takes-file]");
document.addEventListener("change", ({ target }) => {
  if (target.type === "file" && taker(target) && target.files.length) taker(target).requestSubmit();
});
for (const name of ["dragover", "drop"]) {
  document.addEventListener(name, (event) => {
    const form = taker(event.target);
    if (!form || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    form.querySelector(".file").classList.toggle("over", name === "dragover");
    if (name === "dragover") return;
    form.querySelector("[type=file]").files = event.dataTransfer.files;
    form.requestSubmit();
  });
}
