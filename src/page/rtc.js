// A data channel in the place of a WebSocket: the same messages, by WebRTC. What the connection calls of a WebSocket it
// has as well: onopen, onmessage, onclose, send and close.
//
// The daemon speaks ICE-lite: it waits for the browser at the addresses of its answer, and needs none of ours. A message
// that is too long for one comes in parts: binary ones, and at its end one of text.

// As a browser tries for some 15 s, and a reader waits.
const OPEN_TIMEOUT_MS = 8000;

// The address of the offer for the same stream.
export function offerAddress(stream) {
  const url = new URL(stream);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = url.pathname.replace(/ws$/, "rtc");
  return url;
}

// Puts the parts of messages together: gives a message with its last part, and null before.
export function joiner() {
  const parts = [];
  return (data) => {
    if (typeof data !== "string") {
      parts.push(new Uint8Array(data));
      return null;
    }
    if (parts.length === 0) return data;
    const decoder = new TextDecoder();
    const text = parts.splice(0).map((part) => decoder.decode(part, { stream: true })).join("");
    return text + data;
  };
}

export class DataChannel {
  onopen = () => {};
  onmessage = () => {};
  onclose = () => {};
  why = ""; // why it did not open
  isLater = false; // no other way would open now, either
  #peer = null;
  #channel = null;
  #stop = new AbortController();
  #timer = null;
  #over = false;

  constructor(stream) {
    this.#timer = setTimeout(() => this.#end("no way to the server was found"), OPEN_TIMEOUT_MS);
    this.#offer(offerAddress(stream)).catch((error) => this.#end(error.message));
  }

  async #offer(url) {
    this.#peer = new RTCPeerConnection();
    this.#peer.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.#peer.connectionState)) this.#end("the way to the server is lost");
    };
    const channel = (this.#channel = this.#peer.createDataChannel("lines"));
    channel.binaryType = "arraybuffer";
    channel.onopen = () => {
      clearTimeout(this.#timer);
      if (!this.#over) this.onopen();
    };
    channel.onclose = () => this.#end("the server has closed it");
    const join = joiner();
    channel.onmessage = ({ data }) => {
      const whole = join(data);
      if (whole !== null && !this.#over) this.onmessage({ data: whole });
    };
    await this.#peer.setLocalDescription();
    const answer = await fetch(url, {
      method: "POST", headers: { "Content-Type": "application/sdp" }, body: this.#peer.localDescription.sdp,
      signal: this.#stop.signal,
    }).catch((error) => {
      this.isLater = true;
      throw error;
    });
    const text = await answer.text();
    if ([404, 405].includes(answer.status)) throw new Error("the server has none");
    this.isLater = [401, 503].includes(answer.status);
    if (answer.status !== 201) throw new Error(text.split("\n")[0].slice(0, 300));
    await this.#peer.setRemoteDescription({ type: "answer", sdp: text });
  }

  // A word to the server, which reads and ignores it.
  send(data) {
    if (this.#channel?.readyState === "open") this.#channel.send(data);
  }

  close() {
    this.#over = true;
    this.#end("");
  }

  #end(why) {
    clearTimeout(this.#timer);
    this.#stop.abort();
    this.#channel?.close();
    this.#peer?.close();
    if (this.#over) return;
    this.#over = true;
    this.why = why;
    this.onclose({ code: 1006 });
  }
}
