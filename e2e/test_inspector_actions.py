"""What can be done from the inspector's page, done, and looked at through the API; its snippets, run."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from langgraph.types import Command
from playwright.sync_api import expect

import hostile
import inspected
from inspected import FINISHED, WAITING, Agent, first_input, research
from inspector import place
from security import Caller, KeysFile, bearer
from server import REPOSITORY, clean_environment

THREAD = "the thread's own"
HOSTILE = next(text for text in hostile.PAYLOADS if text.startswith("$(touch"))
AGENT = "import sys\nsys.path.insert(0, 'e2e')\nfrom inspected import research\n"
FIGURES = re.compile(r"([\d,]+) checkpoints?, ([\d,]+) writes and ([\d,]+) values? go")


@pytest.fixture
def server(start_server):
    """A server of this test's own, with one thread that was interrupted and went on."""
    server = start_server("memory:")
    server.states = Agent(server, THREAD, research())(first_input(), Command(resume="yes"))
    return server


@pytest.fixture
def api(server):
    with Caller(server) as caller:
        yield caller


def id_of(states, step):
    return next(s for s in states if s.metadata["step"] == step).config["configurable"]["checkpoint_id"]


def thread_of(api, name):
    answer = api.get("/threads/" + name.replace(" ", "%20"))
    return answer.json() if answer.status_code == 200 else None


def button(visitor, name):
    return visitor.dialog().get_by_role("button", name=name, exact=True)


# MARK: fork


def test_a_fork_is_a_thread_that_goes_on_from_there(server, api, visit):
    """The copy is made, the page leads to the checkpoint there, and the graph goes on from it as the snippet says."""
    before = thread_of(api, THREAD)
    identifier = id_of(server.states, 2)
    visitor = visit(server, place(THREAD, identifier))
    visitor.press("Fork from here")
    dialog = visitor.dialog()
    suggested = dialog.get_by_label("Id of the new thread").input_value()
    assert suggested.startswith(THREAD)
    assert thread_of(api, suggested) is None
    dialog.get_by_label("Id of the new thread").fill("the fork")
    snippet = dialog.locator("pre").inner_text()
    button(visitor, "Copy the thread").click()
    dialog.get_by_role("link", name="Open this checkpoint").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("the fork")
    visitor.sees(identifier)
    assert {**thread_of(api, "the fork"), "thread_id": THREAD} == before
    run_python(f"{AGENT}builder = research()\n{snippet}")
    states = Agent(server, "the fork", research())()
    assert states[0].next == ("approve",), "it went on from there, up to the question"
    assert len(states) > len(server.states) + 5
    assert thread_of(api, THREAD) == before
    visitor.waits_for_text("Waits for an answer: node approve")


def test_a_fork_onto_a_thread_is_refused_with_a_sentence(server, api, visit):
    Agent(server, "other", research())(first_input())
    before = thread_of(api, "other")
    visitor = visit(server, place(THREAD, id_of(server.states, 2)), allowed="409")
    visitor.press("Fork from here").dialog().get_by_label("Id of the new thread").fill("other")
    button(visitor, "Copy the thread").click()
    expect(visitor.dialog().get_by_role("status")).to_contain_text(re.compile(r"\w+ \w+ \w+"))
    expect(button(visitor, "Copy the thread")).to_be_enabled()
    assert thread_of(api, "other") == before


# MARK: prune


def test_a_prune_takes_what_its_preview_said(server, api, visit):
    visitor = visit(server, place(THREAD))
    before = thread_of(api, THREAD)
    visitor.press("Prune")
    dialog = visitor.dialog()
    for keep in (20, 3):
        dialog.get_by_label("Keep the newest").fill(str(keep))
        expect(button(visitor, "Prune")).to_be_enabled(enabled=keep == 3)
    said = [int(figure.replace(",", "")) for figure in FIGURES.search(dialog.inner_text()).groups()]
    assert thread_of(api, THREAD) == before, "a preview takes nothing"
    answer = {"thread_ids": [THREAD], "keep_last": 3, "dry_run": True}
    promised = api.do("prune", answer)
    names = ("checkpoints", "writes", "blobs")
    assert said == [promised[name] for name in names]
    button(visitor, "Prune").click()
    visitor.waits_for_text(f"{before['checkpoints'] - said[0]} checkpoints")
    expect(visitor.dialog()).to_have_count(0)
    after = thread_of(api, THREAD)
    assert [before[name] - after[name] for name in names] == said
    assert said[0] > 5
    rows = visitor.page.get_by_role("listbox", name="Checkpoints").get_by_role("option")
    expect(rows).to_have_count(after["checkpoints"])


