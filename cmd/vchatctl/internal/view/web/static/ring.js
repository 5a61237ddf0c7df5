// The ring tone: two soft notes, twice, every three seconds. A browser plays
// nothing before the user has clicked or pressed a key on the page.

const period = 3000; // ms
const notes = [[659, 0], [880, 0.18], [659, 0.55], [880, 0.73]]; // Hz, s
const noteLength = 0.32; // s
const volume = 0.16;

class RingTone {
  // onChange is called when isBlocked may have changed.
  constructor(onChange) {
    this.onChange = onChange;
    this.context = null;
    this.timer = null;
    this.until = 0; // on the clock of the context: before that it does not begin again
    for (const event of ['pointerdown', 'keydown']) document.addEventListener(event, () => this.unlock(), { capture: true });
  }

  // unlock makes use of a gesture of the user.
  unlock() {
    if (!globalThis.AudioContext) return;
    this.context ??= new AudioContext();
    if (this.context.state === 'running') return;
    this.context.resume().then(() => {
      if (this.timer) this.play();
      else this.context.suspend(); // frees the sound card
      this.onChange();
    }, () => {});
  }

  // isBlocked reports whether the tone rings without a sound.
  isBlocked() { return this.timer !== null && this.context?.state !== 'running'; }

  set(ringing) {
    if (ringing === (this.timer !== null)) return;
    clearInterval(this.timer);
    this.timer = null;
    if (!ringing) {
      this.context?.suspend();
      return;
    }
    this.timer = setInterval(() => this.play(), period);
    if (!globalThis.AudioContext) return;
    this.context ??= new AudioContext(); // some browsers and kiosks allow it without a gesture
    this.context.resume().then(() => { this.play(); this.onChange(); }, () => {});
  }

  play() {
    if (this.timer === null || this.context?.state !== 'running' || this.context.currentTime < this.until) return;
    this.until = this.context.currentTime + 2;
    for (const [pitch, after] of notes) {
      const at = this.context.currentTime + after;
      const tone = new OscillatorNode(this.context, { frequency: pitch, type: 'sine' });
      const gain = new GainNode(this.context, { gain: 0 });
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(volume, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, at + noteLength);
      tone.connect(gain).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + noteLength);
    }
  }
}
