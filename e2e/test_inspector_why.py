"""What the inspector is for: why a run stopped, what a step changed, and what takes the bytes."""

import os
import re

import inspected
from inspected import FAILED, FINISHED, GREW, WAITING, Agent, growing
from inspector import SIZES, ask, checkpoint_of, is_size, place
from security import Caller, b64, checkpoint


# MARK: sizes


def test_sizes_are_those_of_the_store(filled, visit, api):
    """Totals, each channel, and a sentence on which is the largest."""
    found = ask(api, "sizes", thread_id=GREW)
    visitor = visit(filled, place(GREW, view="size")).sees("pages").settles()
    text = visitor.text()
    sizes = [match.group() for match in SIZES.finditer(text)]
    for part in (found["total"], found["documents"], found["writes"], *found["channels"][:3]):
        for figure in ("logical", "stored"):
            assert any(is_size(shown, part[figure]) for shown in sizes), (part, figure, sizes)
    table = visitor.page.get_by_role("table").first.inner_text()
    for channel in found["channels"][:3]:
        [line] = [line for line in table.splitlines() if re.match(rf"{channel['channel']}\b", line)] or [""]
        assert line or channel["channel"] in table
    sentence = next(line for line in text.splitlines() if len(line.split()) > 5 and "pages" in line)
    assert "pages" in sentence
    charts = visitor.page.locator("main svg").filter(has=visitor.page.locator("path, rect, polygon")).all()
    assert max(chart.bounding_box()["width"] for chart in charts if chart.is_visible()) > 300


def test_sizes_grow_with_the_thread(start_server, visit):
    server = start_server("memory:")
    Agent(server, "grows", growing(3))(inspected.FIRST_ROUND)
    visitor = visit(server, place("grows", view="size")).sees("pages").settles()
    before = visitor.text()
    Agent(server, "grows", growing(8))({"round": 2})
    visitor.go("").sees("grows")
    visitor.go(place("grows", view="size")).sees("pages").settles()
    assert visitor.text() != before


# MARK: what it is for


def test_why_did_this_run_stop_here(filled, visit):
    """From the text alone: the question and its node; the error, its node and its words."""
    visitor = visit(filled, place(WAITING)).settles()
    visitor.waits_for_text(r"The run waits here: node approve asks").sees(inspected.APPROVAL)
    visitor = visit(filled, place(FAILED)).settles()
    visitor.waits_for_text(r"The run stopped here: node publish failed").sees(re.compile(inspected.NO_PRINTER))
    visitor = visit(filled, place(FINISHED)).settles()
    visitor.waits_for_text(r"nothing is left to run")


def test_a_run_that_is_held_before_a_node_names_it(start_server, visit):
    """Also one that waits for several, which only the values tell."""

    async def hold(graph, config):
        await graph.ainvoke({"words": []}, config, interrupt_before=["meet"])

    server = start_server("memory:")
    newest = Agent(server, "held", inspected.meeting())(hold)[0]
    assert newest.values == {"words": ["left", "right"]}
    visitor = visit(server, place("held"))
    visitor.waits_for_text(r"Stopped before node meet|Running: node meet")
    visitor.does_not_see(re.compile("nothing is left to run"))
    Agent(server, "held", inspected.meeting())(None)
    visitor.waits_for_text(r"nothing is left to run")


def test_what_changed_in_this_step(filled, visit):
    visitor = visit(filled, place(FINISHED, checkpoint_of(filled, FINISHED, 9)))
    visitor.waits_for_text(r"Node approve ran and wrote status")
    visitor.press("Changes", role="tab").waits_for_text("approved").sees("planned")


def sentence_on_sizes(visitor):
    text = visitor.settles().text()
    return next((line for line in text.splitlines() if re.search(r"takes .*% of", line)), text)


def test_what_is_eating_the_disk(filled, visit, api):
    """The sentence names what takes most, and it does: the writes of tasks here, a channel when it is one."""
    visitor = visit(filled, place(GREW, view="size")).sees("pages")
    found = ask(api, "sizes", thread_id=GREW)
    parts = {channel["channel"]: channel["stored"] for channel in found["channels"]}
    parts |= {"what tasks wrote": found["writes"]["stored"], "documents": found["documents"]["stored"]}
    most = max(parts, key=parts.get)
    sentence = sentence_on_sizes(visitor)
    assert most in sentence, (sentence, parts)
    assert str(round(100 * parts[most] / found["total"]["stored"])) in sentence


def test_the_channel_that_eats_the_disk_is_named(start_server, visit):
    server = start_server("memory:")
    with Caller(server) as caller:
        for number in range(5):
            blobs = [
                {"channel": channel, "version": str(number), "type": "bytes", "blob": b64(os.urandom(size))}
                for channel, size in (("attachments", 300_000), ("small", 100))
            ]
            versions = {blob["channel"]: blob["version"] for blob in blobs}
            document = {"v": 4, "id": f"{number}", "channel_versions": versions}
            caller.do("put", checkpoint("eats", f"{number}", checkpoint=document, blobs=blobs))
    sentence = sentence_on_sizes(visit(server, place("eats", view="size")).sees("attachments"))
    assert "attachments" in sentence, sentence
    assert re.search(r"(99|100) %", sentence), sentence
    assert "1.5 MB" in sentence, sentence
