/** At most so many lines run side by side for one graph; more share the last. */
const mostSlots = 24;

/** At most so many graphs have a lane of their own; more share the last. */
const mostGraphs = 16;

/** The place of a checkpoint: namespace and id, as one text. */
function keyOf(ns, id) {
  return `${ns}\u0000${id}`;
}

/** The graph that a namespace is of: its path without the ids of tasks, "" for the graph itself. */
function graphOf(ns) {
  return ns.split("|").map((part) => part.split(":")[0]).join("|");
}

/** The name of a graph for people. */
function graphName(graph) {
  return graph === "" ? "the graph itself" : graph.split("|").join(" › ");
}

/**
 * The checkpoints from which subgraphs were called, by the keys of the subgraphs' first checkpoints: what the row says,
 * or else the newest checkpoint around it when it began.
 */
function callersOf(rows) {
  const newest = new Map();
  const callers = new Map();
  for (let index = rows.length - 1; index >= 0; index--) {
    const { checkpoint_ns: ns, key, parentKey } = rows[index];
    if (ns !== "" && parentKey === null) {
      const outer = ns.slice(0, Math.max(0, ns.lastIndexOf("|")));
      const named = rows[index].caller_checkpoint_id;
      const caller = named === null ? newest.get(outer) : keyOf(outer, named);
      if (caller) callers.set(key, caller);
    }
    newest.set(ns, key);
  }
  return callers;
}

/**
 * Where the checkpoints of a thread are in the picture: rows are given newest first, each gets a lane (its graph) and in
 * it a slot; slots hold the lines to what has not come yet: 1 to a parent, 2 to the caller of a subgraph.
 */
class Lanes {
  constructor(callers, isJoined = true) {
    this.callers = callers;
    this.isJoined = isJoined;
    this.graphs = new Map([["", 0]]);
    this.names = [""];
    this.slots = [[]];
    this.waiting = new Map();
    this.widths = [0];
    this.count = 0;
    this.graph = new Uint8Array(1024);
    this.slot = new Uint8Array(1024);
    this.flags = new Uint8Array(1024);
    this.start = new Uint32Array(1025);
    this.lines = new Uint16Array(4096);
    this.used = 0;
  }

  /** Adds rows, newest first; `hasParent(row)` says whether its parent will come. */
  add(rows, from, to, hasParent) {
    this.#reserve(to);
    for (let index = from; index < to; index++) this.#place(rows[index], index, hasParent);
    this.count = Math.max(this.count, to);
  }

  #place(row, index, hasParent) {
    const graph = this.#graphIndex(graphOf(row.checkpoint_ns));
    const slots = this.slots[graph];
    const key = keyOf(row.checkpoint_ns, row.checkpoint_id);
    const wanted = this.waiting.get(key);
    this.waiting.delete(key);
    const children = (wanted ?? []).filter((end) => end.lane === graph && slots[end.slot] === 1);
    for (const end of wanted ?? []) {
      end.kind = this.slots[end.lane][end.slot];
      this.slots[end.lane][end.slot] = 0;
    }
    const own = children.length > 0 ? Math.min(...children.map((end) => end.slot)) : this.#free(slots);
    let flags = children.length > 0 ? 1 : 0;
    this.start[index] = this.used;
    for (let lane = 0; lane < this.slots.length; lane++) {
      const others = this.slots[lane];
      for (let slot = 0; slot < others.length; slot++) {
        if (others[slot] > 0 && !(lane === graph && slot === own)) this.#line(lane, slot, others[slot] === 2 ? 2 : 0);
      }
    }
    for (const { lane, slot, kind } of wanted ?? []) {
      if (lane !== graph || slot !== own) this.#line(lane, slot, kind === 2 ? 3 : 1);
    }
    const caller = this.isJoined ? this.callers.get(key) : undefined;
    if (this.isJoined && row.parentKey !== null && !hasParent(row)) flags |= 4;
    else if (this.isJoined && row.parentKey !== null) flags |= this.#wait(row.parentKey, graph, own, 1) * 2;
    else if (caller !== undefined) flags |= this.#wait(caller, graph, own, 2) * 8;
    this.start[index + 1] = this.used;
    this.graph[index] = graph;
    this.slot[index] = own;
    this.flags[index] = flags;
    this.widths[graph] = Math.max(this.widths[graph], own + 1);
  }

  /** Lets a slot hold a line to a checkpoint that comes later. */
  #wait(key, lane, slot, kind) {
    const ends = this.waiting.get(key) ?? [];
    if (!ends.some((end) => end.lane === lane && end.slot === slot)) ends.push({ lane, slot });
    this.waiting.set(key, ends);
    this.slots[lane][slot] = kind;
    return 1;
  }

  /** The first slot that holds no line. */
  #free(slots) {
    const at = slots.indexOf(0);
    if (at >= 0) return at;
    if (slots.length < mostSlots) slots.push(0);
    return slots.length - 1;
  }

  #graphIndex(name) {
    let index = this.graphs.get(name);
    if (index !== undefined) return index;
    index = Math.min(this.names.length, mostGraphs - 1);
    this.graphs.set(name, index);
    if (index === this.names.length) {
      this.names.push(name);
      this.slots.push([]);
      this.widths.push(1);
    }
    return index;
  }

  #line(lane, slot, kind) {
    if (this.used === this.lines.length) {
      const more = new Uint16Array(this.lines.length * 2);
      more.set(this.lines);
      this.lines = more;
    }
    this.lines[this.used++] = (lane << 8) | (slot << 2) | kind;
  }

  #reserve(count) {
    if (count <= this.graph.length) return;
    const size = Math.max(count, this.graph.length * 2);
    for (const name of ["graph", "slot", "flags"]) {
      const more = new Uint8Array(size);
      more.set(this[name]);
      this[name] = more;
    }
    const more = new Uint32Array(size + 1);
    more.set(this.start);
    this.start = more;
  }

  /** Where each graph begins, in slots, and how many slots there are; the graph itself is the first. */
  get offsets() {
    const order = this.names.map((_, index) => index).sort((a, b) => (this.names[a] < this.names[b] ? -1 : 1));
    const at = new Array(this.names.length).fill(0);
    let next = 0;
    for (const index of order) {
      at[index] = next;
      next += this.widths[index] > 0 ? this.widths[index] + 0.35 : 0;
    }
    return { at, order, total: Math.max(1, next - 0.35) };
  }
}

