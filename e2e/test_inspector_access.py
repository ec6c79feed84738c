"""Who may see what in the inspector: scopes, tenants, wrong keys, and servers that go away."""

import re
import signal

import pytest
from playwright.sync_api import expect

import inspected
from conftest import store_url
from inspected import Agent, first_input, research
from inspector import place
from security import Caller, KeysFile, bearer
from server import Server

REFUSED = r"status of 40[134]"
GONE = r"ERR_|Failed to load resource"
# What is content in the threads of `inspected`: in values, in writes, in the documents themselves.
CONTENT = (
    inspected.QUESTION, inspected.ANSWER, inspected.APPROVAL, inspected.NO_PRINTER, *inspected.TOPICS,
    "two sources agree",
)
VIEWS = ("state", "changes", "writes", "metadata", "json")
# A server reads its keys every now and then: those that the tests use are there when it starts.
KINDS = ("read", "read,inspect", "read,inspect,write", "read,inspect,delete", "write")
ACTIONS = {"Fork from here": "write", "Prune": "delete", "Delete": "delete"}


class Guarded:
    """A server with keys of each kind, and its threads."""

    def __init__(self, directory):
        self.keys = KeysFile(directory / "keys.json")
        self.owner = self.keys.create("acme", scopes="read,write,delete,inspect")
        self.stranger = self.keys.create("victim", scopes="read,write,delete,inspect")
        self.by_scopes = {scopes: self.keys.create("acme", scopes=scopes) for scopes in KINDS}
        self.of_a_prefix = self.keys.create("acme", scopes="read,inspect", thread_prefix="research-f")
        self.to_revoke = self.keys.create("acme", scopes="read,inspect", note="to revoke")
        self.server = Server(store_url("sqlite", directory), directory, "--api-keys-file", str(self.keys.path)).start()
        self.histories = inspected.fill(self.server, bearer(self.owner))
        with Caller(self.server, bearer(self.stranger)) as caller:
            caller.do("put", {"thread_id": "of the stranger", "checkpoint_id": "1", "checkpoint": {"id": "1"}})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    yield made
    made.server.stop()


@pytest.fixture
def visit_as(guarded, visit):
    """A function that opens a place with a key of some scopes."""

    def start(route, scopes=None, key=None):
        return give(visit(guarded.server, route, allowed=REFUSED), key or guarded.by_scopes[scopes])

    return start


def give(visitor, key):
    visitor.page.get_by_label("Key", exact=True).fill(key)
    return visitor.press("Use it")


def head_of(guarded, thread):
    return guarded.histories[thread][0].config["configurable"]["checkpoint_id"]


def all_of(visitor, guarded, thread):
    """Goes through all there is to see of a thread; gives every text that was shown."""
    texts = [visitor.settles().text()]
    for view in VIEWS:
        visitor.go(place(thread, head_of(guarded, thread), view=view)).settles()
        texts.append(visitor.text())
    visitor.go(place(thread, view="size")).settles()
    texts.append(visitor.text())
    visitor.go().sees(thread).settles()
    return "\n".join([*texts, visitor.text()])


def answered(visitor):
    """Every answer that the page got, but for the streams of events."""
    bodies = [r.response().text() for r in visitor.ended if r.response() and not r.url.endswith("/events")]
    assert len(bodies) > 5
    return "\n".join(bodies)


# MARK: scopes


@pytest.mark.parametrize("thread", [inspected.FAILED, inspected.WAITING])
def test_who_may_only_read_gets_structure_and_sizes(guarded, visit_as, thread):
    """No content on the page, and none in what was sent to it."""
    visitor = visit_as(place(thread), "read")
    visitor.waits_for_text("review")
    shown = all_of(visitor, guarded, thread)
    for content in CONTENT:
        assert content not in shown, f"the page shows {content}"
        assert content not in answered(visitor), f"the page was sent {content}"
    for structure in ("messages", "notes", "publish" if thread == inspected.FAILED else "approve"):
        assert structure in shown
    assert re.search(r"\d(\.\d)? k?B", shown)
    assert "inspect" in shown, "nothing says which scope is missing"
    visitor.go(place(thread)).settles()
    for name in ACTIONS:
        expect(visitor.page.get_by_role("button", name=name)).to_have_count(0)


