// What every module asks of the page.

export const me = document.body.dataset.user;
export const byId = (id) => document.getElementById(id);
export const each = (selector, act, root = document) => root.querySelectorAll(selector).forEach(act);

export function changed(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}