/** What a row's mark means: its shape, its words. */
function markOf(row, hasChild) {
  if (row.errors > 0) return { shape: "cross", tone: "bad", words: hasChild ? "failed, then went on" : "failed" };
  if (row.interrupts > 0 && row.resumed) return { shape: "diamond full", tone: "warn", words: "answered" };
  if (row.interrupts > 0 && hasChild) return { shape: "diamond", tone: "", words: "went on without an answer" };
  if (row.interrupts > 0) return { shape: "diamond", tone: "warn", words: "waits for an answer" };
  if (row.source === "input") return { shape: "ring", tone: "", words: "" };
  if (row.source === "update" || row.source === "fork") return { shape: "square", tone: "", words: "" };
  return { shape: "dot", tone: "", words: "" };
}

/** Draws a mark around a point. */
function drawMark(shape, tone, x, y, r) {
  const kind = `mark ${tone}`;
  const path = (d, more = "") => svg("path", { d, class: `${kind} ${more}` });
  if (shape === "cross") return path(`M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`);
  if (shape.startsWith("diamond")) {
    const w = r * 1.35;
    return path(`M${x} ${y - w}L${x + w} ${y}L${x} ${y + w}L${x - w} ${y}Z`, shape.slice(8));
  }
  if (shape === "square") return path(`M${x - r} ${y - r}H${x + r}V${y + r}H${x - r}Z`);
  return svg("circle", { cx: x, cy: y, r, class: `${kind} ${shape === "dot" ? "full" : ""}` });
}

/** The part of the picture that is one row: the lines that pass it, and its mark. Older is above. */
function drawRow(lanes, index, place, row, hasChild) {
  const { at, step, width, height, colours, scale } = place;
  const x = (lane, slot) => Math.round((12 * scale + (at[lane] + slot) * step) * 10) / 10;
  const middle = height / 2;
  const [graph, own, flags] = [lanes.graph[index], lanes.slot[index], lanes.flags[index]];
  const here = x(graph, own);
  const paths = new Map();
  const draw = (lane, d, isCall = false) => {
    const style = `edge lane-${colours[lane]}${isCall ? " call" : ""}`;
    paths.set(style, (paths.get(style) ?? "") + d);
  };
  for (let i = lanes.start[index]; i < lanes.start[index + 1]; i++) {
    const line = lanes.lines[i];
    const [lane, slot, isBranch, isCall] = [line >> 8, (line >> 2) & 63, line & 1, (line & 2) > 0];
    const there = x(lane, slot);
    const branch = `M${here} ${middle}C${there} ${middle} ${there} ${middle} ${there} ${height}`;
    draw(lane, isBranch ? branch : `M${there} 0V${height}`, isCall);
  }
  if (flags & 2) draw(graph, `M${here} 0V${middle}`);
  if (flags & 8) draw(graph, `M${here} 0V${middle}`, true);
  if (flags & 1) draw(graph, `M${here} ${middle}V${height}`);
  // The parent is gone: a short line that ends in dashes.
  if (flags & 4) for (const part of [0.2, 0.35]) draw(graph, `M${here} ${middle * part}v${middle * 0.08}`);
  const parts = [...paths].map(([style, d]) => svg("path", { d, class: style }));
  const { shape, tone } = markOf(row, hasChild);
  parts.push(svg("g", { class: `lane-${colours[graph]}` }, drawMark(shape, tone, here, middle, 4.5 * scale)));
  return svg("svg", { width, height, "aria-hidden": "true" }, parts);
}

