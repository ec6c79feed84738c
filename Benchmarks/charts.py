"""Charts as SVG text: horizontal bars, and ranges from p50 to p99. They follow the reader's light or dark scheme."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 860
FIGURES = 110
LETTER = 6.6
BAR, GAP = 15, 14
TOP, BOTTOM = 76, 34
COLOURS = {
    "bare": ("#8c959f", "#6e7681"),
    "milepost": ("#1a7f37", "#3fb950"),
    "milepost-postgres": ("#8250df", "#a371f7"),
    "postgres": ("#0969da", "#58a6ff"),
    "sqlite": ("#bc4c00", "#f0883e"),
    "agentex": ("#bf3989", "#db61a2"),
    "agentex-each": ("#9a6700", "#d29922"),
    "raw": ("#8c959f", "#6e7681"),
}


@dataclass(frozen=True)
class Mark:
    """One bar, or one range when it has an end; `text` stands beside it."""

    series: str
    value: float
    text: str
    end: float | None = None


Groups = list[tuple[str, list[Mark]]]


def chart(title: str, groups: Groups, names: dict[str, str], axis: str) -> str:
    """Groups of marks on one logarithmic scale, with the names of the series above."""
    values = [value for _, marks in groups for mark in marks for value in (mark.value, mark.end) if value]
    low, high = math.floor(math.log10(min(values)) - 0.05), math.ceil(math.log10(max(values)))
    scale = Scale(low, max(high, low + 1), left=30 + LETTER * max(len(label) for label, _ in groups))
    parts, y = [], TOP
    for label, marks in groups:
        middle = y + BAR * len(marks) / 2 + 4
        parts.append(_text(scale.left - 10, middle, label, "end"))
        for mark in marks:
            parts.append(_mark(scale, mark, y))
            y += BAR
        y += GAP
    height = y + BOTTOM
    grid = [_grid(scale, power, y, height) for power in range(scale.low, scale.high + 1)]
    series = list(dict.fromkeys(mark.series for _, marks in groups for mark in marks))
    head = [_text(16, 28, title, "start", "title"), _text(WIDTH - 16, 28, axis, "end", "small")]
    head += _legend(series, names)
    return "\n".join([_start(title, height), *head, *grid, *parts, "</svg>", ""])


@dataclass(frozen=True)
class Scale:
    """Powers of ten to places."""

    low: int
    high: int
    left: float

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low) if value > 0 else 0
        return self.left + max(0.0, share) * (WIDTH - self.left - FIGURES)


def _start(title: str, height: float) -> str:
    light = "".join(f" .{name} {{ fill: {colours[0]}; stroke: {colours[0]} }}" for name, colours in COLOURS.items())
    dark = "".join(f" .{name} {{ fill: {colours[1]}; stroke: {colours[1]} }}" for name, colours in COLOURS.items())
    box = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n'
        "<style>\n"
        "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px }\n"
        f".small {{ font-size: 11px; fill: #59636e }} .ground {{ fill: #ffffff }} .grid {{ stroke: #d1d9e0 }}{light}\n"
        ".small { paint-order: stroke; stroke: #ffffff; stroke-width: 3px }\n"
        "@media (prefers-color-scheme: dark) {\n"
        "text { fill: #f0f6fc } .small { fill: #9198a1; stroke: #0d1117 } .ground { fill: #0d1117 } "
        f".grid {{ stroke: #3d444d }}{dark}\n"
        "}\n"
        "</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="8"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    styled = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'


def _legend(series: list[str], names: dict[str, str]) -> list[str]:
    parts, x = [], 16.0
    for name in series:
        parts.append(f'<rect class="{name}" x="{x:.1f}" y="43" width="10" height="10"/>')
        parts.append(_text(x + 16, 52, names[name], "start"))
        x += 40 + LETTER * len(names[name])
    return parts


def _grid(scale: Scale, power: int, bottom: float, height: float) -> str:
    x = scale.place(10.0**power)
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom - 4:.1f}"/>'
    return line + _text(x, height - 14, f"{10.0**power:,.10g}", "middle", "small")


def _mark(scale: Scale, mark: Mark, y: float) -> str:
    from_x, x = scale.place(10.0**scale.low), scale.place(mark.value)
    if mark.end is None:
        width = max(2.0, x - from_x)
        size = f'width="{width:.1f}" height="{BAR - 4}" rx="2"'
        bar = f'<rect class="{mark.series}" x="{from_x:.1f}" y="{y + 2}" {size}/>'
        return bar + _text(from_x + width + 6, y + 12, mark.text, "start", "small")
    end, middle = scale.place(mark.end), y + BAR / 2
    line = f'<line class="{mark.series}" x1="{x:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}" stroke-width="4"/>'
    dots = "".join(f'<circle class="{mark.series}" cx="{place:.1f}" cy="{middle}" r="4"/>' for place in (x, end))
    return line + dots + _text(end + 8, y + 12, mark.text, "start", "small")
