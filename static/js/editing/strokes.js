// Painting on the editor's mask: mouse, pen with pressure, fingers.
// Two fingers, the wheel and the hand move the picture.

const LEAST_PRESSED = 0.25; // of the brush's width, under a pen that hardly touches
const ERASER = 32; // the end of a pen

export function paint(desk, mask, view, tools) {
  const fingers = new Map();
  let stroke, hold;

  const width = ({ pointerType, pressure }) =>
    tools.size() * (pointerType === "pen" ? LEAST_PRESSED + (1 - LEAST_PRESSED) * pressure : 1);
  const spread = () => {
    const [one, two] = [...fingers.values()];
    const middle = { clientX: (one.clientX + two.clientX) / 2, clientY: (one.clientY + two.clientY) / 2 };
    return { ...middle, apart: Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY) || 1 };
  };

  desk.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-edge]")) return;
    event.preventDefault();
    desk.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      if (stroke) mask.forget(); // it was the first finger of two
      stroke = undefined;
      hold = spread();
    } else if (event.button === 1 || tools.name() === "hand" || tools.isHeld()) hold = event;
    else if (event.button === 0 || event.buttons & ERASER) {
      mask.remember();
      const erases = tools.name() === "eraser" || Boolean(event.buttons & ERASER), from = view.place(event);
      stroke = { from, erases, pointer: event.pointerId };
      mask.line(from, from, width(event), erases);
    }
  });

  desk.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
    if (hold && fingers.size === 2) {
      const now = spread();
      view.move(now.clientX - hold.clientX, now.clientY - hold.clientY);
      view.scale(now.apart / hold.apart, now);
      hold = now;
    } else if (hold) {
      view.move(event.clientX - hold.clientX, event.clientY - hold.clientY);
      hold = event;
    } else if (stroke?.pointer === event.pointerId) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) {
        const to = view.place(each);
        mask.line(stroke.from, to, width(each), stroke.erases);
        stroke.from = to;
      }
    }
  });

  for (const end of ["pointerup", "pointercancel"]) {
    desk.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      if (stroke?.pointer === event.pointerId) {
        stroke = undefined;
        tools.touched();
      }
      hold = undefined;
    });
  }

  desk.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.scale(Math.exp(-event.deltaY / 400), event);
  }, { passive: false });
}