/** Names with how often each comes: "read ×3". */
function timesEach(names) {
  const times = new Map();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return [...times].map(([name, n]) => (n === 1 ? name : `${name} ×${n}`));
}

/** What a checkpoint is called in the picture: the nodes that ran to make it, or how it came to be. */
function titleOf(row) {
  const nodes = timesEach(row.nodes.filter((node) => node !== "__start__"));
  if (row.source === "update") return nodes.length > 0 ? `update as ${nodes.join(", ")}` : "update";
  if (nodes.length > 0) return nodes.join(", ");
  return row.source === "input" ? "input" : row.source === "fork" ? "fork" : row.nodes.length > 0 || row.step === 0 ? "start" : row.source ?? "checkpoint";
}

/** What would run after a checkpoint, as words. */
function nextText(row, hasChild) {
  const nodes = timesEach(row.next.filter((node) => node !== "").map((node) => (node === "__start__" ? "start" : node)));
  return nodes.length > 0 ? `next ${nodes.join(", ")}` : hasChild || row.writes > 0 ? null : "nothing next";
}

/** The picture's legend: each shape and its words. */
function legend() {
  const shapes = [
    ["dot", "", "step"], ["ring", "", "input"], ["square", "", "update or fork"], ["diamond", "warn", "waits for an answer"],
    ["diamond full", "warn", "answered"], ["cross", "bad", "failed"],
  ];
  const sample = (...drawn) => svg("svg", { width: 14, height: 14, class: "lane-0", "aria-hidden": "true" }, drawn);
  return el("div", { class: "legend", "aria-label": "Legend", role: "group" },
    shapes.map(([shape, tone, words]) => el("span", null, sample(drawMark(shape, tone, 7, 7, 4)), words)),
    el("span", null, sample(svg("path", { d: "M7 0V14", class: "edge call" })), "calls a subgraph"));
}

