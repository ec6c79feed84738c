/** The columns that threads can be sorted by: name, heading, what is compared, whether greatest comes first. */
const threadOrders = [
  { name: "id", heading: "Thread", of: (thread) => thread.thread_id, isDown: false },
  { name: "updated", heading: "Last change", of: (thread) => thread.time, isDown: true },
  { name: "checkpoints", heading: "Checkpoints", of: (thread) => thread.checkpoints, isDown: true },
  { name: "writes", heading: "Writes", of: (thread) => thread.writes, isDown: true },
  { name: "bytes", heading: "Stored", of: (thread) => thread.bytes, isDown: true },
];

/** How the list was looked at last; kept while the page is open. */
const threadsLook = { find: "", order: "updated", isDown: true };

/** Shows all threads that the caller may see. */
async function showThreads(main, _, signal) {
  const view = new ThreadsView(main, signal);
  await view.start();
}

/** The list of threads, while it is on the page. */
class ThreadsView {
  constructor(main, signal) {
    Object.assign(this, { main, signal, byID: new Map(), list: [], fresh: new Map(), isWhole: false, away: "", turn: 0 });
    this.find = el("input", {
      class: "field mono find", type: "search", placeholder: "Find by a part of the id", "aria-label": "Find threads by a part of the id",
      spellcheck: "false", value: threadsLook.find, on: { input: () => { threadsLook.find = this.find.value; this.#order(); } },
    });
    this.figures = el("p", { class: "dim grow", role: "status", text: "Reading…" });
    this.live = el("span", { class: "chip live is-new", text: "live" });
    this.sort = el("select", { class: "field sort", "aria-label": "Sort by", on: { change: () => this.#sortBy(this.sort.value) } },
      threadOrders.map(({ name, heading }) => el("option", { value: name, text: `by ${heading.toLowerCase()}` })));
    this.heads = threadOrders.map(({ name, heading }) => el("button", {
      class: name === "id" ? "tab" : "tab num", type: "button", "data-order": name, text: heading, on: { click: () => this.#sortBy(name) },
    }));
    this.frame = el("div");
    this.rowHeight = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * (innerWidth < 768 ? 3.6 : 2.5));
    this.windowed = new Windowed(this.frame, {
      rowHeight: this.rowHeight, label: "Threads", render: (index) => this.#row(this.list[index]),
      key: (index) => this.list[index],
      activate: (index) => navigate({ name: "thread", thread: this.list[index].thread_id }),
    });
    this.empty = el("div", { class: "empty", hidden: true });
    this.node = el("div", { class: "threads" },
      el("div", { class: "row" }, el("h1", { text: "Threads" }), this.find, this.sort, this.figures, this.live, actionsFor(null)),
      el("div", { class: "panel threads-frame" },
        el("div", { class: "threads-head", role: "group", "aria-label": "Sort threads" }, this.heads), this.frame, this.empty));
  }

  /** Reads all pages, showing each; then keeps what is shown up to date. */
  async start() {
    clear(this.main, this.node);
    this.signal.addEventListener("abort", () => this.windowed.end(), { once: true });
    this.#showOrder();
    let known = null;
    try {
      // Asked before the list is read, so that nothing that changes meanwhile is missed.
      known = can("inspect") ? await this.#readHeads().catch(() => null) : null;
      await this.#readAll();
    } catch (failure) {
      if (this.signal.aborted) return;
      if (failure instanceof Failure && failure.status === 403) {
        clear(this.main, notListed(failure));
        return;
      }
      throw failure;
    }
    this.#watch(known?.heads ?? new Map());
  }

  /** The newest checkpoint of each thread that changed last, and the oldest id that a thread would be found with. */
  async #readHeads() {
    // A server that hangs counts as one that cannot be reached.
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(20_000)]);
    const { json } = await post("/checkpoints/list", { across_threads: true, limit: 50 }, signal);
    const tuples = Array.isArray(json) ? json : json?.checkpoints ?? [];
    return { heads: listedHeads(tuples), oldest: tuples.length < 50 ? "" : tuples.at(-1).checkpoint_id };
  }

  async #readAll() {
    let after = null;
    let drawn = 0;
    let pace = 0;
    do {
      const { json, next } = await get(`/threads?limit=1000${after === null ? "" : `&after=${encodeURIComponent(after)}`}`, this.signal);
      for (const thread of json.threads) this.#take(thread);
      after = next;
      this.isWhole = after === null;
      const now = performance.now();
      if (this.isWhole || now - drawn > pace) {
        this.#order();
        drawn = performance.now();
        pace = Math.max(400, 20 * (drawn - now));
        await pause();
      }
    } while (after !== null && !this.signal.aborted);
  }

