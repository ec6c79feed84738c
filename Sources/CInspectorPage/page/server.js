/** A call that failed: a sentence for people, and the status when the server answered. */
class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** A number that JavaScript would change, such as 1.0 or 12345678901234567890: its text as the server wrote it. */
class ExactNumber {
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }

  toJSON() {
    return JSON.rawJSON ? JSON.rawJSON(this.source) : Number(this.source);
  }

  valueOf() {
    return Number(this.source);
  }
}

/**
 * What may be a number that changes: -0, one of 16 characters or more, one with a zero at the end of its fraction, with an
 * exponent, or close to zero. In texts it may find more.
 */
const fragileNumber = /(?:^|[[:,])\s*(-0(?![.\d])|-?(?=[\d.]{16}|\d+\.\d*0(?!\d)|\d+(?:\.\d+)?[eE]|0\.0{6})\d[\d.eE+-]*)/g;

/** Whether JavaScript would write a number of the JSON otherwise than it is; now and then true although none is. */
function hasExactNumbers(text) {
  fragileNumber.lastIndex = 0;
  for (let found = fragileNumber.exec(text); found; found = fragileNumber.exec(text)) {
    if (String(Number(found[1])) !== found[1]) return true;
  }
  return false;
}

/** Reads JSON; numbers that would change become an ExactNumber. The way that keeps them is slow, so it is taken when there are any. */
function parseExactly(text) {
  if (!hasExactNumbers(text)) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    if (typeof value !== "number" || context?.source === undefined || String(value) === context.source) return value;
    return new ExactNumber(context.source);
  });
}

const keyPlace = "milepost.inspector.key";
let keyWanted = null;

/** The key that was given in this tab, or null. */
function currentKey() {
  try {
    return sessionStorage.getItem(keyPlace);
  } catch {
    return null;
  }
}

/** Forgets the key, and begins anew. */
function forgetKey() {
  sessionStorage.removeItem(keyPlace);
  location.reload();
}

/** Shows the form that asks for a key; all calls that wait for one share it. Ends when a key was given. */
function askForKey(sentence) {
  keyWanted ??= new Promise((resume) => {
    const section = document.getElementById("key-form");
    const field = document.getElementById("key-form-key");
    const error = document.getElementById("key-form-error");
    error.textContent = sentence;
    error.hidden = sentence === "";
    document.body.classList.add("is-asking");
    section.hidden = false;
    field.value = "";
    field.focus();
    section.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const key = field.value.trim();
      if (key === "") return;
      sessionStorage.setItem(keyPlace, key);
      field.value = "";
      section.hidden = true;
      document.body.classList.remove("is-asking");
      keyWanted = null;
      resume();
    };
  });
  return keyWanted;
}

/** Sends one request; a 401 asks for a key and sends it again. */
async function send(method, path, body, signal, more = {}) {
  for (;;) {
    if (keyWanted) await keyWanted;
    const key = currentKey();
    const headers = { accept: "application/json", ...more };
    if (key) headers.authorization = `Bearer ${key}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    let response;
    try {
      const text = body === undefined ? undefined : JSON.stringify(body);
      response = await fetch(path, { method, headers, body: text, signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure("The server cannot be reached. Is it running?");
    }
    if (response.status !== 401) return response;
    // Another call may have been given a new key while this one was under way.
    if (currentKey() === key) await askForKey(key === null ? "" : "The server does not take this key: it is wrong, or it has ended.");
  }
}

/** What a page that goes on asking says of a failure. */
function awaySentence(failure) {
  const what = failure.status === 0 ? "The server cannot be reached." : failure.message;
  return `${what} This page asks again by itself.`;
}

/** What an answer that is no success says, as a Failure. */
async function failureOf(response) {
  let detail = "";
  try {
    const answer = JSON.parse(await response.text());
    detail = [answer.detail, answer.message].find((text) => typeof text === "string") ?? "";
  } catch {
    detail = "";
  }
  if (detail === "") detail = `The server answered with status ${response.status}.`;
  const after = response.headers.get("retry-after");
  if (response.status === 429 || response.status === 503) detail += after ? ` Try again in ${after} seconds.` : " Try again soon.";
  return new Failure(detail, response.status);
}

/** Sends a request and reads the JSON of its answer; `next` is the cursor of the next page, or null. */
async function request(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  if (!response.ok) throw await failureOf(response);
  const text = await response.text().catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server's answer broke off. Is it running?");
  });
  let json = null;
  try {
    if (text !== "") json = parseExactly(text);
  } catch {
    throw new Failure("The server's answer is not JSON. Is a proxy between?", response.status);
  }
  return { json, next: response.headers.get("x-next-cursor") };
}

/** GET path → {json, next}. */
function get(path, signal) {
  return request("GET", path, undefined, signal);
}

/** POST path with a JSON body → {json, next}. */
function post(path, body, signal) {
  return request("POST", path, body, signal);
}

/** One of the inspector's own calls → its JSON. */
async function call(name, body, signal) {
  return (await post(`/inspector/${name}`, body, signal)).json;
}

/** The same for a panel, which is busy meanwhile. */
async function callFor(panel, name, body, signal) {
  panel.setAttribute("aria-busy", "true");
  try {
    return await call(name, body, signal);
  } finally {
    if (!signal?.aborted) panel.removeAttribute("aria-busy");
  }
}

/** Waits, or until the signal ends it. */
function sleep(milliseconds, signal) {
  return new Promise((resume) => {
    const timer = setTimeout(resume, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resume();
    }, { once: true });
  });
}

/**
 * Follows what is committed to a thread: event(name, data) for each event; state("live"), state("again", sentence) while
 * the connection is away, or state("no", sentence) when the thread cannot be followed. Goes on where it was after a break.
 */
function follow(threadID, { event, state }) {
  const control = new AbortController();
  (async () => {
    let last = null;
    for (let breaks = 0; !control.signal.aborted; breaks++) {
      let sentence = "";
      try {
        const more = { accept: "text/event-stream", ...(last === null ? {} : { "last-event-id": last }) };
        const response = await send("GET", `/threads/${encodeURIComponent(threadID)}/events`, undefined, control.signal, more);
        if (response.status >= 400 && response.status < 500 && response.status !== 429) {
          state("no", (await failureOf(response)).message);
          return;
        }
        if (!response.ok) throw await failureOf(response);
        state("live");
        for await (const found of eventsOf(response.body)) {
          breaks = 0;
          if (found.id !== null) last = found.id;
          event(found.name, found.data);
        }
      } catch (error) {
        if (control.signal.aborted) return;
        if (error instanceof Failure) sentence = awaySentence(error);
        else if (error.name !== "TypeError") console.error(error);
      }
      if (control.signal.aborted) return;
      state("again", sentence);
      await sleep(Math.min(5_000, 1_000 * 2 ** Math.min(breaks, 3)), control.signal);
    }
  })();
  return { end: () => control.abort() };
}

/** The events in a stream of server-sent events. */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let found = { name: "message", id: null, data: [] };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r\n|\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (found.data.length > 0) yield { name: found.name, id: found.id, data: JSON.parse(found.data.join("\n")) };
        found = { name: "message", id: null, data: [] };
      } else if (!line.startsWith(":")) {
        const at = line.indexOf(":");
        const field = at < 0 ? line : line.slice(0, at);
        const text = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
        if (field === "event") found.name = text;
        else if (field === "id") found.id = text;
        else if (field === "data") found.data.push(text);
      }
    }
  }
}
