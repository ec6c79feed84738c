/** Rows at which a run waits or has failed and from which nothing goes on, newest first. */
function openStops(thread, rows = thread.rows) {
  return rows.filter((row) => (row.errors > 0 || (row.interrupts > 0 && !row.resumed)) && !thread.hasChild(row));
}

/** Why a thread stopped where it is: {tone, lead, kind, row}; without reading any content. */
function whyStopped(thread) {
  const head = thread.head;
  if (!head) return { kind: "nothing", tone: "", lead: "There is no thread with this id. When a program writes to it, it shows up here by itself.", row: null };
  const near = thread.rows.slice(0, thread.rows.indexOf(head) + 50);
  const stops = openStops(thread, near).filter((row) => row === head || row.checkpoint_ns !== "");
  const stop = stops.includes(head) ? head : head.next.length > 0 ? stops[0] : undefined;
  const inside = stop && stop.checkpoint_ns !== "" ? ` in ${graphName(graphOf(stop.checkpoint_ns))}` : "";
  if (stop?.errors > 0) {
    return { kind: "error", tone: "bad", lead: `Failed${inside} in ${nodesText(stop.next)}.`, inside, row: stop };
  }
  if (stop) {
    const lead = `Waits for an answer${inside}: ${nodesText(stop.next)} asked a question.`;
    return { kind: "interrupt", tone: "warn", lead, inside, row: stop };
  }
  const waiting = openStops(thread).filter((row) => row.checkpoint_ns === "" && row.interrupts > 0).length;
  const elsewhere = waiting > 0 ? ` On ${waiting === 1 ? "another branch a run waits" : `${waiting} other branches runs wait`} for an answer.` : "";
  const next = head.next.filter((node) => node !== "");
  if (next.length === 0 && (head.writes === 0 || thread.hasChild(head))) {
    const place = head.step === null ? "" : ` at step ${head.step}`;
    return { kind: "finished", tone: "ok", lead: `Finished${place}: nothing is left to run.${elsewhere}`, row: head };
  }
  const newest = thread.rows[0];
  const age = Date.now() - Math.max(timeOf(newest.ts), thread.heardAt ?? 0);
  if (age > -60_000 && age < 5_000) return { kind: "running", tone: "", lead: `Running: ${nodesText(next)} ${next.length === 1 ? "is" : "are"} at work.`, row: newest };
  const verb = next.length === 1 ? "it would run next" : "they would run next";
  const lead = `Stopped before ${nodesText(next)}: ${verb}. There is no error and no question: a breakpoint holds it, its program has ended, or it is still at work.${elsewhere}`;
  return { kind: "stopped", tone: "", lead, row: head };
}

/** Names of nodes as words: "node a", "nodes a and b"; a node that runs several times is named once. */
function nodesText(nodes) {
  const names = [...new Set(nodes.filter((node) => node !== "").map((node) => (node === "__start__" ? "start" : node)))];
  if (names.length === 0) return "a node";
  if (names.length === 1) return `node ${names[0]}`;
  if (names.length > 6) return `${grouped(names.length)} nodes`;
  return `nodes ${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** What interrupts in a decoded value ask, as short texts. */
function questionsIn(value, found = []) {
  if (found.length >= 3 || value === null || typeof value !== "object") return found;
  if (typeof value.$type === "string" && value.$type.endsWith("Interrupt") && Object.hasOwn(value, "value")) {
    const question = ["question", "message", "prompt"].map((name) => own(Object(value.value), name)).find((text) => typeof text === "string");
    found.push(question ? cutText(question, 0, 300) : preview(value.value, 200));
  } else if (Array.isArray(value)) {
    for (const item of value.slice(0, 20)) questionsIn(item, found);
  } else if (Array.isArray(value.$value) || Array.isArray(value.$args)) {
    questionsIn(value.$value ?? value.$args, found);
  }
  return found;
}

/** The sentence with what was asked or what failed, when the caller may see content; null when there is nothing to add. */
async function stopDetail(thread, why, signal) {
  if (why.kind !== "error" && why.kind !== "interrupt") return null;
  const { checkpoint_ns, checkpoint_id } = why.row;
  const answer = await call("checkpoint", { thread_id: thread.thread_id, checkpoint_ns, checkpoint_id }, signal);
  if (!answer) return null;
  const channel = why.kind === "error" ? "__error__" : "__interrupt__";
  const writes = answer.writes.filter((write) => write.channel === channel);
  const nodes = writes.map((write) => write.node).filter((node) => typeof node === "string");
  const who = nodesText(nodes.length > 0 ? nodes : why.row.next);
  const values = writes.filter((write) => Object.hasOwn(write, "value")).map((write) => write.value);
  if (why.kind === "error") {
    const said = values.slice(0, 3).map((value) => (typeof value === "string" ? value.slice(0, 300) : preview(value, 300)));
    return { lead: `Failed${why.inside} in ${who}${said.length > 0 ? ": " : "."}`, said };
  }
  const asked = values.flatMap((value) => questionsIn(value)).slice(0, 3);
  const said = asked.length > 0 ? asked : values.slice(0, 3).map((value) => preview(value, 200));
  return { lead: `Waits for an answer${why.inside}: ${who} asked${said.length > 0 ? " " : " a question."}`, said };
}

/** The line at the top of a thread; reads what it may about the stop, and leads to it. */
class StopLine {
  constructor(thread, { open, signal }) {
    Object.assign(this, { thread, open, signal, signature: "" });
    this.node = el("p", { class: "sentence", role: "status", text: "Reading the thread…" });
  }

  /** Says why the thread stopped, as its rows are now. */
  async update() {
    clearTimeout(this.timer);
    const why = whyStopped(this.thread);
    if (why.kind === "running") this.timer = setTimeout(() => !this.signal.aborted && this.update(), 5_200);
    const signature = JSON.stringify([why.kind, why.lead, why.row?.key, why.row?.writes]);
    if (signature === this.signature) return;
    this.signature = signature;
    if (why.kind !== "error" && why.kind !== "interrupt") {
      this.#say(why, why.lead, []);
      return;
    }
    try {
      const detail = await stopDetail(this.thread, why, this.signal);
      if (this.signature === signature) this.#say(why, detail?.lead ?? why.lead, detail?.said ?? []);
    } catch (failure) {
      if (!this.signal.aborted && this.signature === signature) this.#say(why, why.lead, []);
    }
  }

  #say(why, lead, said) {
    this.node.className = `sentence ${why.tone}`;
    const words = said.map((text, index) => [index > 0 ? ", " : "", el("q", { class: "quoted", text })]);
    const isElsewhere = why.row && why.row !== this.thread.head;
    const home = why.kind === "nothing" ? [" ", el("a", { href: "#/", text: "All threads" })] : null;
    clear(this.node, lead, words, home, why.row && (why.tone !== "ok" || isElsewhere) ? [" ", el("button", {
      class: "button plain", type: "button", text: "Show it", on: { click: () => this.open(why.row) },
    })] : null);
  }
}
