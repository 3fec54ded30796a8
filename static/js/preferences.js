// What a reader prefers: the time zone, the theme, notifications of jobs that end.

import { byId, each, me } from "./dom.js";
import { say } from "./toast.js";

// Pages are made in the reader's time zone, which the server learns here. The first one with times is asked for anew.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && zone !== document.body.dataset.zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `zone=${zone}; path=/; max-age=31536000; SameSite=Lax${secure}`;
  if (document.cookie.includes(`zone=${zone}`) && document.querySelector("time, .day")) location.reload();
}

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

// What is said of a job, whose card has its title once: the words for all of them are on the page, with "…" for it.
export function words(root) {
  const title = root.querySelector("[id$='-title']")?.textContent.trim() ?? "";
  const short = title.length > 60 ? `${title.slice(0, 59)}…` : title;
  return byId("announcer").dataset[root.dataset.say].replace("…", () => short);
}

document.addEventListener("change", ({ target }) => {
  if (target.id === "view-live") each("[data-news]", (dot) => (dot.hidden = true));
});

// A job of mine ended while nobody looked. Pushes repeat; of several pages the browser shows one note.
const told = new Set();
export function notify(root) {
  const opened = new URLSearchParams(byId("socket")?.getAttribute("ws-connect").split("?")[1]).get("since");
  const mine = root.dataset.owner === me && root.matches(":is(.is-done, .is-partial, .is-failed)");
  const ended = root.dataset.ended ?? root.querySelector("time")?.dateTime;
  if (!mine || told.has(root.id) || Date.parse(ended) < Date.parse(opened)) return;
  told.add(root.id);
  // On a phone the form covers the jobs.
  if (byId("view-compose")?.checked) each("[data-news]", (dot) => (dot.hidden = false));
  if (!document.hidden || !notifying() || Notification.permission !== "granted") return;
  const icon = root.querySelector("img")?.getAttribute("src") ?? "";
  const note = new Notification(words(root), { tag: root.id, icon });
  note.onclick = () => {
    window.focus();
    location.assign(root.querySelector("[id$='-title'] a").getAttribute("href"));
  };
}
