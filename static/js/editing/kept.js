// The mask survives a reload: this browser keeps the last few, each as the file that is sent.

const NAME = "edit-mask-", MOST = 4;

const all = () => Object.keys(localStorage).filter((name) => name.startsWith(NAME));
const written = (name) => Number(localStorage.getItem(name).split(" ", 1)[0]);

export const fileOf = (text) =>
  new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], "mask.png", { type: "image/png" });

export const keptMask = (key) => ({
  read() {
    const found = localStorage.getItem(NAME + key);
    if (!found) return undefined;
    try {
      const [, sides, text] = found.split(" ");
      return { sides: JSON.parse(sides), blob: fileOf(text) };
    } catch {
      return undefined; // something else wrote it
    }
  },
  // False if there is no room for it.
  write(text, sides) {
    const others = all().filter((name) => name !== NAME + key).sort((one, two) => written(one) - written(two));
    for (const name of others.slice(0, Math.max(0, others.length + 1 - MOST))) localStorage.removeItem(name);
    try {
      localStorage.setItem(NAME + key, `${Date.now()} ${JSON.stringify(sides)} ${text}`);
      return true;
    } catch {
      localStorage.removeItem(NAME + key);
      return false;
    }
  },
  remove: () => localStorage.removeItem(NAME + key),
});
