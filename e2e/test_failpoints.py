"""Calls that die at every point of their way, on SQLite and PostgreSQL: done or not begun, never half, never lost.

Each call that changes something is first watched: what points does it pass? Then a server dies at each, the next
server on the same store says what there is, and the call is sent again. The short form, which CI runs, dies once at
each point, at a pass of the seed's; MILEPOST_FAILPOINTS=all dies at each pass, and verifies the store after each death.
The program that dies is `.build-address/debug/milepost`; what is only asked is the program under test.
"""

import random
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

import failpoints
from conftest import store_url
from failpoints import COMMITS, Lineage, debug_binary, post, put, put_writes
from server import binary_path

pytestmark = pytest.mark.breaking

SERVERS = 3


class Call:
    """A call, what there must be before it, and what it is answered with."""

    def __init__(self, name, send, steps=0, status=200, prepare=None):
        self.name = name
        self.status = status
        self._send = send
        self._steps = steps
        self._prepare = prepare
        self.growth = self.after = None

    def prepare(self, client, subject):
        for number in range(self._steps):
            assert put(client, subject, number, subject) == 200
            assert put_writes(client, subject, [0, 1]) == 204
        if self._prepare:
            self._prepare(client, subject)

    def send(self, client, subject):
        return self._send(client, subject)

    def threads(self, subject):
        """What the call may touch, and what stands by."""
        return [subject, f"{subject}-copy", f"{subject}-beside"]


def put_again(client, subject):
    """The same checkpoint with another document and other metadata."""
    return post(
        client, "put", thread_id=subject, checkpoint_id="c1", checkpoint={"again": True}, metadata={"run_id": "other"}
    )


def retain(client, subject, **settings):
    return client.put(f"/threads/{subject}/retention", json=settings).status_code


CALLS = [
    Call("put-first", lambda client, subject: put(client, subject, 0)),
    Call("put-next", lambda client, subject: put(client, subject, 2), steps=2),
    Call("put-again", put_again, steps=2),
    Call("put-writes", lambda client, subject: put_writes(client, subject, [1, 2, 3], "Ag=="), steps=1, status=204),
    Call(
        "put-writes-upsert",
        lambda client, subject: put_writes(client, subject, [1, 2, 3], "Ag==", upsert=True),
        steps=1,
        status=204,
    ),
    Call(
        "put-writes-early",
        lambda client, subject: put_writes(client, subject, [0, 1], checkpoint="c7"),
        steps=1,
        status=204,
    ),
    Call(
        "delete-thread",
        lambda client, subject: post(client, "delete-thread", thread_id=subject),
        steps=3,
        status=204,
        prepare=lambda client, subject: retain(client, subject, ttl=900),
    ),
    Call(
        "copy-thread",
        lambda client, subject: post(
            client, "copy-thread", source_thread_id=subject, target_thread_id=f"{subject}-copy"
        ),
        steps=3,
        status=204,
    ),
    Call("prune", lambda client, subject: post(client, "prune", thread_ids=[subject]), steps=3),
    Call(
        "prune-delete",
        lambda client, subject: post(client, "prune", thread_ids=[subject], strategy="delete"),
        steps=2,
    ),
    Call(
        "delete-for-runs",
        lambda client, subject: post(client, "delete-for-runs", run_ids=[subject]),
        steps=2,
        status=204,
        prepare=lambda client, subject: put(client, subject, 2, "another run"),
    ),
    Call("retention", lambda client, subject: retain(client, subject, ttl=60, hold=True), steps=1),
]


def expected(passed, number, kind):
    """What must be there of a call that died at that place of what it passes: absent, present, or either."""
    before, after = (passed.index(name) for name in COMMITS[kind])
    return "absent" if number <= before else "present" if number >= after else "either"