  #take(thread) {
    thread.time = timeOf(thread.updated);
    if (Number.isNaN(thread.time)) thread.time = 0;
    thread.lower = thread.thread_id.toLowerCase();
    this.byID.set(thread.thread_id, thread);
  }

  #sortBy(name) {
    const order = threadOrders.find((one) => one.name === name);
    threadsLook.isDown = threadsLook.order === name ? !threadsLook.isDown : order.isDown;
    threadsLook.order = name;
    this.#showOrder();
    this.#order();
    this.frame.scrollTop = 0;
    announce(`Sorted by ${order.heading.toLowerCase()}, ${threadsLook.isDown ? "greatest" : "least"} first`);
  }

  #showOrder() {
    this.sort.value = threadsLook.order;
    for (const head of this.heads) {
      const order = threadOrders.find((one) => one.name === head.getAttribute("data-order"));
      const isChosen = order.name === threadsLook.order;
      head.setAttribute("aria-pressed", String(isChosen));
      clear(head, order.heading, isChosen ? (threadsLook.isDown ? " ↓" : " ↑") : "");
    }
  }

  /** Sorts and filters, and shows what comes of it. */
  #order() {
    const { find, order, isDown } = threadsLook;
    const { of } = threadOrders.find((one) => one.name === order);
    const wanted = find.trim().toLowerCase();
    const all = [...this.byID.values()];
    const list = wanted === "" ? all : all.filter((thread) => thread.lower.includes(wanted));
    const sign = isDown ? -1 : 1;
    for (const thread of list) thread.place = of(thread);
    list.sort((a, b) => (a.place < b.place ? -sign : a.place > b.place ? sign : a.thread_id < b.thread_id ? -1 : 1));
    this.list = list;
    this.windowed.update({ count: list.length });
    this.#showFigures();
    this.#showEmpty(all.length, list.length, find.trim());
  }

  #showFigures() {
    const whole = count(this.byID.size, "thread");
    const figures = threadsLook.find.trim() === "" ? whole : `${grouped(this.list.length)} of ${whole}`;
    this.figures.className = this.away === "" ? "dim grow" : "away grow";
    this.figures.textContent = this.away !== "" ? this.away : this.isWhole ? figures : `${figures} so far, reading more…`;
  }

  #showEmpty(all, found, find) {
    const isEmpty = found === 0 && this.isWhole;
    this.frame.hidden = isEmpty;
    this.empty.hidden = !isEmpty;
    this.node.classList.toggle("is-empty", isEmpty && all === 0);
    if (!isEmpty) return;
    if (all === 0) {
      clear(this.empty, firstSteps());
      return;
    }
    clear(this.empty, el("p", null, "No thread's id has ", el("span", { class: "mono", text: `“${find.slice(0, 100)}”` }), " in it."));
  }

  #row(thread) {
    const isFresh = (this.fresh.get(thread.thread_id) ?? -Infinity) > performance.now() - 2_500;
    const figures = [
      el("span", { class: "cut mono thread-id", title: thread.thread_id }, marked(visible(thread.thread_id), threadsLook.find.trim())),
      el("span", { class: "num dim cut", title: thread.updated, text: when(thread.updated) }),
      el("span", { class: "num", text: grouped(thread.checkpoints) }),
      el("span", { class: "num dim", text: grouped(thread.writes) }),
      el("span", { class: "num", text: bytes(thread.bytes) }),
    ];
    const short = `${count(thread.checkpoints, "checkpoint")} · ${bytes(thread.bytes)} · ${when(thread.updated)}`;
    return el("div", { class: `thread-line${isFresh ? " is-fresh" : ""}` }, figures, el("span", { class: "thread-short dim small", "aria-hidden": "true", text: short }));
  }

  /** Asks every three seconds, while the page is in sight, what changed; `known` are the heads of before. */
  async #watch(known) {
    let rest = 3_000;
    for (; !this.signal.aborted; await sleep(rest, this.signal)) {
      if (document.hidden) continue;
      const from = performance.now();
      try {
        known = can("inspect") ? await this.#lookAtHeads(known) : await this.#lookAtAll();
        this.#sayLive("live", "ok");
      } catch (failure) {
        if (this.signal.aborted) return;
        const isOver = failure.status === 403;
        this.#sayLive(isOver ? "not live" : "connecting again", isOver ? "" : "warn", isOver ? failure.message : awaySentence(failure));
        if (isOver) return;
      }
      rest = can("inspect") ? 3_000 : Math.max(3_000, 20 * (performance.now() - from));
    }
  }

  /** Reads the threads anew whose newest checkpoint is another than before, or has gone. */
  async #lookAtHeads(known) {
    const { heads, oldest } = await this.#readHeads();
    const changed = [...heads].filter(([thread, id]) => known.get(thread) !== id || !this.byID.has(thread)).map(([thread]) => thread);
    const gone = [...known].filter(([thread, id]) => id >= oldest && !heads.has(thread)).map(([thread]) => thread);
    const atWork = [...heads.keys()].filter((id) => this.#isAtWork(id)).slice(0, 10);
    await this.#readAgain(new Set(changed), [...gone, ...atWork, ...this.#someInSight()]);
    const now = new Map([...known, ...heads]);
    for (const thread of gone) now.delete(thread);
    return now;
  }

  /** Reads the whole list anew: checkpoints have content, and this caller gets none. */
  async #lookAtAll() {
    const before = this.byID;
    const now = new Map();
    let after = null;
    do {
      const { json, next } = await get(`/threads?limit=1000${after === null ? "" : `&after=${encodeURIComponent(after)}`}`, this.signal);
      for (const thread of json.threads) now.set(thread.thread_id, thread);
      after = next;
    } while (after !== null);
    const what = ({ updated, checkpoints, writes, bytes: size }) => JSON.stringify([updated, checkpoints, writes, size]);
    const changed = [...now].filter(([id, thread]) => !before.has(id) || what(before.get(id)) !== what(thread));
    if (changed.length > 0 || now.size !== before.size) {
      this.byID = new Map([...before].filter(([id]) => now.has(id)));
      for (const [id, thread] of changed) {
        this.#take(thread);
        this.fresh.set(id, performance.now());
      }
      this.#order();
    }
    return new Map();
  }

  /** Two of the threads in sight, others each time: what is pruned or deleted may not show in what is newest. */
  #someInSight() {
    const [from, rows] = [this.frame.scrollTop, this.frame.clientHeight].map((height) => Math.floor(height / this.rowHeight));
    const inSight = this.list.slice(from, from + rows + 1);
    this.turn += 2;
    return [this.turn, this.turn + 1].map((at) => inSight[at % inSight.length]?.thread_id).filter((id) => id !== undefined);
  }

  /** Says whether the list is live; a failure that lasts stands in the place of the figures. */
  #sayLive(text, tone, title = "") {
    const away = tone === "warn" ? title : "";
    if (away !== this.away) {
      this.away = away;
      this.#showFigures();
    }
    if (this.live.textContent === text && !this.live.classList.contains("is-new")) return;
    this.live.className = `chip live ${tone}`;
    this.live.textContent = text;
    this.live.title = title;
  }

  /** Whether a thread changed in the last half minute; its writes may be more without a new checkpoint. */
  #isAtWork(id) {
    return Date.now() - (this.byID.get(id)?.time ?? 0) < 30_000;
  }

  async #readAgain(changed, others) {
    const all = new Set([...changed, ...others]);
    if (all.size === 0) return;
    for (const id of all) {
      try {
        const { json } = await get(threadPath(id), this.signal);
        this.#take(json);
        if (changed.has(id)) this.fresh.set(id, performance.now());
      } catch (failure) {
        if (failure.status !== 404) throw failure;
        this.byID.delete(id);
      }
    }
    this.#order();
  }
}

