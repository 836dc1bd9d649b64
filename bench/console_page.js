// In every measured page, before its own scripts: notes when a pressed key has changed the canvas, and counts frames.
// `spot` is the place that is looked at, in the canvas's own pixels.

const bench = { spot: null, latencies: [], frames: 0, pressedAt: null };
window.bench = bench;

const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...values) {
  draw.apply(this, values);
  if (bench.spot && this.canvas.isConnected) drawn(this); // noVNC's other canvas is in no page
};

function drawn(context) {
  const seen = look(context);
  if (seen === bench.seen) return;
  bench.seen = seen;
  bench.frames += 1;
  if (bench.pressedAt === null) return;
  bench.latencies.push(performance.now() - bench.pressedAt);
  bench.pressedAt = null;
}

function look(context) {
  const { x, y, width, height } = bench.spot;
  return context.getImageData(x, y, width, height).data.join();
}

window.addEventListener("keydown", (event) => (bench.pressedAt = event.timeStamp), true);

const canvas = () => document.querySelector("canvas");
const everything = () => canvas().getContext("2d").getImageData(0, 0, canvas().width, canvas().height);

bench.remember = () => (bench.before = everything());

/** Looks from now on at the middle of what has changed since `remember`; answers how many pixels that were. */
bench.findSpot = (size) => {
  const [before, after] = [bench.before.data, everything().data];
  const width = canvas().width;
  let [left, top, right, bottom, count] = [Infinity, Infinity, -1, -1, 0];
  for (let i = 0; i < after.length; i += 4) {
    if (before[i] === after[i] && before[i + 1] === after[i + 1] && before[i + 2] === after[i + 2]) continue;
    const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
    [left, top, right, bottom, count] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y), count + 1];
  }
  if (!count) return 0;
  const [x, y] = [Math.max(0, (left + right - size) >> 1), Math.max(0, (top + bottom - size) >> 1)];
  bench.spot = { x, y, width: size, height: size };
  bench.seen = look(canvas().getContext("2d"));
  return count;
};