/** The picture of a thread: a windowed list of rows, each with the lines that pass it. Older is above. */
class Picture {
  constructor(thread, { open }) {
    this.thread = thread;
    this.graph = null;
    this.isOnlyStops = false;
    this.lanes = new Lanes(new Map());
    this.list = [];
    this.total = 0;
    this.shownKey = null;
    this.colours = new Map([["", 0]]);
    this.rowHeight = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 3);
    this.frame = el("div", { class: "picture-list" });
    this.lanesNode = el("div", { class: "picture-lanes", role: "group", "aria-label": "Graphs: show one alone" });
    this.windowed = new Windowed(this.frame, {
      rowHeight: this.rowHeight, count: 0, label: "Checkpoints, oldest first", isFollowing: true,
      render: (index) => this.#row(index),
      key: (index) => this.list[this.total - 1 - index]?.key,
      activate: (index) => {
        const row = this.list[this.total - 1 - index];
        if (row) open(row);
      },
    });
    this.turn = 0;
  }

  /** Lays everything out; `added` rows are new at the end. Long threads are laid out in slices. */
  async layOut(added = 0) {
    const turn = ++this.turn;
    const rows = this.thread.rows;
    const isJoined = !this.isOnlyStops;
    const isIn = (row) => (this.graph === null || graphOf(row.checkpoint_ns) === this.graph)
      && (!this.isOnlyStops || row.interrupts > 0 || row.errors > 0);
    const isWhole = this.graph === null && isJoined;
    const list = isWhole ? rows : rows.filter(isIn);
    const at = new Map(list.map((row, index) => [row.key, index]));
    const isComplete = this.thread.isComplete;
    const hasParent = (row) => (at.get(row.parentKey) ?? (isComplete ? -1 : Infinity)) > at.get(row.key);
    const lanes = new Lanes(isWhole ? callersOf(list) : new Map(), isJoined);
    for (let from = 0; from < list.length; from += 4000) {
      if (from > 0 && list.length > 12_000) await pause();
      if (turn !== this.turn) return;
      lanes.add(list, from, Math.min(from + 4000, list.length), hasParent);
    }
    const wasAtEnd = this.total === 0 || this.windowed.isAtEnd;
    const before = this.total;
    const expected = isWhole && !isComplete ? this.thread.figures?.checkpoints ?? 0 : 0;
    Object.assign(this, { list, lanes, total: Math.max(list.length, expected) });
    this.place = this.#places();
    this.windowed.update({ count: this.total, isAll: true, shift: before === 0 ? 0 : this.total - before - added });
    if (wasAtEnd && this.total > 0 && (before === 0 || added > 0)) this.windowed.scrollTo(this.total - 1, "end");
    this.#drawLaneNames();
  }

  /** Takes another filter. */
  async filter({ graph = this.graph, isOnlyStops = this.isOnlyStops }) {
    Object.assign(this, { graph, isOnlyStops, total: 0 });
    await this.layOut();
    this.show(this.shownKey);
  }

  /** Marks the row of the checkpoint that is shown beside the picture. */
  show(key, isMoved = false) {
    this.shownKey = key;
    const index = this.list.findIndex((row) => row.key === key);
    if (index >= 0) this.windowed.activate(this.total - 1 - index, false);
    if (index >= 0 && isMoved) this.windowed.scrollTo(this.total - 1 - index, "center");
    this.windowed.update({ isAll: true });
    return index >= 0;
  }

  #places() {
    const { at, order, total } = this.lanes.offsets;
    const most = Math.max(60, Math.min(320, this.frame.clientWidth * 0.35));
    const scale = this.rowHeight / 42;
    const step = Math.max(3, Math.min(16 * scale, (most - 22) / total));
    const colours = this.lanes.names.map((name) => this.#colour(name));
    return { at, order, step, colours, scale, width: Math.ceil(total * step + 12 * scale), height: this.rowHeight };
  }

  /** The colour of a graph, the same for as long as it is looked at. */
  #colour(name) {
    if (!this.colours.has(name)) this.colours.set(name, this.colours.size % 6);
    return this.colours.get(name);
  }

  #drawLaneNames() {
    const names = this.place.order.filter((index) => this.lanes.widths[index] > 0).map((index) => this.lanes.names[index]);
    if (this.graph === null && !this.isOnlyStops) this.allNames = names;
    const signature = JSON.stringify([this.allNames, this.graph]);
    if (signature === this.laneSignature) return;
    this.laneSignature = signature;
    clear(this.lanesNode, (this.allNames ?? []).map((name) => el("button", {
      class: "button lane-name", type: "button", "aria-pressed": String(this.graph === name),
      title: this.graph === name ? "Show all graphs again" : "Show this graph alone",
      on: { click: () => this.filter({ graph: this.graph === name ? null : name }) },
    },
    svg("svg", { width: 10, height: 14, class: `lane-${this.#colour(name)}`, "aria-hidden": "true" },
      svg("path", { d: "M5 0V14", class: "edge" }), svg("circle", { cx: 5, cy: 7, r: 4, class: "mark full" })),
    el("span", { class: "cut", text: graphName(name) }))));
  }

  #row(index) {
    const at = this.total - 1 - index;
    const row = this.list[at];
    if (!row) return el("div", { class: "step-line dim" }, el("span", { class: "step-wait", text: "…" }));
    const hasChild = this.thread.hasChild(row);
    const { tone, words } = markOf(row, hasChild);
    const duration = this.thread.duration(row);
    const ran = titleOf(row);
    const graph = graphOf(row.checkpoint_ns);
    const times = row.errors > 0 ? row.errors : row.interrupts;
    const more = [graph === "" ? null : `in ${graphName(graph)}`, nextText(row, hasChild), row.source, row.run_id ? `run ${row.run_id.slice(0, 8)}` : null];
    const isShown = row.key === this.shownKey;
    const line = { class: `step-line${isShown ? " is-shown" : ""}`, title: row.checkpoint_ns || null, "aria-current": isShown ? "true" : null };
    return el("div", line,
      drawRow(this.lanes, at, this.place, row, hasChild),
      el("div", { class: "step-text" },
        el("div", { class: "step-main" },
          el("span", { class: "step-number", title: "step", text: row.step === null ? "–" : String(row.step) }),
          el("span", { class: "step-nodes cut", text: visible(ran) }),
          words ? el("span", { class: `chip ${tone}`, text: times > 1 ? `${words} (${times})` : words }) : null),
        el("div", { class: "step-side", title: row.ts, text: when(row.ts) }),
        el("div", { class: "step-more cut", text: more.filter(Boolean).join(" · ") }),
        el("div", { class: "step-side", title: "since its parent", text: Number.isNaN(duration) ? "" : `+${took(duration)}` })));
  }
}
