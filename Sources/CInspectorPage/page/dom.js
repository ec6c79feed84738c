/** Properties of `el` that are set as attributes; every other name is refused. */
const attributeNames = new Set([
  "class", "title", "type", "role", "tabindex", "id", "for", "name", "placeholder", "autocomplete", "spellcheck",
  "colspan", "rowspan", "scope", "min", "max", "step", "rows", "cols", "autocapitalize", "lang", "dir", "maxlength",
]);

/** Properties of `el` that are set on the element itself. */
const elementProperties = new Set([
  "hidden", "disabled", "value", "checked", "selected", "open", "readOnly", "required", "multiple", "indeterminate",
]);

/** Makes an element; children are nodes, texts, arrays of them; null, undefined and false are skipped. */
function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) setProperty(node, name, value);
  append(node, children);
  return node;
}

/** Sets one property of `el`; an address may only lead to a place on this page. */
function setProperty(node, name, value) {
  if (value === null || value === undefined) return;
  if (name === "text") {
    node.textContent = value;
  } else if (name === "on") {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (elementProperties.has(name)) {
    node[name] = value;
  } else if (name === "href") {
    if (!String(value).startsWith("#")) throw new Error("an address must begin with #");
    node.setAttribute("href", value);
  } else if (attributeNames.has(name) || /^(aria|data)-[a-z-]+$/.test(name)) {
    if (value !== false || name.startsWith("aria-")) node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  } else {
    throw new Error(`el does not know the property ${name}`);
  }
}

/** Makes an SVG element; attributes come from the page's own code, never from content. */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on") || name.includes("href") || name === "style") throw new Error(`svg does not take ${name}`);
    if (value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  append(node, children);
  return node;
}

/** Adds children to a node, texts as text nodes. */
function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(node, child);
    else node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Empties a node, then puts children in. */
function clear(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** A number of bytes for people: "512 B", "1.2 kB". */
function bytes(n) {
  let value = Number(n);
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) < 1000) return `${value} B`;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (Math.abs(value) < 999.5 || unit === "TB") return `${value.toFixed(Math.abs(value) < 99.95 ? 1 : 0)} ${unit}`;
  }
  return "–";
}

/** The time of a text or of milliseconds, in milliseconds; NaN when it has none. */
function timeOf(ts) {
  return ts === null || ts === undefined ? NaN : typeof ts === "number" ? ts : Date.parse(String(ts));
}

/** A point in time for people: the time of today, else date and time. */
function when(ts) {
  const time = timeOf(ts);
  if (Number.isNaN(time)) return ts === null || ts === undefined ? "–" : String(ts).slice(0, 40);
  const date = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === new Date().toDateString()) return clock;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

/** How long ago something was: "now", "12 s ago", "3 h ago". */
function ago(ts) {
  const seconds = (Date.now() - timeOf(ts)) / 1000;
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 2) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

