// Texts that leave the page, by the clipboard or as a file, and long ones in lines.

/** Puts a text on the clipboard; without the clipboard's interface (plain http) through a selection. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // No clipboard here: selected and copied the old way, below.
  }
  const area = el("textarea", { class: "offscreen", "aria-hidden": "true", value: text, tabindex: -1 });
  const focused = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  focused?.focus?.();
}

/** A small button that copies what `content` gives (a text, or a function of none) and says so. */
function copyButton(content, title = "Copy", text = "copy") {
  const button = el("button", { class: "copy", type: "button", "aria-label": title, title, text });
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    await copyText(typeof content === "function" ? content() : content);
    button.textContent = "copied";
    announce("Copied.");
    setTimeout(() => (button.textContent = text), 1_200);
  });
  return button;
}

/** Hands a file to the browser as an attachment, never as something to show. */
function download(name, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
  const link = el("a", { hidden: true });
  link.href = address;
  link.download = name.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 100) || "value";
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const LINE_LENGTH = 200;

/** The place after a JSON string that begins at `from`. */
function endOfString(text, from) {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at - 1;
    while (text[before] === "\\") before -= 1;
    if ((at - before) % 2 === 1) return at + 1;
  }
  return text.length;
}

/** The tokens of a JSON text, white space left out. */
function* jsonTokens(text) {
  const token = /\s*([{}[\],:"]|[^\s{}[\],:"]+)/gy;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    if (found[1] !== '"') yield found[1];
    else {
      const from = token.lastIndex - 1;
      token.lastIndex = endOfString(text, from);
      yield text.slice(from, token.lastIndex);
    }
  }
}

/** JSON laid out in lines, with every number and text as it was; hands control back after each part of the work. */
function* prettyLines(text, lines) {
  let [depth, line, done] = [0, "", 0];
  const end = () => {
    for (let from = 0; from < line.length || from === 0; from += LINE_LENGTH) lines.push(line.slice(from, from + LINE_LENGTH));
    line = "  ".repeat(Math.min(depth, 40));
  };
  for (const part of jsonTokens(text)) {
    if (part === "{" || part === "[") {
      line += part;
      depth += 1;
      end();
    } else if (part === "}" || part === "]") {
      depth = Math.max(0, depth - 1);
      const isEmpty = line.trim() === "" && /[{[]$/.test(lines.at(-1) ?? "");
      if (isEmpty) line = lines.pop();
      else end();
      line += part;
    } else if (part === ",") {
      line += part;
      end();
    } else if (part === ":") line += ": ";
    else if (part.trim() !== "") line += part;
    done += part.length;
    if (done > 200_000) {
      done = 0;
      yield;
    }
  }
  end();
}

/** A list of text lines of which only those in sight are in the document. */
function linesView(lineAt, total, longest, label) {
  const rowHeight = 20;
  const frame = el("div", { class: "lines mono" });
  frame.style.height = `min(${total * rowHeight + 18}px, 60vh)`;
  const probe = el("span", { class: "offscreen mono", text: "0".repeat(100) });
  document.body.append(probe);
  const width = (probe.getBoundingClientRect().width / 100) * longest + 24;
  probe.remove();
  const lines = new Windowed(frame, {
    rowHeight, count: total, label, role: "list", width: () => width, key: (index) => index,
    render: (index) => el("div", { class: "line", text: lineAt(index) }),
  });
  return { frame, lines };
}

/** A JSON text exactly as it is stored, in lines of 200 characters; laid out when asked; can be copied and saved. */
function exactText(title, text, fileName) {
  const place = el("div", { class: "lines-place" });
  const pretty = el("button", { class: "button", type: "button", text: "Lay out", "aria-pressed": "false" });
  const save = el("button", { class: "button plain", type: "button", text: "Download", on: { click: () => download(fileName, [text]) } });
  let shown = null;
  const show = (lineAt, total, longest) => {
    shown?.lines.end();
    shown = linesView(lineAt, total, longest, title);
    clear(place, shown.frame);
    shown.lines.update({ isAll: true });
  };
  const storedLine = (index) => text.slice(index * LINE_LENGTH, (index + 1) * LINE_LENGTH);
  const showStored = () => show(storedLine, Math.max(1, Math.ceil(text.length / LINE_LENGTH)), Math.min(LINE_LENGTH, text.length));
  pretty.addEventListener("click", async () => {
    const isOn = pretty.getAttribute("aria-pressed") === "true";
    pretty.setAttribute("aria-pressed", String(!isOn));
    if (isOn) return showStored();
    pretty.disabled = true;
    const lines = [];
    for (const _ of prettyLines(text, lines)) await pause();
    pretty.disabled = false;
    show((index) => lines[index], lines.length, lines.reduce((most, line) => Math.max(most, line.length), 0));
  });
  showStored();
  const size = el("span", { class: "dim", text: `${grouped(text.length)} characters` });
  return el("section", { class: "channel" },
    el("div", { class: "channel-line" }, el("h3", { text: title }), size, pretty, copyButton(text, "Copy the text"), save), place);
}
