/** The checkpoints of one thread as they were read, newest first over all its namespaces. */
class ThreadHistory {
  constructor(threadID) {
    this.thread_id = threadID;
    this.figures = null;
    this.forget();
  }

  /** Begins with nothing. */
  forget() {
    this.rows = [];
    this.byKey = new Map();
    this.children = new Map();
    this.next = null;
    this.isComplete = false;
  }

  /** The row of a checkpoint, or undefined. */
  rowOf(ns, id) {
    return this.byKey.get(keyOf(ns, id));
  }

  /** Whether another checkpoint goes on from this one. */
  hasChild(row) {
    return this.children.has(row.key);
  }

  /** The newest checkpoint of the graph itself; of anything when it has none. */
  get head() {
    return this.rows.find((row) => row.checkpoint_ns === "") ?? this.rows[0];
  }

  /** How long a checkpoint took: since its parent, in milliseconds. */
  duration(row) {
    const parent = row.parentKey === null ? undefined : this.byKey.get(row.parentKey);
    return parent ? timeOf(row.ts) - timeOf(parent.ts) : NaN;
  }

  /** Reads a page, after the last one that was read; the newest first. */
  async read(limit, after, signal) {
    const body = { thread_id: this.thread_id, limit, after };
    const { json, next } = await post("/inspector/history", body, signal);
    return { rows: json?.checkpoints ?? [], next };
  }

