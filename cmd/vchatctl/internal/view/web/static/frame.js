// Shows the newest frames of a feed on a canvas.

const staleAfter = 1000;     // ms: age from which a frame is dimmed
const staleCardAfter = 3000; // the same for cards, which come once a second
const statsWindow = 3000;    // ms

// pause waits ms milliseconds, or until the signal aborts. It removes its
// listener, because a signal lives for many pauses.
const pause = (ms, signal) => new Promise((resolve) => {
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    resolve();
  };
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
});

// rotated returns a bitmap rotated clockwise, and closes the original.
function rotated(bitmap, degrees) {
  const { width: w, height: h } = bitmap;
  const c = degrees % 180 ? new OffscreenCanvas(h, w) : new OffscreenCanvas(w, h);
  const context = c.getContext('2d', { alpha: false });
  context.translate(c.width / 2, c.height / 2);
  context.rotate(degrees * Math.PI / 180);
  context.drawImage(bitmap, -w / 2, -h / 2);
  bitmap.close();
  return c.transferToImageBitmap();
}

// A View requests a frame only when it can show it.
class View {
  constructor(canvas, request, { minInterval = 0, pipelined = false, onChange = () => {} } = {}) {
    this.canvas = canvas;
    this.request = request; // as Live.request
    this.minInterval = minInterval; // ms between two frames
    this.pipelined = pipelined; // request the next frame while one arrives: a long round trip then costs no frames
    this.onChange = onChange; // called with the first frame, and when cards begin or end
    this.context = canvas.getContext('bitmaprenderer', { alpha: false }); // shows a bitmap without copying it
    this.feed = null;
    this.clear();
  }

  // show switches to a feed. If it is not live, the last frame stays.
  show(feed, live) {
    if (feed !== this.feed) {
      this.halt();
      this.feed = feed;
      this.clear();
    }
    if (!live) this.halt();
    else if (!this.stop) {
      this.stop = new AbortController();
      this.run(feed, this.stop.signal);
    }
  }

  halt() {
    this.stop?.abort();
    this.stop = null;
  }

  // clear also clears the canvas: a frame of one feed must not show as another.
  clear() {
    this.captured = null; // when the frame was, on the clock of performance.now()
    this.card = false;
    this.failed = -Infinity; // when a frame could not be decoded, on that clock
    this.lost = 0;
    this.sequence = null;
    this.recent = []; // of the last seconds: [when, bytes]
    this.context.transferFromImageBitmap(null);
  }

  age() { return this.captured === null ? Infinity : performance.now() - this.captured; }
  isStale() { return this.age() > (this.card ? staleCardAfter : staleAfter); }

  // isUnsupported reports whether frames arrive that the browser cannot decode.
  isUnsupported() { return performance.now() - this.failed < staleCardAfter; }

  async run(feed, signal) {
    let after = 0;
    let next = null;
    while (!signal.aborted) {
      const start = performance.now();
      try {
        const p = await (next ?? this.request(feed, after, signal));
        next = null;
        if (p === null) continue;
        after = p.number;
        if (this.pipelined) {
          next = this.request(feed, after, signal);
          next.catch(() => {}); // the next round handles the error
        }
        // Count the whole round trip as age: a frame may look older, never newer.
        const captured = p.received - p.age_ms - Math.max(0, p.received - p.requested - p.waited_ms);
        const bitmap = await (p.bitmap ?? decode(p.jpeg));
        if (signal.aborted) return;
        if (bitmap) this.draw(bitmap, p, captured);
        else this.failed = performance.now();
      } catch {
        if (signal.aborted) return;
        next = null;
        await pause(500, signal);
      }
      const rest = start + this.minInterval - performance.now();
      if (rest > 0) await pause(rest, signal);
    }
  }

  draw(bitmap, p, captured) {
    const size = `${bitmap.width}×${bitmap.height}`;
    if (p.rotate) bitmap = rotated(bitmap, p.rotate);
    const c = this.canvas;
    if (c.width !== bitmap.width || c.height !== bitmap.height) [c.width, c.height] = [bitmap.width, bitmap.height];
    this.context.transferFromImageBitmap(bitmap);
    if (this.sequence !== null && p.sequence > this.sequence + 1) this.lost += p.sequence - this.sequence - 1;
    const changed = this.captured === null || this.card !== Boolean(p.card);
    Object.assign(this, { failed: -Infinity, captured, sequence: p.sequence, card: Boolean(p.card), size });
    this.delay = performance.now() - captured;
    this.recent.push([performance.now(), p.jpeg.length]);
    while (this.recent[0][0] < performance.now() - statsWindow) this.recent.shift();
    if (!this.isStale()) c.classList.remove('stale'); // now, not with the next tick
    if (changed) this.onChange();
  }

  // stats returns the line of statistics.
  stats() {
    const from = performance.now() - statsWindow;
    this.recent = this.recent.filter(([at]) => at > from);
    const bytes = this.recent.reduce((sum, [, b]) => sum + b, 0);
    return `${this.size ?? 'no picture'}, ${(this.recent.length * 1000 / statsWindow).toFixed(1)} fps, ` +
      `${(bytes * 8 / statsWindow / 1000).toFixed(1)} Mbit/s, delay ${Math.round(this.delay ?? 0)} ms, ${this.lost} dropped`;
  }
}
