// How the editor shows the picture: enlarged, moved, and with its margins.

const LEAST = 0.05, MOST = 16;

export const viewOf = (desk, mask, { width, height }) => {
  const paper = desk.querySelector("[data-paper]"), source = desk.querySelector("[data-source]");
  let zoom = 1, across = 0, down = 0, margins = { left: 0, top: 0, right: 0, bottom: 0 };
  const shown = document.querySelector("[data-zoom]");

  const draw = () => {
    paper.style.transform = `translate(${across}px, ${down}px) scale(${zoom})`;
    paper.style.setProperty("--zoom", zoom);
    shown.textContent = `${Math.round(zoom * 100)} %`;
  };
  const fit = () => {
    const room = desk.getBoundingClientRect();
    zoom = Math.min(2, (room.width - 32) / mask.canvas.width, (room.height - 32) / mask.canvas.height);
    across = (room.width - mask.canvas.width * zoom) / 2;
    down = (room.height - mask.canvas.height * zoom) / 2;
    draw();
  };

  return {
    fit,
    margins: () => margins,
    zoom: () => zoom,
    // Larger or smaller around a point of the window, the middle if there is none.
    scale(by, point) {
      const room = desk.getBoundingClientRect(), before = zoom;
      const x = point ? point.clientX - room.left : room.width / 2;
      const y = point ? point.clientY - room.top : room.height / 2;
      zoom = Math.min(MOST, Math.max(LEAST, zoom * by));
      across = x - ((x - across) * zoom) / before;
      down = y - ((y - down) * zoom) / before;
      draw();
    },
    move(x, y) {
      across += x;
      down += y;
      draw();
    },
    // A place in the window, in pixels of the mask.
    place({ clientX, clientY }) {
      const room = desk.getBoundingClientRect();
      return { x: (clientX - room.left - across) / zoom, y: (clientY - room.top - down) / zoom };
    },
    grow(sides) {
      margins = sides;
      const { left, top, right, bottom } = sides;
      mask.resize(width + left + right, height + top + bottom, left, top);
      Object.assign(paper.style, { width: `${mask.canvas.width}px`, height: `${mask.canvas.height}px` });
      Object.assign(source.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    },
  };
};
