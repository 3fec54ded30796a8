// The form remembers: every change tells the studio. Here is what that would miss: words that were typed just before a
// page is left, and what the address of a page filled in.

const FILLS = ["picture", "task", "style", "reference", "control", "preset", "prompt"];
const form = () => document.querySelector("#compose-form[data-draft]");
let isNew = false, isUnderWay = false; // what the studio has not been told yet, or may not have heard

function keep() {
  const data = new FormData(form());
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
  navigator.sendBeacon(form().dataset.draft, data);
  isNew = isUnderWay = false;
}

document.addEventListener("input", ({ target }) => {
  if (target.name && form() && target.form === form()) isNew = true;
});
const tells = ({ elt, path }) => elt?.closest?.(".fields, .picker") && path?.includes("compose");
document.addEventListener("htmx:configRequest", ({ detail }) => {
  // The queue has changed, and not the form: another page may hold a newer one.
  if (detail.triggeringEvent?.type === "renew") detail.parameters.renew = "1";
  else if (tells(detail)) [isNew, isUnderWay] = [false, true];
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (tells({ elt: detail.elt, path: detail.pathInfo?.requestPath })) isUnderWay = false;
});
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  // A picture came or went; what tells of it may have to wait.
  if (detail.target?.matches?.("[data-given]")) isNew = true;
});
addEventListener("pagehide", () => {
  if (!form() || !(isNew || isUnderWay)) return;
  keep();
  sessionStorage.setItem("left", Date.now());
});

// Who reloads at once may get a page that was made before those words arrived: it is asked for again.
const AT_ONCE = 10000; // milliseconds
const isOlder = form() && Date.now() - sessionStorage.getItem("left") < AT_ONCE;
sessionStorage.removeItem("left");

// What the address named is in the form now. Loaded again, the page shows the form as it was left.
const asked = new URLSearchParams(location.search);
if (isOlder) location.reload();
else if (form() && FILLS.some((name) => asked.has(name))) {
  keep();
  history.replaceState(history.state, "", location.pathname);
}
