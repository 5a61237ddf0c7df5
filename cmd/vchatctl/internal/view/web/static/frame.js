// The newest pictures of a feed on a canvas, and how old they are.

const old = 1000;     // ms, from which on a picture does not show the present any more
const oldCard = 3000; // a card comes once a second

// pause leaves nothing behind on the signal: there are many pauses to one.
const pause = (ms, signal) => new Promise((done) => {
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    done();
  };
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
});

// turned gives a picture turned clockwise, and closes the one that it was.
function turned(bitmap, degrees) {
  const { width: w, height: h } = bitmap;
  const c = degrees % 180 ? new OffscreenCanvas(h, w) : new OffscreenCanvas(w, h);
  const context = c.getContext('2d', { alpha: false });
  context.translate(c.width / 2, c.height / 2);
  context.rotate(degrees * Math.PI / 180);
  context.drawImage(bitmap, -w / 2, -h / 2);
  bitmap.close();
  return c.transferToImageBitmap();
}

// A View shows the newest pictures of a feed on a canvas: one is asked for when there is room for it, never sooner.
export class View {
  constructor(canvas, { every = 0, ahead = false } = {}) {
    this.canvas = canvas;
    this.every = every; // ms between two pictures at least
    this.ahead = ahead; // ask for the next one while one arrives: a way with delay costs no pictures then
    this.context = canvas.getContext('bitmaprenderer', { alpha: false }); // shows a picture without a copy of it
    this.feed = null;
    this.forget();
  }

  // look shows a feed, or, where it is not live, no more than the picture of it that was last.
  look(feed, live) {
    if (feed !== this.feed) {
      this.halt();
      this.feed = feed;
      this.forget();
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

  // forget takes the picture away, too: what was seen of one feed is not shown as another.
  forget() {
    this.taken = null; // when the picture was, on the clock of performance.now()
    this.card = false;
    this.lost = 0;
    this.sequence = null;
    this.recent = []; // of the last seconds: [when, bytes]
    this.context.transferFromImageBitmap(null);
  }

  age() { return this.taken === null ? Infinity : performance.now() - this.taken; }
  isOld() { return this.age() > (this.card ? oldCard : old); }

  async run(feed, signal) {
    let after = 0;
    let next = null;
    while (!signal.aborted) {
      const begun = performance.now();
      try {
        const p = await (next ?? ask(feed, after, signal));
        next = null;
        if (p === null) continue;
        after = p.number;
        if (this.ahead) {
          next = ask(feed, after, signal);
          next.catch(() => {}); // it is looked at in the next round
        }
        const blob = await p.response.blob();
        // All the time that the way there and back may have taken counts as age: it looks older rather than newer.
        const now = performance.now();
        const taken = now - p.age - Math.max(0, now - p.asked - p.waited);
        const bitmap = await createImageBitmap(blob).catch(() => null); // a broken one is left out
        if (signal.aborted) return;
        if (bitmap) this.draw(bitmap, p, taken, blob.size);
      } catch {
        if (signal.aborted) return;
        next = null;
        await pause(500, signal);
      }
      const rest = begun + this.every - performance.now();
      if (rest > 0) await pause(rest, signal);
    }
  }

  draw(bitmap, p, taken, bytes) {
    const size = `${bitmap.width}×${bitmap.height}`;
    if (p.rotate) bitmap = turned(bitmap, p.rotate);
    const c = this.canvas;
    if (c.width !== bitmap.width || c.height !== bitmap.height) [c.width, c.height] = [bitmap.width, bitmap.height];
    this.context.transferFromImageBitmap(bitmap);
    if (this.sequence !== null && p.sequence > this.sequence + 1) this.lost += p.sequence - this.sequence - 1;
    Object.assign(this, { taken, sequence: p.sequence, card: p.card, size });
    this.latest = performance.now() - taken;
    this.recent.push([performance.now(), bytes]);
    if (this.isOld() === false) c.classList.remove('old'); // at once, not with the next tick
  }

  // facts is what a line of information says.
  facts() {
    const window = 3000, from = performance.now() - window;
    this.recent = this.recent.filter(([at]) => at > from);
    const bytes = this.recent.reduce((sum, [, b]) => sum + b, 0);
    return `${this.size ?? 'no picture'}, ${(this.recent.length * 1000 / window).toFixed(1)} fps, ` +
      `${(bytes * 8 / window / 1000).toFixed(1)} Mbit/s, delay ${Math.round(this.latest ?? 0)} ms, ${this.lost} not shown`;
  }
}

// ask gives the newest picture of a feed after the one of that number, as soon as its headers are there; null if none came.
async function ask(feed, after, signal) {
  const asked = performance.now();
  const response = await fetch(`frame/${encodeURIComponent(feed)}?after=${after}`, { signal });
  if (response.status === 204) return null;
  if (!response.ok) throw new Error(`no picture: ${response.status}`);
  const number = (name) => Number(response.headers.get(name) ?? 0);
  return {
    response, asked, number: number('X-Picture'), sequence: number('X-Sequence'), age: number('X-Age-Ms'),
    waited: number('X-Waited-Ms'), card: response.headers.get('X-Card') === '1', rotate: number('X-Rotate'),
  };
}