def test_who_may_inspect_sees_the_same_with_content(guarded, visit_as):
    """The check above can fail: with the scope all of it is there."""
    visitor = visit_as(place(inspected.FAILED), "read,inspect")
    visitor.waits_for_text("review")
    shown = all_of(visitor, guarded, inspected.FAILED)
    for content in (inspected.QUESTION, inspected.NO_PRINTER, *inspected.TOPICS, "two sources agree"):
        assert content in shown
        assert content in answered(visitor)


@pytest.mark.parametrize("scope", ["write", "delete"])
def test_there_is_a_button_for_what_the_key_may(visit_as, scope):
    visitor = visit_as(place(inspected.FINISHED), f"read,inspect,{scope}")
    visitor.waits_for_text("publish").settles()
    for name, needed in ACTIONS.items():
        found = visitor.page.get_by_role("button", name=name).filter(visible=True)
        assert bool(found.count()) == (needed == scope), name


def test_who_may_not_read_is_told(visit_as):
    visitor = visit_as("", "write")
    visitor.waits_for_text(r"scope.*read|read.*scope")
    visitor.does_not_see(inspected.FINISHED)


# MARK: keys


def test_a_wrong_key_is_answered_with_a_sentence_and_asked_for_again(guarded, visit):
    visitor = visit(guarded.server, allowed=REFUSED)
    visitor.waits_for_text("asks for a key")
    give(visitor, "mlp_" + "x" * 43)
    visitor.waits_for_text(r"does not take this key")
    give(visitor, guarded.owner)
    visitor.sees(inspected.FINISHED)
    visitor.does_not_see(re.compile("does not take this key"))


def test_the_key_stays_in_the_tab(guarded, visit_as):
    """It is in no address, no storage that lasts, no text, no other place of the page; reloading keeps it."""
    visitor = visit_as(place(inspected.FINISHED), key=guarded.owner)
    visitor.waits_for_text("publish").settles()
    everywhere = all_of(visitor, guarded, inspected.FINISHED)
    assert guarded.owner not in everywhere
    page = visitor.page
    places = "JSON.stringify([{...localStorage}, document.cookie, location.href, window.name])"
    assert guarded.owner not in page.evaluate(places)
    assert page.evaluate("indexedDB.databases().then(all => all.length)") == 0
    assert page.evaluate("caches.keys().then(all => all.length)") == 0
    assert guarded.owner not in page.content()
    assert not [r for r in visitor.requests if guarded.owner in r.url or guarded.owner in (r.post_data or "")]
    sent = [r for r in visitor.requests if r.headers.get("authorization")]
    assert sent
    assert all(r.headers["authorization"] == f"Bearer {guarded.owner}" for r in sent)
    assert not [r.headers for r in sent if "cookie" in r.headers or r.headers.get("referer")]
    page.reload()
    visitor.sees(inspected.FINISHED)
    beside = visitor.context.new_page()
    visitor.faults.clear()  # The page that was just opened by hand.
    beside.goto(page.url)
    expect(beside.get_by_label("Key", exact=True)).to_be_visible()
    beside.close()


def test_a_forgotten_key_is_asked_for(guarded, visit_as):
    visitor = visit_as("", key=guarded.owner)
    visitor.sees(inspected.FINISHED).press("Forget key")
    expect(visitor.page.get_by_label("Key", exact=True)).to_be_visible()
    visitor.does_not_see(inspected.FINISHED)
    assert visitor.page.evaluate("JSON.stringify({...sessionStorage})") == "{}"


def test_a_revoked_key_is_asked_for_anew(guarded, visit):
    visitor = visit(guarded.server, allowed=REFUSED)
    give(visitor, guarded.to_revoke).sees(inspected.FINISHED)
    guarded.keys.revoke(guarded.keys.id_of("to revoke"))
    visitor.waits_for_text("does not take this key", 15_000)
    give(visitor, guarded.owner).sees(inspected.FINISHED)


# MARK: tenants and what is not there


