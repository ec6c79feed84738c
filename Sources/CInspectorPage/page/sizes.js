// What is eating the disk: sizes by channel, in total and over time.

const TOP_CHANNELS = 6;
const CHART = { height: 280, left: 62, right: 10, top: 12, bottom: 30 };

/** A channel's name with its subgraph. */
function channelName(channel) {
  return channel.graph === "" ? channel.channel : `${graphName(channel.graph)} › ${channel.channel}`;
}

/**
 * The channels by graph and name, largest first: the runs of a subgraph have a namespace each, and count as one.
 * `places` says for each channel of the answer which of them it is.
 */
function joinedChannels(found) {
  const joined = new Map();
  const keys = found.channels.map((one) => JSON.stringify([graphOf(one.checkpoint_ns), one.channel]));
  found.channels.forEach((one, index) => {
    const sum = joined.get(keys[index]) ?? { graph: graphOf(one.checkpoint_ns), channel: one.channel, runs: 0, versions: 0, logical: 0, stored: 0 };
    sum.runs += 1;
    for (const name of ["versions", "logical", "stored"]) sum[name] += Number(one[name]);
    joined.set(keys[index], sum);
  });
  const channels = [...joined.values()].sort((one, other) => other.stored - one.stored);
  const order = new Map(channels.map((one, place) => [one, place]));
  return { channels, places: keys.map((key) => order.get(joined.get(key))) };
}

/** A part of a whole in percent. */
function percent(part, whole) {
  if (!(whole > 0)) return "0 %";
  const value = (part / whole) * 100;
  return value > 0 && value < 1 ? "< 1 %" : `${Math.round(value)} %`;
}

/** How many times smaller what is stored is. */
function ratio(logical, stored) {
  if (!(stored > 0) || !(logical > 0)) return "–";
  const value = logical / stored;
  return `${value >= 100 ? grouped(Math.round(value)) : value.toFixed(1)} ×`;
}

/** A sentence that names what takes the most. */
function largestSentence(found) {
  const { total, channels, documents, writes } = found;
  const parts = [
    ...channels.slice(0, 1).map((one) => ({ name: channelName(one), stored: one.stored, isChannel: true })),
    { name: "The checkpoints' own documents", stored: documents.stored },
    { name: "What tasks wrote", stored: writes.stored },
  ].sort((one, other) => other.stored - one.stored);
  const [largest] = parts;
  if (!(total.stored > 0) || !(largest.stored > 0)) return ["Nothing is stored yet."];
  const name = largest.isChannel ? el("strong", { class: "mono", text: cutText(largest.name, 0, 120) }) : el("strong", { text: largest.name });
  const verb = largest.stored === documents.stored && !largest.isChannel ? "take" : "takes";
  const saved = total.logical > total.stored ? ` Without compression and differences it would be ${bytes(total.logical)}: ${ratio(total.logical, total.stored)} as much.` : "";
  return [name, ` ${verb} ${percent(largest.stored, total.stored)} of the ${bytes(total.stored)} stored.`, saved];
}

/** The bands of the chart: the largest channels, the channels beyond them as one, and what is no channel. */
function bandsOf(found) {
  const bands = found.channels.slice(0, TOP_CHANNELS).map((one, place) => ({ name: channelName(one), isChannel: true, style: `band-${place}`, values: [] }));
  const rest = found.channels.length - bands.length;
  bands.push({ name: `${count(rest, "other channel")}`, style: "band-other", values: [] });
  bands.push({ name: "documents and writes", style: "band-rest", values: [] });
  return bands;
}

/** What the chart draws: for each band a value per point, and the logical size as an outline; summed up or as added. */
function seriesOf(found, isTotal) {
  const bands = bandsOf(found);
  const [other, rest] = [bands.length - 2, bands.length - 1];
  const outline = [];
  let logical = 0;
  const sums = bands.map(() => 0);
  for (const point of found.points) {
    const added = bands.map(() => 0);
    let ofChannels = 0;
    for (const [index, , stored] of point.channels) {
      added[Math.min(found.places[index], other)] += Number(stored);
      ofChannels += Number(stored);
    }
    added[rest] = Math.max(0, Number(point.stored) - ofChannels);
    logical = isTotal ? logical + Number(point.logical) : Number(point.logical);
    outline.push(logical);
    added.forEach((one, place) => {
      sums[place] = isTotal ? sums[place] + one : one;
      bands[place].values.push(sums[place]);
    });
  }
  return { bands: bands.filter((band) => band.values.some((one) => one > 0)), outline };
}

/** A round number not below a value, for the top of an axis. */
function roundedUp(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 3, 4, 6, 8, 10].map((one) => one * unit).find((one) => one >= value);
}

/** The outline of an area that goes in steps, between two lists of values. */
function stepArea(x, y, low, high) {
  const to = high.map((value, place) => `${place === 0 ? "M" : "L"}${x(place)} ${y(value)}L${x(place + 1)} ${y(value)}`).join("");
  const back = low.map((_, place) => low.length - 1 - place).map((place) => `L${x(place + 1)} ${y(low[place])}L${x(place)} ${y(low[place])}`).join("");
  return `${to}${back}Z`;
}