def kill_at(lineage, call, passed, places):
    """Kills a server of the lineage at each of these places."""
    found = []
    for name, time in places:
        number = failpoints.place(passed, name, time)
        found.append(lineage.crash(call, name, time, expected(passed, number, lineage.kind)))
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_a_call_is_done_or_not_begun(tmp_path, kind, call, seed):
    """Wherever the server dies."""
    lineages = []
    try:
        for number in range(SERVERS):
            directory = tmp_path / str(number)
            directory.mkdir()
            lineages.append(Lineage(kind, store_url(kind, directory), directory))
        passed = lineages[0].learn(call)
        assert [passed.count(name) for name in COMMITS[kind]] == [1, 1], passed
        places = failpoints.chosen(passed, random.Random(f"{seed}-{kind}-{call.name}"))
        shares = [places[number::SERVERS] for number in range(SERVERS)]
        with ThreadPoolExecutor(SERVERS) as pool:
            found = sum(pool.map(lambda pair: kill_at(pair[0], call, passed, pair[1]), zip(lineages, shares)), [])
            list(pool.map(Lineage.end, lineages))
    finally:
        for lineage in lineages:
            if lineage.server.is_running:
                lineage.server.kill()
    assert {"absent", "present"} <= set(found), "every death was on one side of the commit: nothing is proved"
    print(
        f"{kind} {call.name}: {len(set(passed))} points, {len(passed)} passes, {len(found)} crashes "
        f"({found.count('absent')} before, {found.count('present')} after the change), losses 0"
    )


# MARK: the check itself


@pytest.fixture
def lineage(tmp_path):
    """A store, and a server that may be killed."""
    made = Lineage("sqlite", store_url("sqlite", tmp_path), tmp_path)
    yield made
    if made.server.is_running:
        made.server.kill()


def test_an_older_store_is_a_loss(lineage, tmp_path, monkeypatch):
    """A store from before an acknowledged call, put in place of the one that the call changed, is reported."""
    call = next(call for call in CALLS if call.name == "put-next")
    lineage.learn(call)
    restart = lineage.server.start

    def start_from_before():
        for leftover in tmp_path.glob("milepost.db*"):
            leftover.unlink()
        shutil.copy(tmp_path / "before.db", tmp_path / "milepost.db")
        return restart()

    def send(client, subject):
        with closing(sqlite3.connect(tmp_path / "milepost.db")) as db:
            with closing(sqlite3.connect(tmp_path / "before.db")) as copy:
                db.backup(copy)
        return Call.send(call, client, subject)

    monkeypatch.setattr(lineage.server, "start", start_from_before)
    monkeypatch.setattr(call, "send", send)
    with pytest.raises(AssertionError, match="what was committed is lost"):
        lineage.crash(call, "sqlite committed", 1, "present")


@pytest.mark.parametrize(
    ("name", "promise", "words"),
    [
        ("sqlite before COMMIT TRANSACTION", "present", "what was committed is lost"),
        ("sqlite committed", "absent", "stored of what was not committed"),
        ("sqlite never passed", "absent", "the point was not passed"),
    ],
)
def test_a_wrong_promise_is_seen(lineage, name, promise, words):
    call = next(call for call in CALLS if call.name == "put-next")
    lineage.learn(call)
    with pytest.raises(AssertionError, match=words):
        lineage.crash(call, name, 1, promise)


def test_a_row_too_few_is_seen(lineage):
    """Half of a change is neither before nor after it."""
    call = next(call for call in CALLS if call.name == "put-next")
    lineage.learn(call)
    call.growth["blobs"] += 1
    with pytest.raises(AssertionError, match="rows, not"):
        lineage.crash(call, "sqlite committed", 1, "present")


def test_a_release_build_has_no_points():
    """Neither the name of the variable nor that of a point is in it."""
    words = [failpoints.VARIABLE.encode(), b"moving the log", b"postgres answered"]
    debug, release = debug_binary().read_bytes(), binary_path().read_bytes()
    assert [word in debug for word in words] == [True] * len(words)
    assert [word in release for word in words] == [False] * len(words)
