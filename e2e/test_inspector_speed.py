"""The inspector stays quick on a thread of 10,000 checkpoints and on a state of 10 MB."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import ormsgpack
import pytest

import load
from conftest import store_url
from inspector import place
from security import b64
from server import Server

pytestmark = pytest.mark.alone

CHECKPOINTS = 10_000
BEGAN = datetime(2026, 11, 20, tzinfo=UTC)
LONG, LARGE = "long", "large"
# As the page promises them; milliseconds, but for the frames a second.
FIRST_PAINT, LONGEST_TASK, FRAMES = 1000, 500, 50
# How long is scrolled, in seconds, and how fast, in pixels a second.
SCROLLED, SPEED = 3, 4000


def name_of(number):
    return f"{number:08x}-0000-6000-8000-000000000000"


def put(client, number, thread=LONG, blobs=()):
    """A checkpoint of a long run: a fork here and there, and a subgraph every now and then."""
    is_inner = number % 50 == 7
    parent = None if number == 0 else number - (5 if number % 400 == 9 else 1)
    body = {
        "thread_id": thread, "checkpoint_ns": f"child:{number // 2000}" if is_inner else "",
        "checkpoint_id": name_of(number),
        "parent_checkpoint_id": None if parent is None or is_inner else name_of(parent),
        "checkpoint": {
            "v": 4, "id": name_of(number), "channel_values": {"round": number},
            "ts": (BEGAN + timedelta(seconds=2 * number)).isoformat(),
            "channel_versions": {"round": str(number), **{blob["channel"]: blob["version"] for blob in blobs}},
        },
        "metadata": {"source": "loop", "step": number}, "blobs": list(blobs),
    }
    status, answer = client.post("put", body)
    assert status == 200, answer


@pytest.fixture(scope="module")
def heavy(tmp_path_factory):
    """A server with a long thread and one with a large state."""
    directory = tmp_path_factory.mktemp("heavy")
    running = Server(store_url("sqlite", directory), directory, "--max-body-bytes", str(32 << 20)).start()
    own = threading.local()

    def one(number):
        if not hasattr(own, "client"):
            own.client = load.Client(running.port)
        put(own.client, number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(CHECKPOINTS)))
    put(load.Client(running.port), 1, LARGE, large_blobs())
    yield running
    running.stop()


def large_blobs():
    """10 MB: one long text, a list of many small things, a tree, and 3,000 messages."""
    values = {
        "text": "All work and no play. \n" * 230_000,
        "numbers": [{"number": n, "text": f"entry {n}"} for n in range(60_000)],
        "tree": {f"branch {a}": {f"twig {b}": ["leaf"] * 20 for b in range(40)} for a in range(200)},
        "messages": [
            {"role": "assistant" if n % 2 else "user", "content": f"message {n}: " + "word " * 150} for n in range(3000)
        ],
    }
    packed = {channel: ormsgpack.packb(value) for channel, value in values.items()}
    assert sum(map(len, packed.values())) > 9_500_000
    return [{"channel": name, "version": "1", "type": "msgpack", "blob": b64(data)} for name, data in packed.items()]


def first_paint(visitor):
    return visitor.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")


def test_the_first_paint_is_quick_and_nothing_moves(heavy, visit):
    """Also the newest rows of the long thread are there soon, before all of it was read."""
    visitor = visit(heavy, place(LONG))
    visitor.page.locator("[role=option]").first.wait_for()
    shown = visitor.page.evaluate("performance.now()")
    visitor.settles()
    paint, seen = first_paint(visitor), visitor.seen()
    print(f"first paint {paint:.0f} ms, rows {shown:.0f} ms, shifts {seen['shifts']:.4f}, tasks {seen['long']}")
    assert paint < FIRST_PAINT
    assert shown < 3 * FIRST_PAINT
    assert seen["shifts"] < 0.05, seen["moved"]
    assert max(seen["long"], default=0) < LONGEST_TASK


def test_only_the_rows_in_sight_are_in_the_document(heavy, visit):
    visitor = visit(heavy, place(LONG))
    visitor.waits_for_text(r"10,000 checkpoints").settles()
    assert visitor.page.locator("[role=option]").count() < 200
    assert visitor.page.evaluate("document.querySelectorAll('*').length") < 6000
    picture = visitor.page.locator("[role=listbox]").first
    picture.focus()
    seen = {picture.locator("[role=option]").first.inner_text()}
    for key in ("End", "PageUp", "Home", "PageDown"):
        visitor.page.keyboard.press(key)
        visitor.settles()
        seen.add(picture.get_attribute("aria-activedescendant"))
        assert picture.locator("[aria-selected=true]").count() == 1
    assert len(seen) == 5


def frames_while(visitor, work):
    """When the browser's compositor drew a frame during some work, in seconds, by its trace."""
    session = visitor.context.new_cdp_session(visitor.page)
    events, done = [], []
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _: done.append(True))
    categories = "disabled-by-default-devtools.timeline.frame,devtools.timeline.frame,devtools.timeline"
    session.send("Tracing.start", {"transferMode": "ReportEvents", "categories": categories})
    work(session)
    session.send("Tracing.end")
    while not done:
        visitor.page.wait_for_timeout(20)
    session.detach()
    return sorted(event["ts"] / 1e6 for event in events if event["name"] == "DrawFrame")