/** A duration for people: "3 ms", "1.2 s", "4 min 5 s". */
function took(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  if (ms < 0) return `−${took(-ms)}`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} days`;
}

/** A text in one line with characters that cannot be seen, or that turn the direction, written out: \u202e. */
function visible(text) {
  const hidden = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  return text.replace(hidden, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A whole number with its digits in groups: 12,345. */
function grouped(n) {
  return Number(n).toLocaleString("en-US");
}

/** A number with its word: "1 checkpoint", "3 checkpoints". */
function count(n, word) {
  return `${grouped(n)} ${word}${Number(n) === 1 ? "" : "s"}`;
}

/** Tells people who use a screen reader what happened. */
function announce(text) {
  document.getElementById("announcements").textContent = text;
}

/** A failure as a sentence in the place of what could not be shown. */
function failureNote(failure, again) {
  return el("div", { class: "error", role: "alert" },
    el("span", { text: failure instanceof Failure ? failure.message : `The page failed: ${failure?.message ?? failure}` }),
    again ? [" ", el("button", { class: "button", type: "button", text: "Try again", on: { click: again } })] : null);
}

/** Calls `work` once, `delay` milliseconds after the last call. */
function debounced(delay, work) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, delay);
  };
}

/** Lets the browser paint and take input between two parts of long work. */
function pause() {
  return globalThis.scheduler?.yield ? scheduler.yield() : new Promise((resume) => setTimeout(resume, 0));
}

let windowedLists = 0;

/**
 * A list of which only the rows in sight are in the document; all rows have one height.
 * Options: rowHeight, count, render(index) → node, key(index), label, role ("listbox" with an active row, or "list"),
 * activate(index), move(index), isFollowing: whether the end stays in sight when the list gets another height.
 */
class Windowed {
  constructor(container, options) {
    this.container = container;
    this.options = { role: "listbox", count: 0, ...options };
    this.active = -1;
    this.rows = new Map();
    this.name = `list-${++windowedLists}`;
    this.space = el("div", { class: "windowed-space", role: "presentation" });
    container.classList.add("windowed");
    container.setAttribute("tabindex", "0");
    container.setAttribute("role", this.options.role);
    if (this.options.label) container.setAttribute("aria-label", this.options.label);
    container.replaceChildren(this.space);
    this.isWaiting = false;
    this.wasAtEnd = false;
    container.addEventListener("scroll", () => {
      this.wasAtEnd = this.isAtEnd;
      this.#soon();
    }, { passive: true });
    container.addEventListener("keydown", (event) => this.#key(event));
    container.addEventListener("click", (event) => this.#click(event));
    this.observer = new ResizeObserver(() => {
      if (this.options.isFollowing && this.wasAtEnd && this.options.count > 0) this.scrollTo(this.options.count - 1, "end");
      this.#soon();
    });
    this.observer.observe(container);
    this.update({ count: this.options.count });
  }

  /** Takes a new number of rows, `shift` of them before the first; renders those again whose key is another, or all. */
  update({ count = this.options.count, isAll = false, shift = 0 } = {}) {
    this.options.count = count;
    this.space.style.height = `${count * this.options.rowHeight}px`;
    if (this.active >= 0) this.active = Math.max(-1, Math.min(this.active + shift, count - 1));
    if (shift !== 0) this.container.scrollTop += shift * this.options.rowHeight;
    this.#render(isAll || shift !== 0);
  }

  /** Makes a row the active one; scrolls as little as needed to have it in sight. */
  activate(index, isInSight = true) {
    const before = this.active;
    this.active = Math.max(-1, Math.min(index, this.options.count - 1));
    for (const row of [before, this.active]) this.#mark(row);
    if (isInSight && this.active >= 0) this.scrollTo(this.active, "nearest");
  }

  /** Scrolls to a row: "nearest", "start", "center" or "end". */
  scrollTo(index, block = "nearest") {
    const { rowHeight } = this.options;
    const [top, height, place] = [index * rowHeight, this.container.clientHeight, this.container.scrollTop];
    if (block === "nearest" && top >= place && top + rowHeight <= place + height) return;
    const isAbove = block === "start" || (block === "nearest" && top < place);
    this.container.scrollTop = block === "center" ? top - (height - rowHeight) / 2 : isAbove ? top : top + rowHeight - height;
    this.#render(false);
  }

  /** Whether the last row is in sight, or nearly. */
  get isAtEnd() {
    return this.container.scrollHeight - this.container.scrollTop - this.container.clientHeight < this.options.rowHeight * 1.5;
  }

  /** Ends what the list observes. */
  end() {
    this.observer.disconnect();
  }

  #soon() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.#render(false);
    });
  }

  #render(isAll) {
    const { rowHeight, count } = this.options;
    const height = this.container.clientHeight || 600;
    const first = Math.max(0, Math.floor(this.container.scrollTop / rowHeight) - 6);
    const last = Math.min(count - 1, Math.ceil((this.container.scrollTop + height) / rowHeight) + 6);
    for (const [index, row] of this.rows) {
      if (index >= first && index <= last && !isAll && row.key === this.options.key?.(index)) continue;
      row.node.remove();
      this.rows.delete(index);
    }
    const added = document.createDocumentFragment();
    for (let index = first; index <= last; index++) {
      if (!this.rows.has(index)) added.append(this.#row(index));
    }
    if (added.firstChild) this.space.append(added);
    this.#mark(this.active);
  }

  #row(index) {
    const node = this.options.render(index);
    node.classList.add("windowed-row");
    node.style.top = `${index * this.options.rowHeight}px`;
    node.style.height = `${this.options.rowHeight}px`;
    node.id = `${this.name}-${index}`;
    node.setAttribute("role", this.options.role === "listbox" ? "option" : "listitem");
    node.setAttribute("aria-posinset", String(index + 1));
    node.setAttribute("aria-setsize", String(this.options.count));
    this.rows.set(index, { node, key: this.options.key?.(index) });
    if (this.options.role === "listbox") node.setAttribute("aria-selected", String(index === this.active));
    return node;
  }

  #mark(index) {
    if (this.options.role !== "listbox") return;
    this.rows.get(index)?.node.setAttribute("aria-selected", String(index === this.active));
    if (this.rows.has(this.active)) this.container.setAttribute("aria-activedescendant", `${this.name}-${this.active}`);
    else this.container.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (event.target !== this.container || event.altKey || event.ctrlKey || event.metaKey) return;
    if (this.options.role !== "listbox" || this.options.count === 0) return;
    const page = Math.max(1, Math.floor(this.container.clientHeight / this.options.rowHeight) - 1);
    const last = this.options.count - 1;
    const from = this.active < 0 ? Math.floor(this.container.scrollTop / this.options.rowHeight) - 1 : this.active;
    const steps = new Map([
      ["ArrowDown", from + 1], ["ArrowUp", Math.max(0, from - 1)], ["PageDown", from + page], ["PageUp", from - page], ["Home", 0], ["End", last],
    ]);
    if (steps.has(event.key)) {
      event.preventDefault();
      this.activate(Math.max(0, Math.min(steps.get(event.key), last)));
      this.options.move?.(this.active);
    } else if ((event.key === "Enter" || event.key === " ") && this.active >= 0) {
      event.preventDefault();
      this.options.activate?.(this.active);
    }
  }

  #click(event) {
    if (this.options.role !== "listbox") return;
    for (const [index, { node }] of this.rows) {
      if (!node.contains(event.target)) continue;
      this.activate(index);
      this.options.activate?.(index);
      return;
    }
  }
}
