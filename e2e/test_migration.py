"""A store of layout 2, opened by the program under test: nothing is lost, also when it is killed on the way.

What must be answered was recorded from the program that wrote layout 2.
"""

import base64
import json
import random
import shutil
import time

import pytest

import old_layout
import recorded
import wire
from conftest import store_url
from server import START_LIMIT, wait_until

pytestmark = pytest.mark.breaking

KILLS = 10
# A migration that is over sooner is hard to hit; copies are added until it takes longer.
SHORTEST_MIGRATION = 0.6
MOST_COPIES = 3_200

AGENT = "0d8a6d7e-57a1-0f0e-6f3c-9b6a4c5d2e1f"
OTHER = "1a2b3c4d-0000-5000-8000-000000000001"
WORDY = "task not a uuid"


def uuid6(number):
    """The checkpoint ids of the threads that were made by hand."""
    return f"1f0a2b3c-{number:04x}-6abc-8123-456789abcdef"


@pytest.fixture
def layout_2_file(tmp_path):
    """A file as layout 2 left it, where `sqlite_store` says."""
    path = tmp_path / "milepost.db"
    old_layout.make(path)
    return path


@pytest.fixture(params=old_layout.LAYOUTS, ids="layout {}".format)
def old_file(request, tmp_path):
    """The same as each earlier layout left it."""
    path = tmp_path / "milepost.db"
    old_layout.make(path, request.param)
    return path


@pytest.fixture
def migrated(start_server, old_file):
    """A server that has opened it."""
    return start_server(store_url("sqlite", old_file.parent))


def check_answers(port, without=()):
    """Every recorded request is answered with the recorded bytes, but for the threads that a test has changed.

    The order of blobs and writes counts too: it is all that can be seen of a task's path.
    """
    differing = []
    for name, case in old_layout.CASES.items():
        if json.loads(case["body_text"])["thread_id"] in without:
            continue
        answer = recorded.run(port, case)
        if (answer.status, answer.body.decode()) != (200, case["expect"]["body"]):
            differing.append(f"{name}: {recorded.difference(case, answer) or 'another order, or other text'}")
    assert not differing, "\n".join(differing[:5])


def post(port, path, body, status=200):
    answer = wire.post(port, f"/checkpoints/{path}", body)
    assert answer.status == status, answer
    return answer.json() if answer.body else None


def get(port, **key):
    return post(port, "get-tuple", key)


def blob(text):
    return base64.b64encode(text.encode()).decode()


def write(task_id, idx, text, **more):
    return {"task_id": task_id, "idx": idx, "channel": "new", "type": "text", "blob": blob(text), **more}


def written(found):
    """A tuple's writes by their key, and the order they came in."""
    writes = found["pending_writes"]
    by_key = {(one["task_id"], one["idx"]): (one["channel"], one["type"], one["blob"]) for one in writes}
    return by_key, [(one["task_id"], one["idx"]) for one in writes]


def test_every_answer_is_as_before(migrated):
    check_answers(migrated.port)
    migrated.restart()
    check_answers(migrated.port)


def test_old_values_are_measured(migrated):
    """How long a value is, which the inspector reads without decoding it, in every encoding there has been."""
    measured = 0
    for thread in {json.loads(case["body_text"])["thread_id"] for case in old_layout.CASES.values()}:
        found = post(migrated.port, "list", {"thread_id": thread, "limit": 1000, "include": ["blobs"]})
        # What no checkpoint names cannot be read, but is measured.
        lengths = {
            (one["checkpoint_ns"], blob["channel"], blob["version"]): len(base64.b64decode(blob["blob"] or ""))
            for one in found
            for blob in one["blobs"]
        }
        answer = wire.post(migrated.port, "/inspector/sizes", {"thread_id": thread}).json()
        for channel in answer["channels"] if answer else []:
            key = channel["checkpoint_ns"], channel["channel"]
            own = [length for name, length in lengths.items() if name[:2] == key]
            if len(own) == channel["versions"]:
                assert channel["logical"] == sum(own), (thread, key)
                measured += len(own)
    assert measured > 200, measured


def test_deleting_every_thread_leaves_nothing(migrated, old_file, tmp_path):
    threads = {json.loads(case["body_text"])["thread_id"] for case in old_layout.CASES.values()}
    for thread in threads:
        post(migrated.port, "delete-thread", {"thread_id": thread}, 204)
    migrated.stop()
    left = old_layout.contents(old_file, tmp_path / "scratch")
    assert {name: count for name, count in left.rows.items() if count} == {}
    assert not left.damage


# MARK: going on


