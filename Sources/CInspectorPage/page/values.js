// Decoded values (docs/inspect.md): what they are, in one line, as a tree that opens lazily.

const CHILDREN_STEP = 100;
const TEXT_FIRST = 2_000;
const TEXT_STEP = 20_000;
const BYTES_SHOWN = 64;

/** The value of an object's own member, never one of its prototype. */
function own(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Whether a value is an object of the JSON form that is no list and no exact number. */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** The last part of a Python type's name: `AIMessage` of `langchain_core.messages.ai.AIMessage`. */
function shortType(name) {
  const text = String(name);
  return text.slice(text.lastIndexOf(".") + 1) || text;
}

/** A member's name as it was before the JSON form put a second `$` before it. */
function plainName(name) {
  return name.startsWith("$$") ? name.slice(1) : name;
}

/** A path with one more step, spelled as the differences spell it. */
function pathTo(path, name) {
  if (typeof name === "number") return `${path}[${name}]`;
  if (/^[!-~]+$/.test(name) && !/[[\]{}."\\]/.test(name)) return path ? `${path}.${name}` : name;
  return `${path}[${JSON.stringify(name)}]`;
}

/** Cuts a text at a place that does not tear a pair of surrogates apart. */
function cutText(text, from, length) {
  let end = Math.min(from + length, text.length);
  const last = text.charCodeAt(end - 1);
  if (end < text.length && last >= 0xd800 && last <= 0xdbff) end += 1;
  return text.slice(from, end);
}

/** How many bytes a base64 text stands for. */
function bytesOfBase64(text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return Math.max(0, Math.floor(text.length / 4) * 3 - padding);
}

/** The first bytes of a base64 text as hexadecimal digits. */
function hexOfBase64(text) {
  let binary = "";
  try {
    binary = atob(text.slice(0, Math.ceil(BYTES_SHOWN / 3) * 4)).slice(0, BYTES_SHOWN);
  } catch {
    return "not base64";
  }
  return Array.from(binary, (one) => one.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
}

/** Members of a list, as entries of a branch. */
function listEntries(list) {
  return { length: list.length, at: (place) => [place, list[place]] };
}

/** Members of an object, as entries of a branch; `skipped` are names that say what the object is. */
function objectEntries(object, skipped = "") {
  const names = Object.keys(object).filter((name) => name !== skipped);
  return { length: names.length, at: (place) => [plainName(names[place]), own(object, names[place])] };
}

/** Members of a map whose keys are not all texts. */
function pairEntries(pairs) {
  return {
    length: pairs.length,
    at: (place) => {
      const pair = Array.isArray(pairs[place]) ? pairs[place] : [null, pairs[place]];
      return [typeof pair[0] === "string" ? pair[0] : preview(pair[0], 60), pair[1]];
    },
  };
}

/** What a `$type` object is: its type, and its value, arguments or fields. */
function describeTyped(value, type) {
  const label = shortType(type);
  if (Object.hasOwn(value, "$value")) {
    const inner = describe(own(value, "$value"));
    return { ...inner, label: inner.kind === "list" ? `${label} · ${grouped(inner.entries.length)}` : label, title: type };
  }
  const listed = own(value, "$args");
  if (Array.isArray(listed)) {
    const isShort = listed.length <= 8 && listed.every((one) => !isObject(one) && !Array.isArray(one));
    if (isShort) return { kind: "literal", label, title: type, text: preview(value, 400) };
    return { kind: "list", label, title: type, entries: listEntries(listed) };
  }
  const fields = own(value, "$fields");
  const pairs = isObject(fields) ? own(fields, "$map") : null;
  const entries = Array.isArray(pairs) ? pairEntries(pairs) : objectEntries(value, "$type");
  return { kind: "dict", label, title: type, entries };
}

/** What a `$…` object other than `$type` is, or null for a plain map. */
function describeSpecial(value) {
  const encoded = own(value, "$bytes");
  if (typeof encoded === "string") return { kind: "bytes", label: `bytes · ${bytes(bytesOfBase64(encoded))}`, encoded };
  if (Object.hasOwn(value, "$float")) return { kind: "literal", label: "float", text: String(own(value, "$float")) };
  const pairs = own(value, "$map");
  if (Array.isArray(pairs)) return { kind: "dict", label: `dict · ${grouped(pairs.length)}`, entries: pairEntries(pairs) };
  if (Object.hasOwn(value, "$snapshot")) {
    const inner = describe(own(value, "$snapshot"));
    return { ...inner, label: `snapshot of ${inner.label}` };
  }
  if (Object.hasOwn(value, "$ext")) {
    const hex = String(own(value, "hex") ?? "");
    const shown = hex.slice(0, BYTES_SHOWN * 2).replace(/..(?=.)/g, "$& ");
    const text = hex.length > BYTES_SHOWN * 2 ? `${shown} …` : shown;
    return { kind: "literal", label: `ext ${preview(own(value, "$ext"), 9)} · ${bytes(hex.length / 2)}`, text };
  }
  if (Object.hasOwn(value, "$opaque")) {
    const size = Number(own(value, "size")) || 0;
    return { kind: "note", label: `${own(value, "$opaque")} · ${bytes(size)}`, text: String(own(value, "note") ?? "") };
  }
  if (Object.hasOwn(value, "$cut")) return { kind: "note", label: "cut", text: String(own(value, "$cut")) };
  return null;
}

/**
 * What a decoded value is: `kind` (literal, text, note, bytes, list, dict), a `label` for its type, and
 * `text`, `encoded` or `entries` ({length, at(place) → [name, value]}).
 */
function describe(value) {
  if (value === null || value === undefined) return { kind: "literal", label: "", text: "null", isNull: true };
  if (value instanceof ExactNumber) return { kind: "literal", label: /[.eE]/.test(value.source) ? "float" : "int", text: value.source };
  if (typeof value === "boolean") return { kind: "literal", label: "bool", text: String(value) };
  if (typeof value === "number") {
    return { kind: "literal", label: Number.isInteger(value) ? "int" : "float", text: String(value) };
  }
  if (typeof value === "string") return { kind: "text", label: "str", text: value };
  if (Array.isArray(value)) return { kind: "list", label: `list · ${grouped(value.length)}`, entries: listEntries(value) };
  const type = own(value, "$type");
  if (typeof type === "string") return describeTyped(value, type);
  const special = describeSpecial(value);
  if (special) return special;
  const entries = objectEntries(value);
  return { kind: "dict", label: `dict · ${grouped(entries.length)}`, entries };
}

/** Characters that would not be seen, or would end the line, as they are written in JSON. */
function oneLine(text) {
  return text.replace(/[\u0000-\u001f\u007f]/g, (one) => JSON.stringify(one).slice(1, -1));
}

/** A value in one line of about `limit` characters; looks only at as much of it as it shows. */
function preview(value, limit = 80) {
  if (typeof value === "string") {
    const cut = cutText(value, 0, Math.max(1, limit));
    return `"${oneLine(cut)}${cut.length < value.length ? "…" : ""}"`;
  }
  if (isObject(value) && Array.isArray(own(value, "$args")) && typeof own(value, "$type") === "string") {
    return `${shortType(own(value, "$type"))}(${previewEntries(listEntries(own(value, "$args")), limit, false)})`;
  }
  const what = describe(value);
  if (what.kind === "text") return `${what.label}(${preview(what.text, limit)})`;
  if (what.kind === "literal") return what.title ? `${what.label}(${what.text})` : cutText(what.text, 0, limit);
  if (what.kind === "bytes" || what.kind === "note") return `‹${what.label}›`;
  const type = what.title ? `${shortType(what.title)} ` : "";
  const inner = previewEntries(what.entries, limit - type.length, what.kind === "dict");
  return what.kind === "list" ? `${type}[${inner}]` : `${type}{${inner}}`;
}

/** The inside of a list or map, in one line. */
function previewEntries(entries, limit, isNamed) {
  let text = "";
  for (let place = 0; place < entries.length; place += 1) {
    if (text.length >= limit || place >= 12) return `${text}, …`;
    const [name, value] = entries.at(place);
    const head = `${text && ", "}${isNamed ? `${oneLine(cutText(String(name), 0, 40))}: ` : ""}`;
    text += head + preview(value, Math.max(4, Math.min(40, limit - text.length - head.length)));
  }
  return text;
}

/** The bytes of a base64 text, in parts so that a long one needs no second copy as one text. */
function partsOfBase64(text) {
  const parts = [];
  for (let from = 0; from < text.length; from += 1 << 20) {
    parts.push(Uint8Array.from(atob(text.slice(from, from + (1 << 20))), (one) => one.charCodeAt(0)));
  }
  return parts;
}

/** A text of any length as plain text: its beginning, and more in steps. */
function longText(text, { class: style = "text", first = TEXT_FIRST } = {}) {
  const shown = cutText(text, 0, first);
  const content = el("span", { class: style, text: shown });
  if (shown.length === text.length) return content;
  let from = shown.length;
  const left = el("span", { class: "dim" });
  const more = el("button", { class: "more", type: "button", text: "show more" });
  const bar = el("span", { class: "more-bar" }, more, copyButton(text, "Copy the whole text", "copy all"), left);
  const count = () => {
    left.textContent = `${grouped(from)} of ${grouped(text.length)} characters`;
  };
  more.addEventListener("click", () => {
    const next = cutText(text, from, TEXT_STEP);
    content.append(next);
    from += next.length;
    if (from >= text.length) bar.remove();
    else count();
  });
  count();
  return el("span", { class: "long-text" }, content, bar);
}

/** Bytes: the first of them as digits, and a button that saves all. */
function bytesView(what, name) {
  const size = bytesOfBase64(what.encoded);
  const save = el("button", { class: "copy", type: "button", text: "download", "aria-label": `Download ${bytes(size)}` });
  save.addEventListener("click", () => download(`${name || "value"}.bin`, partsOfBase64(what.encoded)));
  const hex = hexOfBase64(what.encoded);
  return el("span", { class: "hex" }, size > BYTES_SHOWN ? `${hex} …` : hex, " ", save);
}

/** What stands behind a leaf's name. */
function leafValue(what, name) {
  if (what.kind === "text") return longText(what.text);
  if (what.kind === "bytes") return bytesView(what, String(name));
  if (what.kind === "note") return el("span", { class: "dim", text: what.text });
  return el("span", { class: what.isNull ? "literal null" : "literal", text: what.text });
}

/** A value as a tree; `open` opens the first level, isBare leaves its head out. Nothing is made for what is closed. */
function valueTree(value, { name = "", path = "", open = false, isBare = false } = {}) {
  const { entries } = isBare ? describe(value) : {};
  if (entries?.length > 0) return el("div", { class: "tree bare" }, treeChildren(entries, path));
  return el("div", { class: "tree" }, treeRow(value, name, path, open));
}

/** One value of a tree: a leaf in a line, or a branch that fills itself when it is first opened. */
function treeRow(value, name, path, open) {
  const what = describe(value);
  const isPlace = typeof name === "number";
  const head = name === "" ? null : el("span", { class: isPlace ? "place" : "name", text: String(name) });
  const label = what.label ? el("span", { class: "type", text: what.label, title: what.title ?? "" }) : null;
  const copy = path ? copyButton(path, `Copy the path ${cutText(path, 0, 200)}`, "path") : null;
  if (!what.entries) {
    const isLong = what.kind === "text" && (what.text.length > 90 || what.text.includes("\n"));
    const row = el("div", { class: isLong ? "tree-row leaf long" : "tree-row leaf" });
    clear(row, head, label, leafValue(what, name), copy);
    return row;
  }
  const glance = el("span", { class: "glance", text: preview(value, 80) });
  const children = el("div", { class: "tree-children" });
  const details = el("details", { class: "branch" }, el("summary", {}, head, label, glance), children);
  const fill = () => {
    if (!details.open || children.firstChild) return;
    children.append(...treeChildren(what.entries, path));
  };
  details.addEventListener("toggle", fill);
  if (open) {
    details.open = true;
    fill();
  }
  return el("div", { class: "tree-row" }, details, copy);
}

/** The children of a branch: the first ones, and buttons for more from the beginning or before the end. */
function treeChildren(entries, path) {
  const total = entries.length;
  if (total === 0) return [el("div", { class: "dim leaf", text: "empty" })];
  const row = (place) => {
    const [name, value] = entries.at(place);
    return treeRow(value, name, pathTo(path, name), false);
  };
  const rows = (from, to) => Array.from({ length: to - from }, (_, place) => row(from + place));
  let from = Math.min(total, CHILDREN_STEP);
  const head = rows(0, from);
  if (from === total) return head;
  let to = total;
  const next = el("button", { class: "more", type: "button" });
  const last = el("button", { class: "more", type: "button" });
  const left = el("span", { class: "dim" });
  const bar = el("div", { class: "more-bar" }, next, last, left);
  const update = () => {
    const step = Math.min(CHILDREN_STEP, to - from);
    if (step === 0) return bar.remove();
    next.textContent = `show ${step} more`;
    last.textContent = to === total ? `show the last ${step}` : `show ${step} before these`;
    left.textContent = `${grouped(to - from)} of ${grouped(total)} not shown`;
  };
  next.addEventListener("click", () => {
    const end = Math.min(to, from + CHILDREN_STEP);
    bar.before(...rows(from, end));
    from = end;
    update();
  });
  last.addEventListener("click", () => {
    const start = Math.max(from, to - CHILDREN_STEP);
    bar.after(...rows(start, to));
    to = start;
    update();
  });
  update();
  return [...head, bar];
}
