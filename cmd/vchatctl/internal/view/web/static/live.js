// The one connection of the page to the server: a WebSocket. Of other
// connections, a browser opens only six to a host, for all tabs together.

const newline = 10;

export class Live {
  // handlers: state(message), chat(message), refused(text) and closed().
  constructor(after, handlers) {
    this.handlers = handlers;
    this.waiting = new Map(); // requests in progress: their promise's functions, by id
    this.lastId = 0;
    const url = new URL(`live?after=${after}`, location.href);
    url.protocol = 'ws:';
    this.socket = new WebSocket(url);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => {
      for (const { reject } of this.waiting.values()) reject(new Error('connection lost'));
      this.waiting.clear();
      handlers.closed();
    };
  }

  receive(data) {
    if (data instanceof ArrayBuffer) {
      const bytes = new Uint8Array(data);
      const end = bytes.indexOf(newline);
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
      this.settle(header.id)?.resolve({ ...header, jpeg: bytes.subarray(end + 1), received: performance.now() });
      return;
    }
    const message = JSON.parse(data);
    switch (message.type) {
      case 'state': this.handlers.state(message); break;
      case 'chat': this.handlers.chat(message); break;
      case 'refused': this.handlers.refused(message.text); break;
      case 'failed':
        if (message.error) this.settle(message.id)?.reject(new Error(message.error));
        else this.settle(message.id)?.resolve(null);
    }
  }

  settle(id) {
    const functions = this.waiting.get(id);
    this.waiting.delete(id);
    return functions;
  }

  // request returns the newest frame whose number is above after, or null if
  // none comes.
  request(feed, after, signal) {
    const id = ++this.lastId;
    const requested = performance.now();
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
      this.waiting.set(id, {
        resolve: end((frame) => resolve(frame && { ...frame, requested })), reject: end(reject),
      });
      this.socket.send(JSON.stringify({ id, feed, after }));
    });
  }
}