@pytest.mark.parametrize(
    ("thread", "channel", "version"),
    [("growing", "messages", "{:032}.0.7312345678901234"), ("since layout 1", "notes", "{:08}"), ("edited", "list", "{}")],
)
def test_a_channel_goes_on(migrated, thread, channel, version):
    """The next versions of a value that grew are read back whole, and those before them as they were."""
    last = base64.b64decode(get(migrated.port, thread_id=thread)["blobs"][0]["blob"])
    for number in (901, 902):
        last += b"and one more message of this thread"
        named = version.format(number)
        content = {"channel": channel, "version": named, "type": "msgpack", "blob": base64.b64encode(last).decode()}
        put = {
            "thread_id": thread,
            "checkpoint_id": f"~{number}",
            "checkpoint": {"channel_versions": {channel: named}},
            "blobs": [content],
        }
        post(migrated.port, "put", put)
        assert get(migrated.port, thread_id=thread)["blobs"] == [content]
        migrated.restart()
        assert get(migrated.port, thread_id=thread)["blobs"] == [content]
    check_tuples(migrated.port, thread)
    check_answers(migrated.port, without={thread})


def check_tuples(port, thread):
    """The old tuples of a thread that has got new checkpoints; its lists and its latest differ, of course."""
    tuples = [case for name, case in old_layout.CASES.items() if name.startswith(f"tuple {thread} |")]
    assert tuples
    for case in tuples:
        assert recorded.run(port, case).body.decode() == case["expect"]["body"]


def test_a_blob_is_still_write_once(migrated):
    version = f"{30:032}.0.7312345678901234"
    put = {
        "thread_id": "growing",
        "checkpoint_id": uuid6(29),
        "checkpoint": {"v": 4, "id": uuid6(29), "channel_versions": {"messages": version}},
        "metadata": {"source": "loop", "step": 29, "parity": 1},
        "blobs": [{"channel": "messages", "version": version, "type": "other", "blob": blob("not taken")}],
    }
    before = get(migrated.port, thread_id="growing", checkpoint_id=uuid6(29))
    post(migrated.port, "put", put)
    assert get(migrated.port, thread_id="growing", checkpoint_id=uuid6(29)) == before
    check_answers(migrated.port)


def test_a_checkpoint_put_again_keeps_its_parent(migrated):
    put = {
        "thread_id": "json",
        "checkpoint_id": "again",
        "parent_checkpoint_id": "doc-2",
        "checkpoint": {"third": 3},
        "metadata": {"third": 3},
    }
    post(migrated.port, "put", put)
    found = get(migrated.port, thread_id="json", checkpoint_id="again")
    assert (found["checkpoint"], found["metadata"], found["parent_checkpoint_id"]) == (
        {"third": 3},
        {"third": 3},
        "doc-0",
    )
    check_answers(migrated.port, without={"json"})


NEW_WRITES = [
    write(AGENT, 0, "an old write"),
    write(AGENT, 1, "an old write", task_path="another path"),
    write(AGENT, 3, "a new one of an old task", task_path="~__pregel_pull, agent"),
    write(OTHER, 1, "one that was replaced before"),
    write(WORDY, -1, "an error"),
    write(WORDY, -5, "a new special one"),
    write("a task of now", 0, "new", task_path="zz"),
    write("a task of now", 1, "new", task_path="~~"),
]


@pytest.mark.parametrize("upsert", [False, True])
def test_writes_go_on(migrated, upsert):
    """Old tasks get new writes; an old write stays, or is replaced and keeps its place, which is its task's path."""
    key = {"thread_id": "writes", "checkpoint_id": uuid6(1)}
    expected, order = written(get(migrated.port, **key))
    for one in NEW_WRITES:
        place = (one["task_id"], one["idx"])
        if upsert or place not in expected:
            expected[place] = (one["channel"], one["type"], one["blob"])
    new = [(one["task_id"], one["idx"]) for one in NEW_WRITES if (one["task_id"], one["idx"]) not in order]
    post(migrated.port, "put-writes", {**key, "writes": NEW_WRITES, "upsert": upsert}, 204)
    for _ in ("before and after a restart",) * 2:
        found, found_order = written(get(migrated.port, **key))
        assert found == expected
        assert [place for place in found_order if place not in new] == order
        assert found_order.index((WORDY, -5)) == found_order.index((WORDY, -4)) - 1
        assert found_order[-1] == ("a task of now", 1)
        migrated.restart()
    check_answers(migrated.port, without={"writes"})


def test_awaited_checkpoints_still_arrive(migrated):
    """Writes that came before their checkpoint are with it once it is put, and go when the thread is deleted."""
    post(migrated.port, "put-writes", {"thread_id": "awaited", "checkpoint_id": uuid6(1), "writes": NEW_WRITES}, 204)
    for checkpoint_id, namespace in ((uuid6(1), ""), ("later", ""), ("later", "child")):
        key = {"thread_id": "awaited", "checkpoint_id": checkpoint_id, "checkpoint_ns": namespace}
        post(migrated.port, "put", {**key, "checkpoint": {}})
    found, order = written(get(migrated.port, thread_id="awaited", checkpoint_id=uuid6(1)))
    assert found[AGENT, 1] == ("notes", "t", blob("replaced"))
    assert len(order) == 9
    for namespace in ("", "child"):
        found, _ = written(
            get(migrated.port, thread_id="awaited", checkpoint_id="later", checkpoint_ns=namespace)
        )
        assert found == {(WORDY, 0): ("x", "t", blob("1"))}
    check_answers(migrated.port, without={"awaited"})