def test_another_tenants_thread_does_not_exist(guarded, visit_as):
    """A sentence, the same as for a thread that nobody has."""
    shown = []
    for name in (inspected.FINISHED, "nobody-has-this"):
        visitor = visit_as(place(name), key=guarded.stranger)
        visitor.waits_for_text(r"(no|not).*(thread|there|found)")
        visitor.settles()
        # Whether it is followed already is said a moment later.
        shown.append(visitor.page.locator("main").inner_text().replace(name, "NAME").replace("\nlive\n", "\n"))
    assert shown[0] == shown[1]
    visitor.go().sees("of the stranger").does_not_see(re.compile("research-"))


def test_a_key_of_a_prefix_opens_its_threads_by_id(guarded, visit_as):
    """It may not list threads, and is told so; those of its prefix it may look into."""
    visitor = visit_as("", key=guarded.of_a_prefix)
    visitor.waits_for_text("cannot be listed with this key").waits_for_text("begin with “research-f”")
    visitor.page.get_by_label("Thread", exact=True).fill(inspected.FAILED)
    visitor.page.locator("main").get_by_role("button", name="Open").click()
    visitor.waits_for_text("The run stopped here")
    visitor.go(place(inspected.WAITING)).settles()
    visitor.does_not_see(re.compile("The run"), inspected.APPROVAL)


@pytest.mark.parametrize("route", [
    place(inspected.FINISHED, "1f000000-0000-6000-8000-000000000000"), place(inspected.FINISHED, view="nonsense"),
    place("no such thread"), "nonsense", "thread/%E0%A4%A", "thread/a/b/c/d", place(inspected.FINISHED, "x", ns="none"),
])  # fmt: skip
def test_an_address_that_leads_nowhere_is_answered_with_a_sentence(filled, visit, route):
    visitor = visit(filled, route, allowed=REFUSED).settles()
    assert len(visitor.page.locator("main").inner_text().split()) > 3
    visitor.go().sees(inspected.FINISHED)


# MARK: servers


def test_nothing_has_to_be_set_up_on_this_machine(start_server, visit):
    """No key, no option: an empty server says what to do, and the first thread comes by itself."""
    server = start_server("memory:")
    visitor = visit(server)
    visitor.waits_for_text(r"no threads?")
    expect(visitor.page.get_by_label("Key", exact=True)).to_be_hidden()
    Agent(server, "the first", research())(first_input())
    visitor.sees("the first")


@pytest.mark.parametrize("route", ["", place("watched")], ids=["threads", "thread"])
def test_a_server_that_goes_is_missed_and_comes_back(start_server, sqlite_store, visit, route):
    server = start_server(sqlite_store)
    Agent(server, "watched", research())(first_input())
    visitor = visit(server, route, allowed=GONE).sees("watched").settles()
    server.stop()
    visitor.waits_for_text("cannot be reached", 12_000)
    server.start()
    Agent(server, "watched", research())(inspected.Command(resume="yes"))
    Agent(server, "later", research())(first_input())
    visitor.waits_for_text("publish" if route else "later", 20_000)
    visitor.does_not_see(re.compile("cannot be reached"))


def test_what_could_not_be_read_meanwhile_is_read_by_itself(start_server, sqlite_store, visit):
    server = start_server(sqlite_store)
    Agent(server, "watched", research())(first_input())
    visitor = visit(server, place("watched"), allowed=GONE).sees("watched").settles()
    server.stop()
    visitor.page.get_by_role("option").first.click()
    visitor.waits_for_text("Is it running")
    server.start()
    visitor.waits_for_text("A run began with new input", 20_000)
    visitor.does_not_see(re.compile("cannot be reached"))


def test_a_server_that_does_not_answer_is_missed(start_server, sqlite_store, visit):
    """Frozen, not gone: what is shown stays, and the page can be used again afterwards."""
    server = start_server(sqlite_store)
    Agent(server, "watched", research())(first_input())
    visitor = visit(server, allowed=GONE).sees("watched")
    server.process.send_signal(signal.SIGSTOP)
    try:
        visitor.page.wait_for_timeout(1500)
        visitor.sees("watched")
    finally:
        server.process.send_signal(signal.SIGCONT)
    visitor.press("watched", role="option").waits_for_text("review")
