/** What GET /inspector/caller says: who looks, and what they may. */
let caller = { version: "", authentication: false, name: "", tenant: "", scopes: [], thread_prefix: "" };

/** Whether the caller has a scope: "read", "write", "delete", "admin" or "inspect". */
function can(scope) {
  return caller.scopes.includes(scope);
}

/** The route in an address's hash; null when it is none. */
function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").slice(1);
  try {
    const [place, thread, checkpoint] = parts.map(decodeURIComponent);
    if (place === undefined || place === "") return { name: "threads" };
    if (place !== "thread" || !thread || parts.length > 3) return null;
    const given = new URLSearchParams(query);
    const route = { name: "thread", thread, checkpoint: checkpoint || null, ns: given.get("ns") ?? "" };
    return { ...route, view: given.get("view"), against: given.get("against") };
  } catch {
    return null;
  }
}

/** The hash of a route. */
function addressOf(route) {
  if (route.name === "threads" || !route.thread) return "#/";
  const path = [route.thread, route.checkpoint].filter(Boolean).map(encodeURIComponent).join("/");
  const query = [];
  if (route.checkpoint && route.ns) query.push(`ns=${encodeURIComponent(route.ns)}`);
  if (route.view) query.push(`view=${encodeURIComponent(route.view)}`);
  if (route.checkpoint && route.against) query.push(`against=${encodeURIComponent(route.against)}`);
  return `#/thread/${path}${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** Goes to a route, an object or the text of its hash; replaces the entry of the browser's history when asked to. */
function navigate(route, isReplaced = false) {
  const address = typeof route === "string" ? `#${route.replace(/^#/, "")}` : addressOf(route);
  if (address === location.hash) return;
  if (isReplaced) {
    history.replaceState(null, "", address);
    showRoute();
  } else {
    location.hash = address;
  }
}

let shown = { place: null, control: null, move: null };

/** Shows what the address says; a view that is there already only moves. */
async function showRoute() {
  const route = routeOf(location.hash);
  const place = route === null ? "nowhere" : route.name === "threads" ? "threads" : `thread ${route.thread}`;
  if (place === shown.place && shown.move) {
    shown.move(route);
    return;
  }
  const isFirst = shown.control === null;
  shown.control?.abort();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  const control = new AbortController();
  shown = { place, control, move: null };
  const main = document.getElementById("main");
  clear(main);
  if (!isFirst) main.focus({ preventScroll: true });
  document.title = route?.thread ? `${route.thread} · Milepost` : "Milepost inspector";
  try {
    if (route === null) showNowhere(main);
    else if (route.name === "threads") await showThreads(main, route, control.signal);
    else await showThread(main, route, control.signal);
  } catch (failure) {
    if (control.signal.aborted) return;
    if (!(failure instanceof Failure)) console.error(failure);
    clear(main, el("div", { class: "start" }, failureNote(failure, showAgain)));
  }
}

/** Lets a view that is shown take later routes of the same place by itself. */
function movedBy(move) {
  shown.move = move;
}

/** Builds the view that is shown anew. */
function showAgain() {
  shown.place = null;
  showRoute();
}

/** What an address that leads nowhere shows. */
function showNowhere(main) {
  clear(main, el("div", { class: "start stack" },
    el("h1", { text: "There is nothing at this address" }),
    el("p", null, el("a", { href: "#/", text: "All threads" }))));
}

/** Says in the bar who looks, and what they may not. */
function showCaller() {
  const node = document.getElementById("caller");
  const scopes = caller.scopes.length > 0 ? `may ${caller.scopes.join(", ")}` : "may nothing";
  clear(node,
    el("span", { class: "cut", title: scopes, text: caller.name === "local" ? "no key needed" : caller.name }),
    caller.tenant && caller.tenant !== "default" ? el("span", { class: "chip", title: "tenant", text: caller.tenant }) : null,
    el("span", { class: "mono", title: "version of the server", text: caller.version }),
    currentKey() ? el("button", { class: "button plain", type: "button", text: "Forget key", on: { click: forgetKey } }) : null);
  const missing = [];
  if (!can("read")) missing.push("This key may not read threads: it lacks the scope read.");
  if (!can("inspect")) missing.push("Structure and sizes only: this key lacks the scope inspect, so no content is shown.");
  if (caller.thread_prefix) missing.push(`This key is for threads whose ids begin with “${caller.thread_prefix}”.`);
  const notice = document.getElementById("notice");
  notice.textContent = missing.join(" ");
  notice.hidden = missing.length === 0;
}

/** Starts the page: asks who looks, then shows what the address says. */
async function start() {
  document.getElementById("open-thread").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = document.getElementById("open-thread-id");
    if (field.value === "") return;
    navigate({ name: "thread", thread: field.value });
    field.value = "";
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    (document.querySelector("main input[type=search]") ?? document.getElementById("open-thread-id")).focus();
  });
  matchMedia("(min-width: 2400px)").addEventListener("change", showAgain);
  matchMedia("(min-width: 3200px)").addEventListener("change", showAgain);
  try {
    caller = (await get("/inspector/caller")).json;
    showCaller();
  } catch (failure) {
    clear(document.getElementById("main"), el("div", { class: "start" }, failureNote(failure, () => location.reload())));
    return;
  }
  addEventListener("hashchange", showRoute);
  showRoute();
}

start();