# MARK: kill -9 in the middle


class Crashes:
    """A file with many copies of the old store, and a server on it that is killed while it opens it."""

    def __init__(self, server, file, directory):
        self.server = server
        self.file = file
        self.took = 0.0
        self.copies = 0
        self.old = self.new = None
        self._prepared = directory / "prepared.db"
        self._scratch = directory / "scratch"
        self._grow()

    def _grow(self):
        """Adds copies until a whole migration takes long enough, and keeps what the file holds before and after it."""
        shutil.copy(self.file, self._prepared)
        while self.took < SHORTEST_MIGRATION:
            more = max(200, self.copies)
            assert self.copies + more <= MOST_COPIES, f"{self.copies} copies are migrated in {self.took:.2f} s"
            old_layout.multiply(self._prepared, self.copies + 1, self.copies + more)
            self.copies += more
            self.renew()
            self.server.start()
            self.took = self.server.starting_took
            self.server.stop()
            self.new = self.look()
            assert self.new.migrations != old_layout.MIGRATIONS, "this program leaves layout 2 as it is"
        self.renew()
        self.old = self.look()

    def renew(self):
        """The file as it was before any migration."""
        for path in self.file.parent.glob(f"{self.file.name}*"):
            path.unlink()
        shutil.copy(self._prepared, self.file)

    def look(self):
        return old_layout.contents(self.file, self._scratch)

    def log(self):
        """Size and age of the write-ahead log, which a crash leaves behind."""
        path = self.file.with_name(f"{self.file.name}-wal")
        return (path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (0, 0)

    def kill(self, moment, once_logged):
        """Opens the file and kills the server after a share of the time that takes, or of the log being written.

        Gives what is in the file, and whether this was the middle: the log was written, and nothing has come of it.
        """
        before = self.log()
        self.server.launch()
        if once_logged:
            wait_until(lambda: self.log() > (0, 0) and self.log() != before, START_LIMIT, "the log is written")
            moment /= 10
        time.sleep(moment * self.took)  # Not to wait for something: the moment of the crash.
        assert self.server.is_running, self.server.log_text()
        self.server.kill()
        found = self.look()
        assert not found.damage
        # Each layout is a transaction of its own: a kill may come between two.
        steps = [found.migrations == self.new.migrations[:count] for count in range(len(self.old.migrations) + 1, 9)]
        between = any(steps) and found.rows == {table: self.new.rows.get(table) for table in found.rows}
        assert found == self.old or between, f"neither the old nor the new: {found.migrations} {found.rows}"
        return found, found == self.old and self.log() > (0, 0) and self.log() != before


def test_sigkill_in_the_middle(start_server, layout_2_file, tmp_path, seed):
    """A migration is done or not: whenever it is killed, the file is the old one or the new one, and opens again."""
    server = start_server("memory:")
    server.stop()
    server.store = store_url("sqlite", layout_2_file.parent)
    crashes = Crashes(server, layout_2_file, tmp_path)
    moments = random.Random(seed)
    found, hits = crashes.old, 0
    for number in range(KILLS):
        if found == crashes.new:
            server.start()
            check_answers(server.port)
            server.stop()
            crashes.renew()
        found, is_hit = crashes.kill((number + moments.random()) / KILLS, once_logged=number % 2 == 1)
        hits += is_hit
    print(f"{crashes.copies} copies, {crashes.took:.2f} s to open; {hits} of {KILLS} kills in the middle")
    assert hits >= KILLS // 4, "too few kills hit the middle: nothing is proved"
    if found == crashes.new:
        crashes.renew()
    server.start()
    check_answers(server.port)
    check_copy(server.port, moments.randint(1, crashes.copies))
    server.stop()
    assert crashes.look() == crashes.new


def check_copy(port, number):
    """The copies of all threads are answered as the threads were."""
    for name, case in old_layout.CASES.items():
        body = json.loads(case["body_text"])
        thread = old_layout.copy_of(body["thread_id"], number)
        answer = wire.post(port, case["path"], {**body, "thread_id": thread})
        expected = recorded.exact(case["expect"]["body"])
        for item in expected if isinstance(expected, list) else [expected] if expected else []:
            item["thread_id"] = thread
        assert recorded.same_body(case["path"], expected, recorded.exact(answer.body)), f"a copy of {name}"