@pytest.mark.parametrize("way", ["Cancel", "Escape"])
@pytest.mark.parametrize("name", ["Prune", "Delete", "Fork from here"])
def test_a_dialog_that_is_left_does_nothing(filled, visit, name, way):
    """And the focus is where it was."""
    with Caller(filled) as caller:
        before = caller.get("/threads").json()
        visitor = visit(filled, place(FINISHED)).waits_for_text("publish").settles()
        visitor.press(name).dialog().wait_for()
        if way == "Cancel":
            button(visitor, "Cancel").click()
        else:
            visitor.page.keyboard.press("Escape")
        expect(visitor.dialog()).to_have_count(0)
        expect(visitor.page.get_by_role("button", name=name).first).to_be_focused()
        assert caller.get("/threads").json() == before
        changes = ("/copy-thread", "/delete-thread", "/put")
        assert not [request for request in visitor.requests if request.url.endswith(changes)]


# MARK: delete


def test_a_thread_is_deleted_when_its_id_was_typed(server, api, visit):
    visitor = visit(server, place(THREAD))
    visitor.press("Delete")
    dialog = visitor.dialog()
    figures = thread_of(api, THREAD)
    expect(dialog).to_contain_text(f"{figures['checkpoints']} checkpoints, {figures['writes']} writes")
    field = dialog.get_by_label("Type the thread's id")
    for typed in ("", THREAD[:-1], THREAD.upper(), "yes"):
        field.fill(typed)
        expect(button(visitor, "Delete")).to_be_disabled()
        field.press("Enter")
    assert thread_of(api, THREAD) == figures
    field.press_sequentially("x")
    field.fill(THREAD)
    button(visitor, "Delete").click()
    expect(visitor.page.get_by_role("heading", name="no threads")).to_be_visible()
    assert thread_of(api, THREAD) is None


def test_a_thread_that_goes_while_it_is_shown_is_said_to_be_gone(server, api, visit):
    visitor = visit(server, place(THREAD), allowed="404").waits_for_text("publish").settles()
    api.do("delete-thread", {"thread_id": THREAD})
    visitor.waits_for_text(r"deleted|gone|no longer|not there|does not exist|no thread")


# MARK: snippets


def run_python(text, environment=None):
    """Runs a snippet with the saver of this repository and gives what it printed."""
    environment = clean_environment(PYTHONPATH=str(REPOSITORY / "clients/python/src"), **(environment or {}))
    command = [sys.executable, "-B", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=REPOSITORY)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def run_shell(text, environment=None, directory="/"):
    environment = clean_environment(**(environment or {}))
    command = ["bash", "-euc", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=directory)
    assert (done.returncode, done.stderr) == (0, ""), f"{text}\n{done.stderr}"
    return done.stdout


def snippet(visitor, kind, group):
    """The text of a snippet of the list, the thread or the checkpoint: as the page has it in its buttons."""
    visitor.page.get_by_role("group", name="Actions").nth(group).get_by_role("button", name=kind).click()
    text = visitor.dialog().locator("pre").evaluate("e => e.textContent")
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog()).to_have_count(0)
    return text


def documents(text):
    """The JSON values in a text, one after the other."""
    decoder, found = json.JSONDecoder(), []
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


