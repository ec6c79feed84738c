"""The inspector on threads that LangGraph graphs wrote: what each view shows is what the API and the graphs say."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langgraph.types import Command
from playwright.sync_api import expect

import inspected
from conftest import STORES, store_url
from inspected import FAILED, FINISHED, FORKED, GREW, WAITING, Agent, first_input, research
from inspector import ask, checkpoint_of, is_size, place
from security import EVERYTHING, Caller
from server import wait_until

# How soon a change has to be on the page.
SOON = 5000


def rows_of(visitor):
    """The rows of the picture from its top: the oldest first."""
    picture = visitor.page.get_by_role("listbox", name="Checkpoints")
    picture.get_by_role("option").first.wait_for()
    rows = {}
    picture.evaluate("e => { e.scrollTop = 0 }")
    while True:
        visitor.settles()
        for row in picture.get_by_role("option").all():
            rows[int(row.get_attribute("aria-posinset"))] = row.inner_text()
        if picture.evaluate("e => e.scrollTop + e.clientHeight >= e.scrollHeight - 1"):
            return [rows[number] for number in sorted(rows)]
        picture.evaluate("e => { e.scrollTop += e.clientHeight / 2 }")


def thread_names(visitor):
    """The ids in the list of threads, in their order."""
    rows = visitor.page.get_by_role("listbox", name="Threads").get_by_role("option").all()
    numbered = {int(row.get_attribute("aria-posinset")): row.inner_text().split()[0] for row in rows}
    return [numbered[number] for number in sorted(numbered)]


# MARK: threads


def test_the_list_has_every_thread_with_its_figures(filled, visit, api):
    visitor = visit(filled).sees(WAITING).settles()
    text = visitor.page.locator("main").inner_text()
    for thread in api.get("/threads").json()["threads"]:
        [line] = [part for part in re.split(r"\n(?=research-)", text) if part.startswith(thread["thread_id"])]
        assert str(thread["checkpoints"]) in re.findall(r"\d+", line), thread
        assert is_size(line, thread["bytes"]), (line, thread["bytes"])


def test_threads_are_found(filled, visit):
    visitor = visit(filled).sees(WAITING)
    field = visitor.page.get_by_role("searchbox")
    for typed in ("ork", "ORK", "research-fork"):
        field.fill(typed)
        expect(visitor.page.get_by_text(FORKED).first).to_be_visible()
        visitor.does_not_see(WAITING, FAILED, GREW)
    field.fill("nothing is called so")
    visitor.does_not_see(WAITING, FORKED).waits_for_text(r"no thread")
    field.fill("")
    visitor.sees(WAITING, FORKED)


@pytest.mark.parametrize(("name", "figure"), [
    ("Last change", "updated"), ("Stored", "bytes"), ("Checkpoints", "checkpoints"), ("Writes", "writes"),
    ("Thread", "thread_id"),
])  # fmt: skip
def test_threads_are_sorted(filled, visit, api, name, figure):
    """The last change first; by another column when its head is pressed, the other way around when pressed again."""
    visitor = visit(filled).sees(WAITING).settles()
    figures = {thread["thread_id"]: thread[figure] for thread in api.get("/threads").json()["threads"]}
    heads = visitor.page.get_by_role("group", name="Sort threads")
    for turn in (0, 1):
        if turn or figure != "updated":
            heads.get_by_role("button", name=name).click()
        order = thread_names(visitor.settles())
        assert sorted(order) == sorted(figures)
        is_falling = (figure != "thread_id") != bool(turn)
        assert [figures[thread] for thread in order] == sorted(figures.values(), reverse=is_falling)


def test_the_list_is_live(start_server, visit):
    """A new thread comes and one that changes moves up, without a reload."""
    server = start_server("memory:")
    first, second = (Agent(server, name, research()) for name in ("new-first", "new-second"))
    first(first_input())
    visitor = visit(server, allowed="404").sees("new-first")
    second(first_input())
    expect(visitor.page.get_by_text("new-second").first).to_be_visible(timeout=SOON)
    assert thread_names(visitor) == ["new-second", "new-first"]
    first(Command(resume="yes"))
    wait_until(lambda: thread_names(visitor.settles()) == ["new-first", "new-second"], SOON / 1000, "it moved up")
    with Caller(server) as caller:
        caller.do("delete-thread", {"thread_id": "new-second"})
    expect(visitor.page.get_by_text("new-second")).to_have_count(0, timeout=3 * SOON)
    assert visitor.seen()["shifts"] < 0.05, visitor.seen()["moved"]


@pytest.mark.parametrize("kind", STORES)
def test_every_store_is_shown_the_same(start_server, visit, tmp_path, kind):
    server = start_server(store_url(kind, tmp_path))
    states = Agent(server, "the thread", research())(first_input(), Command(resume="yes"))
    visitor = visit(server).sees("the thread")
    visitor.press("the thread", role="option").waits_for_text("publish")
    rows = rows_of(visitor)
    assert len(rows) == len(states) + 4
    newest = states[0].config["configurable"]["checkpoint_id"]
    visitor.go(place("the thread", newest)).sees("published", inspected.QUESTION)
    visitor.go(place("the thread", newest, view="changes")).waits_for_text("approved").sees("published")
    visitor.go(place("the thread", view="size")).waits_for_text("messages").waits_for_text("notes")


# MARK: the picture


def test_the_picture_has_every_checkpoint_as_the_graph_has_it(filled, visit, api):
    """From the top: step, nodes, source, what is next and how long it took, of the subgraph too."""
    visitor = visit(filled, place(FORKED))
    shown, stored = rows_of(visitor), ask(api, "history", thread_id=FORKED)["checkpoints"][::-1]
    assert len(shown) == len(stored) == len(filled.histories[FORKED]) + 8
    for text, row in zip(shown, stored, strict=True):
        words = re.findall(r"[\w›]+", text)
        assert str(abs(row["step"])) in words, (text, row)
        assert row["source"] in words, (text, row)
        nodes = [node for node in row["nodes"] if node != "__start__"]
        assert all(node in words for node in nodes), (text, row)
        assert ("review" in words[:-1] and "in" in words) or row["checkpoint_ns"] == "", (text, row)
        assert all(node in words for node in row["next"] if node and node != "__start__")
        assert bool(re.search(r"\+\d[\d.]* (ms|s)\b", text)) == (row["parent_checkpoint_id"] is not None), text


def test_forks_branch_and_subgraphs_have_lanes(filled, visit):
    """What the picture draws, by the places of its marks: one column a branch, others for the subgraph."""
    visitor = visit(filled, place(FORKED))
    rows_of(visitor)
    visitor.page.get_by_role("listbox", name="Checkpoints").evaluate("e => { e.scrollTop = 0 }")
    columns = {}
    script = """() => [...document.querySelectorAll('[role=listbox] [role=option]')].map(row => {
        const marks = [...row.querySelectorAll('svg .mark')].map(m => m.getBoundingClientRect());
        return [row.getAttribute('aria-posinset'), marks.map(m => Math.round(m.x + m.width / 2)), row.innerText];
    })"""
    for top in range(0, 1600, 200):
        visitor.page.get_by_role("listbox", name="Checkpoints").evaluate("(e, top) => { e.scrollTop = top }", top)
        visitor.settles()
        for number, marks, text in visitor.page.evaluate(script):
            assert len(marks) == 1, "a row has one mark"
            columns[int(number)] = (marks[0], "in review" in text)
    own = {column for column, is_inner in columns.values() if not is_inner}
    inner = {column for column, is_inner in columns.values() if is_inner}
    assert len(own) == 2, "two branches"
    assert inner
    assert not own & inner
    [lane] = [name for name in visitor.names("button") if "review" in name]
    visitor.press(lane)
    assert len(rows_of(visitor)) == 8
    visitor.press(lane)
    assert len(rows_of(visitor)) == 28


@pytest.mark.parametrize(("thread", "words"), [
    (WAITING, {"waits for an answer": 1}), (FAILED, {"failed": 1, "answered": 1}), (FINISHED, {"answered": 1}),
    (GREW, {}),
])  # fmt: skip
def test_interrupts_and_errors_are_said_in_words(filled, visit, thread, words):
    rows = rows_of(visit(filled, place(thread)))
    found = {word: sum(word in row for row in rows) for word in ("waits for an answer", "answered", "failed")}
    assert {word: number for word, number in found.items() if number} == words


# MARK: a checkpoint


def test_the_state_is_the_graphs(filled, visit):
    for state in filled.histories[FINISHED][::4]:
        visitor = visit(filled, place(FINISHED, state.config["configurable"]["checkpoint_id"]))
        visitor.page.get_by_role("tab", name="State").wait_for()
        visitor.settles()
        text = visitor.page.get_by_role("tabpanel").inner_text()
        for channel, value in state.values.items():
            assert channel in text or not value
            if isinstance(value, str):
                assert value in text
            for key, note in value.items() if isinstance(value, dict) else ():
                assert key in text
                assert note[:40] in text
            for message in value if channel == "messages" else ():
                assert message.content in text
        if not state.values.get("notes"):
            assert "a page about it" not in text


def test_messages_are_a_conversation_with_calls_and_results(filled, visit):
    visitor = visit(filled, place(FINISHED, checkpoint_of(filled, FINISHED))).sees(inspected.QUESTION)
    items = visitor.page.get_by_role("list", name="Conversation").get_by_role("listitem").all()
    said = [item.inner_text() for item in items]
    order = ["Answer in one sentence.", inspected.QUESTION, "echolocation", "magnetic sense", inspected.ANSWER]
    found = [next(number for number, text in enumerate(said) if part in text) for part in order]
    assert found == sorted(found)
    call = said[found[2]]
    for part in ("look_up", "call-0", "topic", "pages", "2 pages about echolocation"):
        assert part in call, "a call and its result are shown together"
    assert [text.split()[0] for text in said] == ["System", "Human", "Assistant", "Assistant", "Assistant"]


def test_pending_writes_and_metadata_are_shown(filled, visit, api):
    identifier = checkpoint_of(filled, FAILED)
    visitor = visit(filled, place(FAILED, identifier, view="writes"))
    visitor.sees("publish", "__error__", re.compile(inspected.NO_PRINTER))
    [write] = ask(api, "checkpoint", thread_id=FAILED)["writes"]
    visitor.sees(write["task_id"])
    visitor.press("Metadata", role="tab").sees("parents")
    panel = visitor.page.get_by_role("tabpanel").inner_text()
    assert re.search(r"step\W*(int)?\W*9\b", panel), panel
    assert "loop" in panel


@pytest.mark.parametrize("thread", [FINISHED, GREW, FAILED])
def test_the_exact_json_is_what_get_tuple_gives(filled, visit, api, thread):
    """Byte for byte, numbers as they were written: as they are shown and as they are downloaded."""
    identifier = checkpoint_of(filled, thread)
    whole = api.call("get-tuple", {"thread_id": thread, "checkpoint_id": identifier, "include": EVERYTHING}).text
    visitor = visit(filled, place(thread, identifier, view="json"))
    visitor.sees("The checkpoint as stored").settles()
    for name, member in (("The checkpoint as stored", "checkpoint"), ("Its metadata as stored", "metadata")):
        lines = visitor.page.get_by_role("list", name=name).get_by_role("listitem")
        text = "".join(lines.evaluate_all("all => all.map(e => e.textContent)"))
        assert f'"{member}":{text}' in whole
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name="Download").nth(int(member == "metadata")).click()
        assert Path(download.value.path()).read_text() == text


# MARK: changes


def lines_of(visitor):
    visitor.settles()
    return visitor.page.get_by_role("tabpanel").inner_text()


def test_what_a_step_changed_is_told_by_field(filled, visit, api):
    identifier = checkpoint_of(filled, FINISHED, 3)
    visitor = visit(filled, place(FINISHED, identifier, view="changes")).sees("messages[2]")
    text = lines_of(visitor)
    found = ask(api, "difference", thread_id=FINISHED, checkpoint_ns="", checkpoint_id=identifier)
    own = [change for change in found["state"] if not change["path"].startswith("branch:")]
    assert own
    for change in [*own, *found["metadata"]]:
        assert change["path"] in text, change
    assert re.search(rf"{found['same']} channels? (is|are) the same", text)
    assert "look_up" in text
    assert "added" in text.lower()


def test_any_two_checkpoints_are_compared(filled, visit, api):
    """By the address, and by choosing on the page."""
    old, new = checkpoint_of(filled, FORKED, 10), checkpoint_of(filled, FORKED)
    visitor = visit(filled, place(FORKED, new, view="changes", against=old))
    visitor.sees("topics")
    text = lines_of(visitor)
    found = ask(api, "difference", thread_id=FORKED, checkpoint_id=new, from_checkpoint_id=old)
    for change in found["state"]:
        if not change["path"].startswith("branch:"):
            assert change["path"] in text, change
    assert "echolocation" in text
    chooser = visitor.page.get_by_role("tabpanel").get_by_role("combobox").first
    options = chooser.locator("option").evaluate_all("all => all.map(o => o.value)")
    assert len(options) == len(filled.histories[FORKED]) - 1
    assert old in "".join(options)
    parent = filled.histories[FORKED][0].parent_config["configurable"]["checkpoint_id"]
    chooser.select_option(value=next(value for value in options if parent in value or value in ("", "parent")))
    visitor.waits_for_text("two sources agree")
    assert "magnetic sense" not in lines_of(visitor)


# MARK: live


def test_an_interrupt_is_resumed_while_somebody_watches(start_server, visit):
    server = start_server("memory:")
    agent = Agent(server, "watched", research())
    agent(first_input())
    visitor = visit(server, place("watched")).waits_for_text("The run waits here: node approve asks")
    loads = visitor.page.evaluate("performance.timeOrigin")
    rows = len(rows_of(visitor))
    with ThreadPoolExecutor(1) as pool:
        resumed = pool.submit(agent, Command(resume="yes"))
        visitor.waits_for_text(r"publish\b", SOON).waits_for_text("answered", SOON)
        resumed.result()
    visitor.waits_for_text(r"Nothing is left to run", SOON)
    visitor.does_not_see(re.compile("The run waits here"))
    assert len(rows_of(visitor)) == rows + 2
    assert visitor.page.evaluate("performance.timeOrigin") == loads
    assert visitor.seen()["shifts"] < 0.05, visitor.seen()["moved"]