/** The axes: lines for sizes, times at both ends and in the middle. */
function chartAxes(points, top, x, y, width) {
  const lines = [0, 0.25, 0.5, 0.75, 1].map((part) => svg("g", {},
    svg("line", { class: "grid", x1: CHART.left, x2: width - CHART.right, y1: y(top * part), y2: y(top * part) }),
    svg("text", { class: "axis", x: CHART.left - 6, y: y(top * part) + 4, "text-anchor": "end" }, bytes(Math.round(top * part)))));
  const isNarrow = width < 560;
  const places = points.length > 2 && !isNarrow ? [0, Math.floor((points.length - 1) / 2), points.length - 1] : [...new Set([0, points.length - 1])];
  const anchors = places.length > 2 ? ["start", "middle", "end"] : ["start", "end"];
  const times = places.map((place, order) => svg("text", { class: "axis", y: CHART.height - 12, "text-anchor": anchors[order],
    x: anchors[order] === "end" ? x(place + 1) : x(place) }, isNarrow ? when(points[place].ts).replace(/^\d{4}-|:\d\d$/g, "") : when(points[place].ts)));
  return [lines, times];
}

/** The chart; `chosen(place)` is told which point is looked at, null for none. */
function sizeChart(found, { isTotal, hasOutline, width }, chosen) {
  const { points } = found;
  const { bands, outline } = seriesOf(found, isTotal);
  const sums = points.map((_, place) => bands.reduce((sum, band) => sum + band.values[place], 0));
  const top = roundedUp(Math.max(1, ...sums, ...(hasOutline ? outline : [])));
  const x = (place) => Math.round((CHART.left + (place / points.length) * (width - CHART.left - CHART.right)) * 100) / 100;
  const y = (value) => Math.round((CHART.height - CHART.bottom - (value / top) * (CHART.height - CHART.top - CHART.bottom)) * 100) / 100;
  let low = points.map(() => 0);
  const areas = bands.map((band) => {
    const high = band.values.map((value, place) => low[place] + value);
    const area = svg("path", { class: `band ${band.style}`, d: stepArea(x, y, low, high) });
    low = high;
    return area;
  });
  const line = outline.map((value, place) => `${place === 0 ? "M" : "L"}${x(place)} ${y(value)}L${x(place + 1)} ${y(value)}`).join("");
  const cursor = svg("rect", { class: "cursor", x: 0, y: CHART.top, width: 0, height: CHART.height - CHART.top - CHART.bottom });
  const title = isTotal ? "Bytes stored over time, by channel" : "Bytes added by each step, by channel";
  const chart = svg("svg", { class: "size-chart", viewBox: `0 0 ${width} ${CHART.height}`, width, height: CHART.height, role: "img", "aria-label": title },
    chartAxes(points, top, x, y, width), areas, hasOutline ? svg("path", { class: "outline", d: line }) : null, cursor);
  let at = null;
  const point = (place) => {
    at = place === null ? null : Math.max(0, Math.min(points.length - 1, place));
    cursor.setAttribute("x", at === null ? 0 : x(at));
    cursor.setAttribute("width", at === null ? 0 : Math.max(2, x(at + 1) - x(at)));
    chosen(at, bands, outline);
  };
  const label = `${title}. Arrow keys read it point by point; the table below has all numbers.`;
  const frame = el("div", { class: "chart-frame", tabindex: 0, role: "group", "aria-label": label }, chart);
  frame.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    point(Math.floor(((event.clientX - box.left - CHART.left) / (width - CHART.left - CHART.right)) * points.length));
  });
  frame.addEventListener("pointerleave", () => point(null));
  frame.addEventListener("keydown", (event) => {
    const to = new Map([["ArrowRight", (at ?? -1) + 1], ["ArrowLeft", (at ?? points.length) - 1], ["Home", 0], ["End", points.length - 1]]).get(event.key);
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
  return { frame, bands };
}

/** What the chart has at a point, in words. */
function readout(found, place, bands, outline, isTotal) {
  if (place === null) return "Point at the chart, or use the arrow keys in it, to read it.";
  const parts = bands.map((band) => ({ name: band.name, value: band.values[place] })).filter(({ value }) => value > 0)
    .sort((one, other) => other.value - one.value).slice(0, 4).map(({ name, value }) => `${cutText(name, 0, 40)} ${bytes(value)}`);
  const stored = bands.reduce((sum, band) => sum + band.values[place], 0);
  const verb = isTotal ? "stored" : "added";
  return `${when(found.points[place].ts)}: ${bytes(stored)} ${verb} (logical ${bytes(outline[place])})${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

/** The chart with its legend, its readout and the choice between sum and steps. */
function chartView(found) {
  const figure = el("figure", { class: "size-figure" });
  const said = el("p", { class: "dim readout", "aria-live": "polite" });
  let isTotal = true;
  // Where little is stored of much, the outline would press the areas flat.
  let hasOutline = !(found.total.logical > 2 * found.total.stored);
  const logical = el("button", { class: "button", type: "button", text: "Logical size", on: { click: () => {
    hasOutline = !hasOutline;
    draw();
  } } });
  const choices = [["In total", true], ["Added by step", false]].map(([text, value]) => el("button", { class: "button", type: "button", text, on: { click: () => {
    isTotal = value;
    draw();
  } } }));
  const body = el("div", { class: "chart-body" });
  let width = 640;
  const draw = () => {
    choices.forEach((button, place) => button.setAttribute("aria-pressed", String((place === 0) === isTotal)));
    logical.setAttribute("aria-pressed", String(hasOutline));
    const { frame, bands } = sizeChart(found, { isTotal, hasOutline, width }, (place, shown, outline) => (said.textContent = readout(found, place, shown, outline, isTotal)));
    const legend = el("ul", { class: "chart-legend" },
      bands.map((band) => el("li", {}, el("span", { class: `swatch ${band.style}`, "aria-hidden": "true" }), el("span", { class: band.isChannel ? "mono" : "", text: cutText(band.name, 0, 60) }))),
      hasOutline ? el("li", {}, el("span", { class: "swatch line", "aria-hidden": "true" }), "logical size") : null);
    said.textContent = readout(found, null);
    clear(body, frame, legend);
  };
  figure.append(el("div", { class: "row" }, choices, logical), body, said);
  new ResizeObserver(() => {
    const now = Math.max(240, Math.floor(body.clientWidth));
    if (now === width || body.clientWidth === 0) return;
    width = now;
    draw();
  }).observe(body);
  draw();
  return figure;
}

/** The bar that shows a share of what is stored. */
function shareBar(part, whole) {
  const fill = el("span", { class: "share-fill" });
  fill.style.width = `${whole > 0 ? Math.max(0, Math.min(100, (part / whole) * 100)) : 0}%`;
  return el("span", { class: "share" }, el("span", { class: "share-bar", "aria-hidden": "true" }, fill), el("span", { class: "num", text: percent(part, whole) }));
}

/** All sizes as a table; long ones in steps of 100 channels. */
function sizeTable(found) {
  const { total, documents, writes, channels } = found;
  const line = (name, versions, logical, stored, style = "", graph = "", runs = 1) => el("tr", {},
    el("td", {}, graph === "" ? null : el("span", { class: "dim", text: `${graphName(graph)} › ` }), el("span", { class: style, text: name }),
      runs > 1 ? el("span", { class: "dim", text: ` in ${count(runs, "run")}` }) : null),
    el("td", { class: "num", text: grouped(versions) }), el("td", { class: "num", text: bytes(logical) }), el("td", { class: "num", text: bytes(stored) }),
    el("td", { class: "num", text: ratio(logical, stored) }), el("td", {}, shareBar(stored, total.stored)));
  const heads = [["Channel"], ["Versions", "num"], ["Logical", "num"], ["Stored", "num"], ["Ratio", "num"], ["Share"]];
  const body = el("tbody", {});
  const more = el("button", { class: "more", type: "button" });
  let from = 0;
  const add = () => {
    body.append(...channels.slice(from, from + 100).map((one) => line(one.channel, one.versions, one.logical, one.stored, "mono", one.graph, one.runs)));
    from = Math.min(channels.length, from + 100);
    if (from >= channels.length) more.remove();
    else more.textContent = `show ${Math.min(100, channels.length - from)} more channels (${grouped(channels.length - from)} not shown)`;
  };
  more.addEventListener("click", add);
  const rest = el("tbody", { class: "rest" }, line("Checkpoints (documents and metadata)", documents.count, documents.logical, documents.stored),
    line("Writes of tasks", writes.count, writes.logical, writes.stored));
  const table = el("table", { class: "size-table" }, el("caption", { class: "hidden-label", text: "Sizes by channel" }),
    el("thead", {}, el("tr", {}, heads.map(([text, style]) => el("th", { scope: "col", class: style, text })))), body, rest);
  const node = el("div", { class: "table-frame", tabindex: 0, role: "region", "aria-label": "Sizes by channel" }, table, more);
  add();
  return node;
}

/** Shows what takes the bytes of a thread. */
async function showSizes(panel, threadID, signal) {
  let found = await callFor(panel, "sizes", { thread_id: threadID }, signal);
  if (signal?.aborted) return;
  if (found === null) {
    clear(panel, el("p", { class: "empty", text: "This thread has nothing stored." }));
    return;
  }
  found = { ...found, ...joinedChannels(found) };
  const { total } = found;
  const figure = (name, text) => el("div", { class: "figure-box" }, el("dt", { text: name }), el("dd", { text }));
  clear(panel, el("div", { class: "sizes stack" },
    el("h2", { text: "What takes the bytes" }),
    el("p", { class: "sentence" }, largestSentence(found)),
    el("dl", { class: "figures" }, figure("Stored", bytes(total.stored)), figure("Logical", bytes(total.logical)), figure("Ratio", ratio(total.logical, total.stored))),
    found.points.length > 0 ? chartView(found) : null, sizeTable(found)));
}