  /** Reads the next older page; the first one is small, so that something is there soon. */
  async more(signal) {
    const { rows, next } = await this.read(this.rows.length === 0 ? 200 : 1000, this.next, signal);
    for (const row of rows) if (!this.byKey.has(keyOf(row.checkpoint_ns, row.checkpoint_id))) this.rows.push(this.#take(row));
    this.next = next;
    this.isComplete = next === null;
  }

  /** Reads everything anew; what was there stays until all is there. */
  async again(signal) {
    const fresh = new ThreadHistory(this.thread_id);
    do await fresh.more(signal); while (!fresh.isComplete);
    const { rows, byKey, children, next, isComplete } = fresh;
    Object.assign(this, { rows, byKey, children, next, isComplete });
  }

  /** Reads what is new; `keys` are those that changed. Ends with how many rows came on top; -1 when all has to be read. */
  async refresh(keys, signal) {
    for (const limit of [60, 1000]) {
      const page = await this.read(limit, null, signal);
      const found = new Map(page.rows.map((row) => [keyOf(row.checkpoint_ns, row.checkpoint_id), row]));
      const isJoined = page.next === null || page.rows.some((row) => this.rowOf(row.checkpoint_ns, row.checkpoint_id));
      if (!isJoined || [...keys].some((key) => !found.has(key))) continue;
      const older = this.rows.filter((row) => !found.has(row.key));
      const added = page.rows.length + older.length - this.rows.length;
      this.rows = page.rows.map((row) => this.#take(row)).concat(older);
      return added;
    }
    return -1;
  }

  #take(row) {
    row.key = keyOf(row.checkpoint_ns, row.checkpoint_id);
    row.parentKey = row.parent_checkpoint_id === null ? null : keyOf(row.checkpoint_ns, row.parent_checkpoint_id);
    if (row.parentKey !== null && !this.byKey.has(row.key)) this.children.set(row.parentKey, row.key);
    this.byKey.set(row.key, row);
    return row;
  }
}

/** Shows a thread: why it stopped, the picture of its checkpoints, and the one that is selected beside it. */
async function showThread(main, route, signal) {
  const thread = new ThreadHistory(route.thread);
  const view = new ThreadView(main, thread, signal);
  movedBy((to) => view.move(to));
  await view.start(route);
}

/** The view of one thread, while it is on the page. */
class ThreadView {
  constructor(main, thread, signal) {
    Object.assign(this, { main, thread, signal, changed: new Set(), panelKey: "", away: "" });
    this.picture = new Picture(thread, { open: (row) => this.#open(row) });
    this.stop = new StopLine(thread, { open: (row) => this.#open(row), signal });
    this.figures = el("span", { class: "dim thread-figures" });
    this.live = el("span", { class: "chip live is-new", text: "live" });
    this.actions = el("div", { class: "row thread-actions" });
    this.note = el("p", { class: "notice thread-note", role: "status", hidden: true });
    this.panel = el("section", { class: "beside", "aria-label": "The checkpoint", tabindex: "-1" });
    this.sizes = el("section", { class: "beside sizes-view", "aria-label": "Sizes", hidden: true });
    this.tabs = ["history", "size"].map((name) => el("a", { class: "tab", href: "#/", text: name === "size" ? "Size" : "History" }));
    const only = el("input", { type: "checkbox", on: { change: () => this.picture.filter({ isOnlyStops: only.checked }) } });
    const goToEnd = () => this.picture.windowed.scrollTo(this.picture.total - 1, "end");
    const end = el("button", { class: "button", type: "button", text: "Newest ↓", on: { click: goToEnd } });
    this.progress = el("span", { class: "dim small picture-progress" });
    this.split = el("div", { class: "thread-split" },
      el("section", { class: "picture", "aria-label": "The picture of the thread" },
        el("div", { class: "picture-tools" },
          el("label", { class: "row" }, only, "Only interrupts and errors"), this.progress, end),
        this.picture.lanesNode, this.picture.frame, legend()),
      this.panel);
    this.node = el("div", { class: "thread" },
      el("div", { class: "thread-top" },
        el("div", { class: "row thread-line-top" }, el("h1", { class: "cut", title: thread.thread_id, text: visible(thread.thread_id) }),
          this.live, this.figures, this.actions),
        this.stop.node),
      el("nav", { class: "tabs thread-tabs", "aria-label": "Views of the thread" }, this.tabs),
      this.note, this.split, this.sizes);
  }

  /** Reads the newest page and shows it, then the rest. */
  async start(route) {
    clear(this.main, this.node);
    this.route = route;
    const first = this.thread.more(this.signal);
    this.#readFigures().then(async (figures) => {
      this.thread.figures = figures;
      await first;
      if (!this.signal.aborted) await this.#changed();
    }).catch(() => {});
    await first;
    this.#follow();
    await this.#changed();
    this.move(this.route, true);
    await this.#readRest();
    if (this.#rowOf(this.route)?.key !== this.picture.shownKey) this.move(this.route, true);
  }

  /** Takes a route of the same thread. */
  move(route, isFirst = false) {
    const before = this.route;
    const isOther = route.checkpoint !== before.checkpoint || route.view !== before.view || route.against !== before.against;
    if (isOther) this.panelKey = "";
    this.route = route;
    const isSize = route.view === "size" && !route.checkpoint;
    this.split.hidden = isSize;
    this.sizes.hidden = !isSize;
    this.tabs.forEach((tab, index) => {
      tab.setAttribute("href", addressOf({ name: "thread", thread: this.thread.thread_id, view: index === 1 ? "size" : null }));
      if ((index === 1) === isSize) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    });
    if (isSize) this.#fill(this.sizes, "size", (signal) => showSizes(this.sizes, this.thread.thread_id, signal));
    else this.#select(isFirst);
  }

  #rowOf(route) {
    return route.checkpoint ? this.thread.rowOf(route.ns ?? "", route.checkpoint) : this.thread.head;
  }

  #open(row) {
    const { view } = this.route;
    const isBelow = matchMedia("(max-width: 61.99rem)").matches && this.panel.getBoundingClientRect().top > innerHeight * 0.7;
    if (isBelow) this.panel.scrollIntoView();
    navigate({ name: "thread", thread: this.thread.thread_id, checkpoint: row.checkpoint_id, ns: row.checkpoint_ns, view: view === "size" ? null : view });
  }

  #select(isMoved) {
    const row = this.#rowOf(this.route);
    if (row && row.key !== this.picture.shownKey) this.picture.show(row.key, isMoved && Boolean(this.route.checkpoint));
    if (row) {
      const { key, writes, interrupts, errors, resumed } = row;
      const what = JSON.stringify([key, writes, interrupts, errors, resumed]);
      this.#fill(this.panel, what, (signal) => showCheckpoint(this.panel, this.thread, row, this.route, signal));
    } else if (this.route.checkpoint && !this.thread.isComplete) {
      const wanted = { checkpoint_ns: this.route.ns, checkpoint_id: this.route.checkpoint };
      this.#fill(this.panel, "wanted", (signal) => showCheckpoint(this.panel, this.thread, wanted, this.route, signal));
    } else if (this.route.checkpoint) {
      const text = "This checkpoint is not there, or not any more.";
      this.#fill(this.panel, "gone", () => clear(this.panel, el("p", { class: "empty", text })));
    } else {
      const text = "There is nothing to show: no checkpoint has this thread's id.";
      this.#fill(this.panel, "none", () => clear(this.panel, el("p", { class: "empty", text })));
    }
  }

