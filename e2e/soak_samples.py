"""What a server is seen to take over time, and whether that stays as it is: figures, a table, a picture."""

import csv
import statistics
from dataclasses import astuple, dataclass, fields
from xml.sax.saxutils import escape

MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """What was seen at one time; sizes in bytes, p99 in milliseconds."""

    seconds: float
    resident: int
    files: int
    threads: int
    wal: int
    database: int
    live: int
    p99: float


@dataclass(frozen=True)
class Tolerance:
    """How much more the last third may have than the middle one: a share of it, and so much besides."""

    share: float
    more: float
    unit: float = 1
    name: str = ""


# What a store or an allocator takes goes up and down with what happens to be going on; what leaks goes up alone.
TOLERANCES = {
    "resident": Tolerance(0.10, 16 * MIB, MIB, "resident memory, MiB"),
    "files": Tolerance(0, 8, 1, "open files"),
    "threads": Tolerance(0, 4, 1, "threads"),
    "wal": Tolerance(0.25, 16 * MIB, MIB, "write-ahead log, MiB"),
    "database": Tolerance(0.20, 32 * MIB, MIB, "database, MiB"),
    # Other programs on the machine are in it, and what is waited for is looked at elsewhere.
    "p99": Tolerance(0.5, 250, 1, "p99 of small calls, ms"),
}
FEWEST = 9


def thirds(samples):
    """The middle and the last third; the first is for getting warm."""
    third = len(samples) // 3
    return samples[third : 2 * third], samples[2 * third :]


def medians(samples, name):
    """Of the middle and of the last third."""
    return [statistics.median(getattr(sample, name) for sample in part) for part in thirds(samples)]


def what_grows(samples):
    """A line for everything that the last third has too much more of; fails where there is too little to say."""
    assert len(samples) >= FEWEST, f"{len(samples)} samples say nothing"
    found = []
    for name, tolerance in TOLERANCES.items():
        before, after = medians(samples, name)
        most = before * (1 + tolerance.share) + tolerance.more
        if name == "database":
            # What lives in it may grow; what does not may not.
            most += max(0, medians(samples, "live")[1] - medians(samples, "live")[0])
        if after > most:
            shown = [f"{value / tolerance.unit:,.1f}" for value in (before, after, most)]
            where = f"{shown[0]} in the middle third, {shown[1]} in the last, at most {shown[2]}"
            found.append(f"{tolerance.name}: {where}")
    return found


def summary(samples):
    """One line with the medians of the middle and the last third."""
    return "; ".join(
        f"{tolerance.name} {' → '.join(f'{value / tolerance.unit:,.1f}' for value in medians(samples, name))}"
        for name, tolerance in TOLERANCES.items()
    )


def write_table(samples, path):
    with open(path, "w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Sample))
        writer.writerows(astuple(sample) for sample in samples)


# MARK: the picture

WIDTH, HEIGHT, LEFT, RIGHT, TOP = 860, 96, 20, 120, 40
STYLE = (
    "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px }"
    " .ground { fill: #ffffff } .line { fill: none; stroke: #0969da; stroke-width: 1.5 }"
    " .median { stroke: #bc4c00; stroke-width: 2 } .axis { stroke: #d1d9e0 }"
    " @media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .ground { fill: #0d1117 }"
    " .line { stroke: #58a6ff } .median { stroke: #f0883e } .axis { stroke: #3d444d } }"
)


def picture(samples, title):
    """A row for each figure from zero to its most, with the medians of the last two thirds."""
    rows = [row(samples, name, TOP + place * HEIGHT) for place, name in enumerate(TOLERANCES)]
    height = TOP + len(rows) * HEIGHT + 8
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n<style>{STYLE}</style>'
    ground = f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>'
    name = f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>'
    return "\n".join([head, ground, name, *rows, "</svg>", ""])


def row(samples, name, top):
    tolerance = TOLERANCES[name]
    values = [getattr(sample, name) / tolerance.unit for sample in samples]
    most, end = max(values) or 1, samples[-1].seconds
    bottom, room = top + HEIGHT - 14, HEIGHT - 40

    def place(seconds, value):
        return f"{LEFT + seconds / end * (WIDTH - LEFT - RIGHT):.1f},{bottom - value / most * room:.1f}"

    points = " ".join(place(sample.seconds, value) for sample, value in zip(samples, values, strict=True))
    lines = [
        f'<text x="{LEFT}" y="{top + 18}">{tolerance.name}</text>',
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>',
        f'<polyline class="line" points="{points}"/>',
        f'<text x="{WIDTH - RIGHT + 8}" y="{bottom - room + 4}">{most:,.1f} at most</text>',
        f'<text x="{WIDTH - RIGHT + 8}" y="{bottom + 4}">0</text>',
    ]
    for part, value in zip(thirds(samples), medians(samples, name), strict=True):
        ends = [place(part[at].seconds, value / tolerance.unit) for at in (0, -1)]
        lines.append(f'<polyline class="median" points="{" ".join(ends)}"/>')
    return "\n".join(lines)
