// What changed from one checkpoint to another, field by field.

const CHANGES_STEP = 100;
const WORDS_LIMIT = 2_000;

/** Words, spaces and signs of a text. */
function wordsOf(text) {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) ?? [];
}

/** Lengths of the longest common subsequences of the rest of both lists of words, row by row. */
function commonLengths(before, after) {
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      lengths[at] = before[i] === after[j] ? lengths[at + width + 1] + 1 : Math.max(lengths[at + width], lengths[at + 1]);
    }
  }
  return lengths;
}

/** What to keep (=), take out (-) and put in (+) to get from one text to another; null when that would take long. */
function wordDifference(before, after) {
  const [old, now] = [wordsOf(before), wordsOf(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const [left, right] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
  if (left.length * right.length > 1_000_000) return null;
  const lengths = commonLengths(left, right);
  const parts = [];
  const add = (kind, word) => (parts.at(-1)?.kind === kind ? (parts.at(-1).text += word) : parts.push({ kind, text: word }));
  if (start > 0) add("=", old.slice(0, start).join(""));
  for (let i = 0, j = 0; i < left.length || j < right.length; ) {
    const at = i * (right.length + 1) + j;
    if (i < left.length && j < right.length && left[i] === right[j]) add("=", left[i++]), (j += 1);
    else if (i < left.length && (j === right.length || lengths[at + right.length + 1] >= lengths[at + 1])) add("-", left[i++]);
    else add("+", right[j++]);
  }
  if (end > 0) add("=", old.slice(old.length - end).join(""));
  return parts;
}

/** Two short texts as one, with what went and what came marked; null when they are too long or have nothing in common. */
function inlineDifference(before, after) {
  if (before.length >= WORDS_LIMIT || after.length >= WORDS_LIMIT) return null;
  const parts = wordDifference(before, after);
  const kept = parts?.reduce((sum, part) => sum + (part.kind === "=" ? part.text.trim().length : 0), 0) ?? 0;
  if (!parts || kept * 4 < Math.min(before.length, after.length)) return null;
  const made = parts.map(({ kind, text }) => (kind === "=" ? text : el(kind === "-" ? "del" : "ins", { text })));
  return el("span", { class: "said" }, made);
}

/** How many characters two texts have in common at their beginning, and then at their end. */
function commonEnds(before, after) {
  const limit = Math.min(before.length, after.length);
  let start = 0;
  while (start < limit && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  let end = 0;
  while (end < limit - start && before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)) end += 1;
  return { start, end };
}

/** Two long texts where they differ, with a little of what is around: as one when that is short, else both sides. */
function longDifference(before, after) {
  const { start, end } = commonEnds(before, after);
  const [from, rest] = [Math.max(0, start - 80), Math.max(0, end - 80)];
  const cut = (text) => text.slice(from, text.length - rest);
  const shown = Math.max(before.length, after.length) - rest - from;
  const note = el("p", { class: "dim", text: `${count(shown, "character")} shown of ${grouped(after.length)}; what is left out is the same.` });
  const around = (part) => [from > 0 ? el("span", { class: "dim", text: "… " }) : null, part, rest > 0 ? el("span", { class: "dim", text: " …" }) : null];
  const inline = inlineDifference(cut(before), cut(after));
  if (inline) return el("div", { class: "sides" }, from > 0 || rest > 0 ? note : null, el("div", {}, around(inline)));
  const side = (tag, text) => el(tag, { class: "side" }, around(longText(cut(text), { first: 600 })));
  return el("div", { class: "sides" }, from > 0 || rest > 0 ? note : null, side("del", before), side("ins", after));
}

/** One side of a change: a short value in the line, everything else as a tree. */
function sideView(tag, value) {
  const what = describe(value);
  const isShort = !what.entries && what.kind !== "bytes" && !(what.kind === "text" && what.text.length > 200);
  return isShort ? el(tag, { class: "short", text: preview(value, 240) }) : el(tag, { class: "side" }, valueTree(value, { path: "" }));
}

/** From what to what a value changed. */
function changedView(before, after) {
  if (typeof before === "string" && typeof after === "string") {
    const isLine = before.length < 60 && after.length < 60;
    const inline = isLine ? null : inlineDifference(before, after);
    if (inline) return el("div", { class: "said-box" }, inline);
    if (!isLine && (before.length >= 200 || after.length >= 200)) return longDifference(before, after);
  }
  const [old, now] = [sideView("del", before), sideView("ins", after)];
  return el("div", { class: old.className === "short" && now.className === "short" ? "pair" : "sides" }, old, el("span", { class: "dim arrow", text: "→" }), now);
}

const CHANGE_SIGNS = new Map([["added", "+"], ["removed", "−"], ["changed", "~"]]);

/** Joins messages that were added one after the other, to be shown as a conversation. */
function groupChanges(changes) {
  const groups = [];
  for (const change of changes) {
    const found = change.change === "added" && asMessage(change.after) ? /^(.*)\[(\d+)\]$/s.exec(change.path) : null;
    const last = groups.at(-1);
    if (found && last?.messages && last.list === found[1] && last.first + last.messages.length === Number(found[2])) {
      last.messages.push(change.after);
    } else if (found) {
      groups.push({ ...change, list: found[1], first: Number(found[2]), messages: [change.after] });
    } else {
      groups.push(change);
    }
  }
  return groups;
}

/** One change: its sign, its path, and what went and came. */
function changeRow(change) {
  const sign = CHANGE_SIGNS.get(change.change) ?? "~";
  const size = change.messages?.length ?? 0;
  const path = size > 1 ? `${change.list}[${change.first}…${change.first + size - 1}]` : change.path;
  let shown = null;
  if (change.messages) shown = conversation(change.messages, { path: change.list, first: change.first });
  else if (change.change === "changed" && change.after !== undefined) shown = changedView(change.before, change.after);
  else {
    const value = change.change === "removed" ? change.before : change.after;
    if (value !== undefined) shown = isMessages(value) ? conversation(value, { path }) : valueTree(value, { path: change.path });
  }
  const word = size > 1 ? el("span", { class: "dim", text: `${grouped(size)} messages` }) : null;
  return el("li", { class: `change ${change.change === "added" ? "added" : change.change === "removed" ? "removed" : "changed"}` },
    el("div", { class: "change-head" },
      el("span", { class: "sign", "aria-hidden": "true", text: sign }), el("span", { class: "hidden-label", text: change.change }),
      longText(path, { class: "mono path", first: 200 }), word, copyButton(change.path, "Copy the path", "path")), shown);
}

/** Changes as a list, in steps. */
function changeList(changes, label) {
  const groups = groupChanges(changes);
  const list = el("ol", { class: "changes", "aria-label": label });
  const more = el("button", { class: "more", type: "button" });
  let from = 0;
  const add = () => {
    list.append(...groups.slice(from, from + CHANGES_STEP).map(changeRow));
    from = Math.min(groups.length, from + CHANGES_STEP);
    if (from === groups.length) more.remove();
    else more.textContent = `show ${Math.min(CHANGES_STEP, groups.length - from)} more (${grouped(groups.length - from)} not shown)`;
  };
  more.addEventListener("click", add);
  const part = el("div", {}, list, more);
  add();
  return part;
}

/** Channels that LangGraph keeps for itself. */
const INNER_CHANNEL = /^(__|branch:)/;

/** Shows what changed from one checkpoint (null: the parent) to another. */
async function showChanges(panel, thread, ns, from, to, signal) {
  let found;
  try {
    const body = { thread_id: thread.thread_id, checkpoint_ns: ns, checkpoint_id: to, from_checkpoint_id: from };
    found = await callFor(panel, "difference", body, signal);
  } catch (failure) {
    if (signal?.aborted) return;
    clear(panel, failureNote(failure, () => showChanges(panel, thread, ns, from, to, signal)));
    return;
  }
  if (signal?.aborted) return;
  if (found === null) {
    clear(panel, el("p", { class: "empty", text: "One of the two checkpoints is not in the store (any more)." }));
    return;
  }
  const same = found.same === 1 ? "1 channel is the same." : `${grouped(found.same)} channels are the same.`;
  const all = found.state;
  const outer = all.filter((change) => !INNER_CHANNEL.test(change.path));
  const inner = all.filter((change) => INNER_CHANNEL.test(change.path));
  const state = outer.length > 0 ? changeList(outer, "Changes of the state") : el("p", { text: "The state is the same." });
  const folded = inner.length === 0 ? null : lazyDetails("inner",
    el("span", { class: "dim", text: `${count(inner.length, "change")} of LangGraph's own channels` }), () => changeList(inner, "Changes of LangGraph's own channels"));
  const metadata = found.metadata.length > 0
    ? [el("h3", { text: "Metadata" }), changeList(found.metadata, "Changes of the metadata")] : null;
  clear(panel, found.has_content ? null : el("p", { class: "sentence warn", text: NO_CONTENT }), state, folded,
    found.same > 0 ? el("p", { class: "dim", text: same }) : null, metadata);
}

/** A row of the thread in the list of what to compare with. */
function rowLabel(row) {
  const nodes = (row.nodes ?? []).filter((name) => !name.startsWith("__")).join(", ") || row.source || "";
  return `step ${row.step ?? "?"} · ${cutText(oneLine(nodes), 0, 60)} · ${when(row.ts)} · ${row.checkpoint_id}`;
}

/** The tab Changes: what to compare with, and the changes. */
function changesView(thread, row, route, signal) {
  const parent = row.parent_checkpoint_id;
  const panel = el("div", { class: "change-panel" });
  const select = el("select", { class: "field", "aria-label": "Compare with" });
  const parentText = parent ? `its parent · ${parent}` : "nothing: it is the beginning";
  select.append(el("option", { value: "", text: parentText }));
  const chosen = route.against && route.against !== parent ? route.against : "";
  if (chosen) select.append(el("option", { value: chosen, text: chosen, selected: true }));
  const show = () => showChanges(panel, thread, row.checkpoint_ns, select.value || null, row.checkpoint_id, signal);
  select.addEventListener("change", () => {
    route.against = select.value;
    window.history.replaceState(window.history.state, "", checkpointAddress(thread.thread_id, row, "changes", select.value));
    show();
  });
  fillRows(select, thread, row, chosen, signal);
  show();
  return [el("label", { class: "row against" }, el("span", { class: "dim", text: "Compared with" }), select), panel];
}

/** Puts the thread's checkpoints of the same namespace into the list, newest first. */
async function fillRows(select, thread, row, chosen, signal) {
  try {
    const checkpoints = thread.rows ?? (await call("history", { thread_id: thread.thread_id, limit: 1_000 }, signal)).checkpoints;
    const others = checkpoints.filter((one) => one.checkpoint_ns === row.checkpoint_ns && one.checkpoint_id !== row.checkpoint_id
      && one.checkpoint_id !== row.parent_checkpoint_id).slice(0, 1_000);
    for (const one of others) {
      if (one.checkpoint_id === chosen) select.querySelector("option:checked").textContent = rowLabel(one);
      else select.append(el("option", { value: one.checkpoint_id, text: rowLabel(one) }));
    }
    const parent = checkpoints.find((one) => one.checkpoint_id === row.parent_checkpoint_id && one.checkpoint_ns === row.checkpoint_ns);
    if (parent) select.options[0].textContent = `its parent: ${rowLabel(parent)}`;
  } catch {
    // The parent can still be compared with; what else failed is said where the changes are.
  }
}