  /** Fills a panel, unless it shows the same already; ends what filled it before. */
  async #fill(panel, what, work) {
    if (this.panelKey === what) return;
    this.panelKey = what;
    this.hasFailed = false;
    this.panelControl?.abort();
    this.panelControl = new AbortController();
    const signal = AbortSignal.any([this.signal, this.panelControl.signal]);
    try {
      await work(signal);
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof Failure)) console.error(failure);
      this.hasFailed = true;
      clear(panel, failureNote(failure, () => this.#fillAgain()));
    }
  }

  #fillAgain() {
    this.panelKey = "";
    this.move(this.route);
  }

  async #readFigures() {
    try {
      return (await get(`/threads/${encodeURIComponent(this.thread.thread_id)}`, this.signal)).json;
    } catch (failure) {
      if (failure.name === "AbortError") throw failure;
      return failure.status === 404 ? null : this.thread.figures;
    }
  }

  async #readRest() {
    try {
      while (!this.thread.isComplete) {
        const whole = this.thread.figures?.checkpoints;
        this.progress.textContent = `${grouped(this.thread.rows.length)}${whole ? ` of ${grouped(whole)}` : ""} read`;
        await this.thread.more(this.signal);
        await this.picture.layOut();
        await pause();
      }
      this.progress.textContent = "";
      await this.#changed();
    } catch (failure) {
      if (this.signal.aborted) return;
      clear(this.progress, failure.message, " ", el("button", { class: "button", type: "button", text: "Go on", on: { click: () => this.#readRest() } }));
    }
  }

  /** Reads the figures again; at most once a second. */
  async #refreshFigures() {
    this.figuresTimer = null;
    try {
      this.thread.figures = await this.#readFigures();
      this.#showFigures();
    } catch {
      // The view has gone.
    }
  }

  /** Shows what is known now: the picture, the sentence and the figures. */
  async #changed(added = 0) {
    // Before the picture is laid out, which takes its measure.
    this.node.classList.toggle("is-none", this.thread.rows.length === 0 && this.thread.isComplete);
    await this.picture.layOut(added);
    if (this.signal.aborted) return;
    this.stop.update();
    this.#showFigures();
    if (this.thread.rows.length === 0) clear(this.actions);
    else if (!this.actions.firstChild) clear(this.actions, actionsFor(this.thread, null));
  }

  #showFigures() {
    const { figures, rows, isComplete } = this.thread;
    const checkpoints = isComplete ? rows.length : Math.max(rows.length, figures?.checkpoints ?? 0);
    const texts = rows.length === 0 && isComplete ? [] : [count(checkpoints, "checkpoint")];
    if (figures) texts.push(count(figures.writes, "write"), `${bytes(figures.bytes)} stored`);
    if (rows.length > 0) texts.push(`last ${when(rows[0].ts)}`);
    if (this.away === "" && rows.length === 0 && figures === null && !isComplete) return;
    this.figures.className = `thread-figures ${this.away === "" ? "dim" : "away"}`;
    this.figures.textContent = this.away === "" ? texts.join(" · ") : this.away;
    this.figures.title = this.figures.textContent;
  }

  #follow() {
    const following = follow(this.thread.thread_id, {
      state: (state, sentence = "") => {
        const [words, tone] = new Map([["live", ["live", "ok"]], ["again", ["connecting again", "warn"]]]).get(state) ?? ["not live", ""];
        this.live.className = `chip live ${tone}`;
        this.live.textContent = words;
        this.live.title = sentence;
        if (state === "again" && sentence !== "" && this.away === "") announce(sentence);
        this.away = state === "again" ? sentence : "";
        this.#showFigures();
        // What could not be read while the server was away.
        if (state === "live" && this.hasFailed) this.#fillAgain();
      },
      event: (name, data) => this.#hear(name, data),
    });
    const end = () => {
      following.end();
      this.picture.windowed.end();
      clearTimeout(this.timer);
      clearTimeout(this.figuresTimer);
    };
    if (this.signal.aborted) end();
    else this.signal.addEventListener("abort", end, { once: true });
  }

  #hear(name, data) {
    const sentences = new Map([
      ["pruned", "Some checkpoints of this thread were pruned."], ["deleted", "This thread was deleted."],
      ["missed", "More happened than was told; the thread was read again."],
    ]);
    if (name === "checkpoint" || name === "writes") this.thread.heardAt = Date.now();
    const isFirst = name === "thread" && !this.hasBegun;
    if (name === "thread") this.hasBegun = true;
    if (sentences.has(name)) this.#tell(sentences.get(name));
    if (name === "checkpoint" || name === "writes") this.changed.add(keyOf(data.checkpoint_ns, data.checkpoint_id));
    else if (isFirst && data.checkpoints === this.thread.figures?.checkpoints && data.writes === this.thread.figures?.writes) return;
    else if (sentences.has(name) || name === "thread") this.isStale = true;
    this.timer ??= setTimeout(() => this.#takeChanges(), 150);
  }

  #tell(sentence) {
    const dismiss = () => { this.note.hidden = true; };
    clear(this.note, sentence, " ", el("button", { class: "button plain", type: "button", text: "Dismiss", on: { click: dismiss } }));
    this.note.hidden = false;
  }

  /** Reads what the events told of, one reading at a time. */
  async #takeChanges() {
    if (this.signal.aborted) return;
    const keys = this.changed;
    const isStale = this.isStale || this.isBehind;
    this.changed = new Set();
    this.isStale = false;
    try {
      const before = this.thread.rows.length;
      let added = isStale ? -1 : await this.thread.refresh(keys, this.signal);
      if (added < 0 && !isStale && !this.thread.isComplete) added = 0;
      if (added < 0) {
        await this.thread.again(this.signal);
        added = Math.max(0, this.thread.rows.length - before);
      }
      this.figuresTimer ??= setTimeout(() => this.#refreshFigures(), 1_000);
      await this.#changed(added);
      if (!this.split.hidden) this.#select(false);
      if (added > 0) announce(`${count(added, "new checkpoint")}`);
      if (this.isBehind) this.note.hidden = true;
      this.isBehind = false;
    } catch (failure) {
      // What it was to read is forgotten: next time all of it is.
      this.isBehind = true;
      if (!this.signal.aborted) this.#tell(`What is new could not be read: ${failure.message}`);
    }
    this.timer = null;
    if (this.changed.size > 0 || this.isStale) this.timer = setTimeout(() => this.#takeChanges(), 150);
  }
}