def test_scrolling_draws_more_than_fifty_frames_a_second(heavy, visit):
    """Drawn frames by the browser's trace, the picture's rows among them; the best of eight, for a busy machine."""
    visitor = visit(heavy, place(LONG))
    visitor.waits_for_text(r"10,000 checkpoints").settles()
    picture = visitor.page.locator("[role=listbox]").first
    box = picture.bounding_box()
    gesture = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "speed": SPEED,
               "yDistance": SPEED * SCROLLED, "gestureSourceType": "mouse"}  # fmt: skip
    rates, empty = [], "e => document.elementFromPoint(e.x, e.y)?.closest('[role=option]') === null"
    while max(rates, default=0) <= FRAMES and len(rates) < 8:
        visitor.page.wait_for_timeout(500 * len(rates))
        before = picture.evaluate("e => e.scrollTop")
        drawn = frames_while(visitor, lambda session: session.send("Input.synthesizeScrollGesture", gesture))
        moved = before - picture.evaluate("e => e.scrollTop")
        assert moved == pytest.approx(gesture["yDistance"], rel=0.05), "it did not scroll"
        assert not visitor.page.evaluate(empty, gesture), "there is no row where it was scrolled to"
        during = [at for at in drawn if at > drawn[-1] - SCROLLED]
        rates.append((len(during) - 1) / (during[-1] - during[0]))
        print(f"{rates[-1]:.1f} frames a second, {len(drawn)} frames, scrolled {moved} pixels")
    assert max(rates) > FRAMES
    assert max(visitor.seen()["long"], default=0) < LONGEST_TASK


OPEN_SOME = """() => document.querySelectorAll("main details:not([open]) > summary").forEach(
    (summary, number) => number < 30 && summary.click()
)"""


@pytest.mark.parametrize("view", ["state", "changes", "json"])
def test_ten_megabytes_never_hold_up_the_page(heavy, visit, view):
    """Opened, and everything in it opened, too."""
    visitor = visit(heavy, place(LARGE, name_of(1), ns="", view=view))
    visitor.waits_for_text({"state": "numbers", "changes": "first|parent", "json": "as stored"}[view]).settles()
    for _ in range(3):
        visitor.page.evaluate(OPEN_SOME)
        visitor.settles()
    seen = visitor.seen()
    print(f"{view}: tasks {json.dumps(seen['long'])}")
    assert max(seen["long"], default=0) < LONGEST_TASK
    assert visitor.page.evaluate("document.querySelectorAll('*').length") < 20_000