@pytest.mark.parametrize("thread", [THREAD, HOSTILE, 'a "b" \\ \u202e é \U0001f9ed\n-d @/etc/passwd'])
def test_snippets_do_what_they_say(start_server, visit, tmp_path, thread):
    """Run as they are, by a shell and by Python, also when the id of the thread speaks their language."""
    hostile.TOUCHED.unlink(missing_ok=True)
    server = start_server("memory:")
    states = Agent(server, thread, research())(first_input())
    visitor = visit(server, place(thread)).waits_for_text("The run waits here").settles()
    with Caller(server) as caller:
        own, history = documents(run_shell(snippet(visitor, "curl", 0), directory=tmp_path))
        assert own["thread_id"] == thread
        body = {"thread_id": thread, "limit": 100}
        assert history == caller.client.post("/inspector/history", json=body).json()
        [shown] = documents(run_shell(snippet(visitor, "curl", 1), directory=tmp_path))
        place_of = {"thread_id": thread, "checkpoint_id": id_of(states, 8)}
        assert shown == caller.client.post("/inspector/checkpoint", json=place_of).json()
    assert id_of(states, 2) in run_python(snippet(visitor, "Python", 0))
    printed = run_python(snippet(visitor, "Python", 1))
    assert inspected.QUESTION in printed
    assert inspected.APPROVAL in printed
    assert os.listdir(tmp_path) == [f"milepost-{server.port}.log"]
    assert not hostile.TOUCHED.exists()


def test_snippets_of_the_list(filled, visit):
    visitor = visit(filled).sees(FINISHED).settles()
    [answer] = documents(run_shell(snippet(visitor, "curl", 0)))
    assert FINISHED in [thread["thread_id"] for thread in answer["threads"]]
    assert WAITING in run_python(snippet(visitor, "Python", 0))


def test_an_interrupt_is_answered_as_the_page_says(start_server, visit):
    """The page says how to go on; who does that goes on."""
    server = start_server("memory:")
    Agent(server, THREAD, research())(first_input())
    visitor = visit(server, place(THREAD)).waits_for_text("The run waits here")
    code = visitor.page.get_by_role("region", name="Interrupts").locator("pre").evaluate("e => e.textContent")
    saver = f"from langgraph.checkpoint.milepost import MilepostSaver\nsaver = MilepostSaver({server.base_url!r})\n"
    run_python(f"{AGENT}{saver}graph = research().compile(saver)\n{code.replace('your answer', 'yes')}")
    visitor.waits_for_text("Nothing is left to run")
    assert Agent(server, THREAD, research())()[0].values["status"] == "published"


def test_the_key_is_in_no_snippet(start_server, visit, tmp_path):
    """They take it from the environment; without it the server refuses."""
    keys = KeysFile(tmp_path / "keys.json")
    key = keys.create("acme", scopes="read,write,delete,inspect")
    server = start_server("memory:", "--api-keys-file", str(keys.path))
    Agent(server, THREAD, research(), bearer(key))(first_input())
    visitor = visit(server, place(THREAD), allowed="401")
    visitor.page.get_by_label("Key", exact=True).fill(key)
    visitor.press("Use it").waits_for_text("The run waits here").settles()
    own = {"MILEPOST_API_KEY": key}
    for kind in ("curl", "Python"):
        for group in (0, 1):
            text = snippet(visitor, kind, group)
            assert key not in text
            assert "mlp_" not in text
            assert "MILEPOST_API_KEY" in text
            run = run_shell if kind == "curl" else run_python
            assert re.search(f"step|{re.escape(inspected.QUESTION)}", run(text, own))
            if kind == "curl":
                assert "detail" in run(text, {"MILEPOST_API_KEY": "wrong"})


def test_what_the_snippets_are_run_with_can_tell():
    """A shell word that is not quoted well, and a failing snippet, are seen."""
    assert run_shell(f"printf %s {shlex.quote(HOSTILE)}") == HOSTILE
    with pytest.raises(AssertionError):
        run_shell(f"printf %s '{HOSTILE}")
    with pytest.raises(AssertionError):
        run_python("raise SystemExit(3)")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, asyncio.sleep(0, "loops run beside the browser")).result()
