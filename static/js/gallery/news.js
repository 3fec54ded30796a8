// A wall says quietly that there are new pictures. They come in front of it when somebody presses.

import { byId } from "../dom.js";

const PAUSE = 2000; // milliseconds from the news until the server is asked what of it is for this wall
let asking, said = false;

// What nobody looks at is not kept up to date.
function ask() {
  asking = undefined;
  if (document.hidden) document.addEventListener("visibilitychange", expect, { once: true });
  else if (byId("news")) htmx.trigger("#news", "ask");
}

function expect() {
  if (byId("news")) asking ??= setTimeout(ask, PAUSE);
}

document.addEventListener("arrive", ({ target }) => target.id === "news" && expect());
document.addEventListener("htmx:wsOpen", expect); // what came in while there was no socket was not heard

// That there are some is said once, and not with every further one.
document.addEventListener("htmx:load", () => {
  const link = byId("show-news");
  if (link && !said) byId("announcer").textContent = link.textContent.trim();
  said = Boolean(link);
});

// The button is gone once it was pressed: one goes on with the newest picture.
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.requestConfig?.elt.id !== "show-news") return;
  byId("wall").querySelector(".tile a")?.focus({ preventScroll: true });
  htmx.trigger("#wall-count", "renew");
});
