// The mask of the editor: a canvas as large as the picture with its margins, whose opacity is the mask.

const COLOUR = "rgb(255 110 40)", BLUE_GREEN_RED = 0x286eff;
const MOST_ENTRIES = 40, MOST_BYTES = 200e6; // of what can be undone

export const maskOn = (canvas) => {
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const past = [], future = [];
  let origin = { left: 0, top: 0 }; // where the picture begins

  const pixels = () => brush.getImageData(0, 0, canvas.width, canvas.height);
  const alpha = () => {
    const { data } = pixels(), found = new Uint8ClampedArray(data.length / 4);
    for (let place = 0; place < found.length; place++) found[place] = data[place * 4 + 3];
    return found;
  };
  const put = (levels, width, height, left = 0, top = 0) => {
    const image = new ImageData(width, height), words = new Uint32Array(image.data.buffer);
    for (let place = 0; place < levels.length; place++) words[place] = (levels[place] << 24) | BLUE_GREEN_RED;
    brush.clearRect(0, 0, canvas.width, canvas.height);
    brush.putImageData(image, left, top);
  };
  const entry = () => ({ levels: alpha(), width: canvas.width, height: canvas.height, ...origin });
  const recall = ({ levels, width, height, left, top }) =>
    put(levels, width, height, origin.left - left, origin.top - top);
  const change = (act) => put(act(alpha(), canvas.width, canvas.height), canvas.width, canvas.height);

  return {
    canvas,
    remember() {
      past.push(entry());
      future.length = 0;
      const room = Math.min(MOST_ENTRIES, MOST_BYTES / (canvas.width * canvas.height));
      while (past.length > Math.max(2, room)) past.shift();
    },
    forget: () => past.length && recall(past.pop()),
    undo() {
      if (!past.length) return;
      future.push(entry());
      recall(past.pop());
    },
    redo() {
      if (!future.length) return;
      past.push(entry());
      recall(future.pop());
    },
    canUndo: () => past.length > 0,
    canRedo: () => future.length > 0,
    resize(width, height, left, top) {
      const kept = entry();
      canvas.width = width;
      canvas.height = height;
      origin = { left, top };
      recall(kept);
    },
    line(from, to, width, erases) {
      brush.save();
      brush.globalCompositeOperation = erases ? "destination-out" : "source-over";
      Object.assign(brush, { strokeStyle: COLOUR, lineWidth: width, lineCap: "round", lineJoin: "round" });
      brush.beginPath();
      brush.moveTo(from.x, from.y);
      brush.lineTo(to.x + (from.x === to.x && from.y === to.y ? 0.01 : 0), to.y);
      brush.stroke();
      brush.restore();
    },
    rectangle({ left, top, width, height }, erases) {
      brush.save();
      brush.globalCompositeOperation = erases ? "destination-out" : "source-over";
      brush.fillStyle = COLOUR;
      brush.fillRect(left, top, width, height);
      brush.restore();
    },
    clear: () => brush.clearRect(0, 0, canvas.width, canvas.height),
    fill: () => change((levels) => levels.fill(255)),
    invert: () => change((levels) => levels.map((level) => 255 - level)),
    feather: (by) => change((levels, width, height) => feathered(levels, width, height, by)),
    grow: (by) => grown(brush, canvas, by),
    async load(blob) {
      const image = await createImageBitmap(blob, { premultiplyAlpha: "none" });
      brush.clearRect(0, 0, canvas.width, canvas.height);
      brush.drawImage(image, 0, 0);
      // What was stored is grey, what this browser kept has the mask as its opacity.
      const { data } = pixels();
      const isGrey = data.every((level, place) => place % 4 !== 3 || level === 255);
      if (isGrey) put(data.filter((_level, place) => place % 4 === 0), canvas.width, canvas.height);
    },
    share() {
      let sum = 0;
      for (const level of alpha()) sum += level > 0;
      return sum / (canvas.width * canvas.height);
    },
    // A PNG as base64: at once, for a page that is left does not wait.
    text: () => canvas.toDataURL("image/png").split(",", 2)[1],
  };
};

// Outwards by circles of at most 4 pixels, one after the other, so that small dots grow without gaps.
function grown(brush, canvas, by) {
  const copy = new OffscreenCanvas(canvas.width, canvas.height), kept = copy.getContext("2d");
  for (let left = by; left > 0; left -= 4) {
    kept.clearRect(0, 0, canvas.width, canvas.height);
    kept.drawImage(canvas, 0, 0);
    const radius = Math.min(left, 4);
    for (let turn = 0; turn < 16; turn++) {
      brush.drawImage(copy, Math.cos((turn * Math.PI) / 8) * radius, Math.sin((turn * Math.PI) / 8) * radius);
    }
  }
}

// As the studio does it: an edge that fades outwards, and what was marked stays marked.
function feathered(levels, width, height, by) {
  let soft = Float32Array.from(levels);
  for (let pass = 0; pass < 2; pass++) {
    soft = blurred(blurred(soft, width, height, by / 2, 1, width), height, width, by / 2, width, 1);
  }
  return levels.map((level, place) => Math.max(level, Math.min(255, Math.round(2 * soft[place]))));
}

function blurred(levels, length, lines, by, step, stride) {
  const made = new Float32Array(levels.length), reach = Math.max(1, Math.round(by));
  for (let line = 0; line < lines; line++) {
    const at = (place) => levels[line * stride + Math.min(Math.max(place, 0), length - 1) * step];
    let sum = 0;
    for (let place = -reach; place <= reach; place++) sum += at(place);
    for (let place = 0; place < length; place++) {
      made[line * stride + place * step] = sum / (2 * reach + 1);
      sum += at(place + reach + 1) - at(place - reach);
    }
  }
  return made;
}
