// The mask survives a reload: this browser keeps the last few, each as the file that is sent.

const NAME = "edit-mask-", MOST = 4;

const all = () => Object.keys(localStorage).filter((name) => name.startsWith(NAME));
const written = (name) => Number(localStorage.getItem(name).split(" ", 1)[0]);

export const keptMask = (key) => ({
  async read() {
    const found = localStorage.getItem(NAME + key);
    if (!found) return undefined;
    try {
      const [, sides, data] = found.split(" ");
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      return { sides: JSON.parse(sides), blob: new Blob([bytes], { type: "image/png" }) };
    } catch {
      return undefined; // something else wrote it
    }
  },
  // False if there is no room for it.
  async write(blob, sides) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let text = "";
    for (let place = 0; place < bytes.length; place += 8192) {
      text += String.fromCharCode(...bytes.subarray(place, place + 8192));
    }
    const others = all().filter((name) => name !== NAME + key).sort((one, two) => written(one) - written(two));
    for (const name of others.slice(0, Math.max(0, others.length + 1 - MOST))) localStorage.removeItem(name);
    try {
      localStorage.setItem(NAME + key, `${Date.now()} ${JSON.stringify(sides)} ${btoa(text)}`);
      return true;
    } catch {
      localStorage.removeItem(NAME + key);
      return false;
    }
  },
  remove: () => localStorage.removeItem(NAME + key),
});
