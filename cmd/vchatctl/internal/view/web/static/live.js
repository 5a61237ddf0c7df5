// The one connection of the page to the server: a WebSocket. Of other
// connections, a browser opens only six to a host, for all tabs together.

//
// This script runs before the rest of the page is read: the connection, the
// state and the first frame come meanwhile.

const newline = 10;

// decode returns a promise of a frame's bitmap, or of null.
const decode = (jpeg) => createImageBitmap(new Blob([jpeg], { type: 'image/jpeg' })).catch(() => null);

class Live {
  constructor(after) {
    this.handlers = null; // see attach
    this.early = [];      // messages that came before them
    this.first = null;    // the frame that the server sends unasked: its feed, and a promise of it
    this.waiting = new Map(); // requests in progress: their promise's functions, by id
    this.lastId = 0;
    this.began = performance.now();
    // A hidden page opens no camera.
    const url = new URL(`live?after=${after}&push=${document.hidden ? 0 : 1}`, location.href);
    url.protocol = 'ws:';
    this.socket = new WebSocket(url);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => {
      for (const { reject } of this.waiting.values()) reject(new Error('connection lost'));
      this.waiting.clear();
      this.handlers?.closed();
    };
  }

  // attach sets the handlers: state(message), chat(message), refused(text) and
  // closed(). They get what has come before.
  attach(handlers) {
    this.handlers = handlers;
    for (const message of this.early.splice(0)) this.handle(message);
    if (this.socket.readyState === WebSocket.CLOSED) handlers.closed();
  }

  receive(data) {
    if (data instanceof ArrayBuffer) {
      const bytes = new Uint8Array(data);
      const end = bytes.indexOf(newline);
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
      const jpeg = bytes.subarray(end + 1);
      const frame = { ...header, jpeg, received: performance.now() };
      if (header.id === 0) frame.bitmap = decode(jpeg); // before the page is ready for it
      this.settle(header.id)?.resolve(frame);
      return;
    }
    const message = { ...JSON.parse(data), received: performance.now() };
    if (message.pushes) this.expect(message.pushes);
    if (message.type === 'failed') {
      if (message.error) this.settle(message.id)?.reject(new Error(message.error));
      else this.settle(message.id)?.resolve(null);
    } else if (this.handlers) this.handle(message);
    else this.early.push(message);
  }

  handle(message) {
    switch (message.type) {
      case 'state': this.handlers.state(message); break;
      case 'chat': this.handlers.chat(message); break;
      case 'refused': this.handlers.refused(message.text);
    }
  }

  // expect waits for the first frame, which answers a request 0 that the page has
  // not made.
  expect(feed) {
    const answer = new Promise((resolve, reject) => this.waiting.set(0, { resolve, reject }));
    answer.catch(() => {}); // who asks for it handles the error
    this.first = { feed, answer };
  }

  settle(id) {
    const functions = this.waiting.get(id);
    this.waiting.delete(id);
    return functions;
  }

  // request returns the newest frame whose number is above after, or null if
  // none comes.
  request(feed, after, signal) {
    const { first } = this;
    this.first = null;
    const expected = first?.feed === feed && after === 0;
    const id = expected ? 0 : ++this.lastId;
    const requested = expected ? this.began : performance.now();
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        reject(new Error('not connected'));
        return;
      }
      const cancel = () => {
        this.settle(id)?.reject(new Error('cancelled'));
        if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ id, after: 0, cancel: true }));
      };
      signal.addEventListener('abort', cancel);
      const end = (settle) => (value) => {
        signal.removeEventListener('abort', cancel);
        settle(value);
      };
      const got = end((frame) => resolve(frame && { ...frame, requested }));
      if (expected) {
        first.answer.then(got, end(reject));
        return;
      }
      this.waiting.set(id, { resolve: got, reject: end(reject) });
      this.socket.send(JSON.stringify({ id, feed, after }));
    });
  }
}

const firstLive = new Live(0);