/** Thread and newest checkpoint of each thread in an answer of list, the newest first. */
function listedHeads(tuples) {
  const found = new Map();
  for (const tuple of tuples) {
    if (!found.has(tuple.thread_id)) found.set(tuple.thread_id, tuple.checkpoint_id);
  }
  return found;
}

/** An id with what was searched for marked. */
function marked(id, find) {
  const at = find === "" ? -1 : id.toLowerCase().indexOf(find.toLowerCase());
  if (at < 0 || id.toLowerCase().length !== id.length) return id;
  return [id.slice(0, at), el("mark", { text: id.slice(at, at + find.length) }), id.slice(at + find.length)];
}

/** What a server without threads says: how a graph keeps its checkpoints here. */
function firstSteps() {
  const lines = [
    "from langgraph.checkpoint.milepost import MilepostSaver", "",
    `graph = builder.compile(checkpointer=MilepostSaver(${JSON.stringify(location.origin)}))`,
    'graph.invoke({"messages": ["hello"]}, {"configurable": {"thread_id": "first"}})',
  ];
  return el("div", { class: "start stack" },
    el("h2", { text: "There are no threads yet" }),
    el("p", { text: "Point a LangGraph program at this server, and each of its runs shows up here as it happens:" }),
    el("pre", { class: "mono", tabindex: "0", text: lines.join("\n") }),
    el("p", { class: "small", text: "This page looks by itself; nothing has to be loaded again." }));
}

/** What a caller sees who may look into threads, but may not list them. */
function notListed(failure) {
  const field = el("input", {
    class: "field mono grow", id: "known-thread", spellcheck: "false", autocapitalize: "off", autocomplete: "off",
    placeholder: caller.thread_prefix ? `${caller.thread_prefix}…` : "",
  });
  return el("div", { class: "start stack" },
    el("h1", { text: "Threads cannot be listed with this key" }),
    el("p", { text: caller.thread_prefix
      ? `It is for threads whose ids begin with “${caller.thread_prefix}”, and a list would tell of others. Open one by its id.`
      : "The server decides thread by thread what it may see. Open one by its id." }),
    el("form", { class: "row", on: { submit: (event) => {
      event.preventDefault();
      if (field.value !== "") navigate({ name: "thread", thread: field.value });
    } } }, el("label", { for: "known-thread", text: "Thread" }), field, el("button", { class: "button primary", type: "submit", text: "Open" })),
    el("p", { class: "dim small", text: failure.message }));
}
