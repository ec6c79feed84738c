"""What one request reads is of one moment, and no client ever reads what is older than what it has read.

A writer puts version n of a document, its metadata and two blobs in one request, for one checkpoint and then for the
next; then three writes of n in one request. Readers, on every server, look for anything of two versions.
"""

import base64
import threading

import pytest

import load
import postgres

pytestmark = pytest.mark.breaking

CHANNELS = ("a", "b")
TASKS = ("t1", "t2", "t3")
CHECKPOINTS = ("1", "2")
VERSIONS = 120
READERS = 3


def requests_of(thread_id, version):
    """What the writer sends of one version."""
    for checkpoint_id in CHECKPOINTS:
        key = {"thread_id": thread_id, "checkpoint_id": checkpoint_id}
        # A value that shares most of its bytes with the one before, and one that does not.
        values = [f"{'same ' * 200}{version}", f"{version} " * 200]
        blobs = [
            {"channel": channel, "version": str(version), "type": "bytes", "blob": encoded(value)}
            for channel, value in zip(CHANNELS, values, strict=True)
        ]
        document = {"v": 4, "n": version, "channel_versions": dict.fromkeys(CHANNELS, str(version))}
        yield "put", {**key, "checkpoint": document, "metadata": {"n": version}, "blobs": blobs}
    for checkpoint_id in CHECKPOINTS:
        writes = [
            {"task_id": task, "idx": 0, "channel": "c", "type": "bytes", "blob": encoded(str(version))}
            for task in TASKS
        ]
        key = {"thread_id": thread_id, "checkpoint_id": checkpoint_id}
        yield "put-writes", {**key, "writes": writes, "upsert": True}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def number_in(item):
    return int(base64.b64decode(item["blob"]).split()[-1])


def versions_in(found, has_parts=True):
    """The version of a checkpoint with its blobs, and that of its writes; fails when there are two of one."""
    version = found["checkpoint"]["n"]
    assert found["metadata"] == {"n": version}, f"the document is of {version}, the metadata {found['metadata']}"
    if not has_parts:
        return version, 0
    blobs = {blob["channel"]: number_in(blob) for blob in found["blobs"]}
    assert blobs == dict.fromkeys(CHANNELS, version), f"the document is of {version}, the blobs of {blobs}"
    writes = {write["task_id"]: number_in(write) for write in found["pending_writes"]}
    assert len(set(writes.values())) <= 1 and len(writes) in (0, len(TASKS)), f"writes of {writes}"
    written = next(iter(writes.values()), 0)
    assert version - 1 <= written <= version, f"the document is of {version}, the writes of {written}"
    return version, written


def check_list(items, has_parts):
    """The versions of all checkpoints together: each is put after the one before."""
    found = {item["checkpoint_id"]: versions_in(item, has_parts) for item in items}
    (first, written), (second, written_second) = (found.get(checkpoint_id, (0, 0)) for checkpoint_id in CHECKPOINTS)
    assert first - 1 <= second <= first, f"of {first} and {second}"
    assert written - 1 <= written_second <= written <= second, f"{second}, with writes of {written}, {written_second}"
    return (first, second, written, written_second) if has_parts else (first, second)


class Reader(threading.Thread):
    """Reads the thread in every way until told to stop; keeps what was wrong."""

    def __init__(self, port, thread_id, stopping):
        super().__init__(daemon=True)
        self.failure = None
        self.reads = 0
        self._client = load.Client(port)
        self._thread = {"thread_id": thread_id}
        self._stopping = stopping
        self._newest = {}

    def run(self):
        try:
            while not self._stopping.is_set():
                self.read()
                self.reads += 1
        except Exception as error:  # Kept for the main thread, which fails the test with it.
            self.failure = error
        self._client.close()

    def read(self):
        for checkpoint_id in CHECKPOINTS:
            found = self._answer("get-tuple", {**self._thread, "checkpoint_id": checkpoint_id})
            self.check_order(checkpoint_id, versions_in(found) if found else (0, 0))
        parts = {"include": ["blobs", "pending_writes"]}
        self.check_order("list", check_list(self._answer("list", {**self._thread, **parts}), True))
        self.check_order("short list", check_list(self._answer("list", self._thread), False))

    def _answer(self, call, body):
        status, answer = self._client.post(call, body)
        assert status == 200
        return answer

    def check_order(self, name, versions):
        """Nothing is older than it was."""
        before = self._newest.get(name, versions)
        assert all(new >= old for new, old in zip(versions, before, strict=True)), f"{name}: {before}, then {versions}"
        self._newest[name] = versions


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "two-servers"])
def test_nobody_reads_two_versions_at_once(start_server, sqlite_store, thread_id, kind, figures):
    store = {"memory": "memory:", "sqlite": sqlite_store}.get(kind) or postgres.new_database()
    servers = [start_server(store) for _ in range(2 if kind == "two-servers" else 1)]
    stopping = threading.Event()
    readers = [Reader(server.port, thread_id, stopping) for server in servers for _ in range(READERS)]
    writer = load.Client(servers[0].port)
    for reader in readers:
        reader.start()
    try:
        for version in range(1, VERSIONS + 1):
            for call, body in requests_of(thread_id, version):
                assert writer.post(call, body)[0] in (200, 204)
    finally:
        stopping.set()
        for reader in readers:
            reader.join(load.TIMEOUT)
    for reader in readers:
        if reader.failure is not None:
            raise reader.failure
        assert reader.reads > 5
        reader.read()
    figures("snapshots, none of two versions", {"versions": VERSIONS, "rounds of reads": sum(r.reads for r in readers)})


# MARK: the checks themselves


@pytest.fixture
def found(start_server, thread_id):
    """Both checkpoints in version 2, newest first."""
    client = load.Client(start_server().port)
    for version in (1, 2):
        for call, body in requests_of(thread_id, version):
            assert client.post(call, body)[0] in (200, 204)
    return client.post("list", {"thread_id": thread_id, "include": ["blobs", "pending_writes"]})[1]


def test_what_is_of_one_version_is_taken(found):
    assert check_list(found, True) == (2, 2, 2, 2)


def old_blob(first, second):
    second["blobs"][0]["blob"] = encoded("1")


def lost_blob(first, second):
    del second["blobs"][0]


def old_metadata(first, second):
    second["metadata"] = {"n": 1}


def old_write(first, second):
    second["pending_writes"][1]["blob"] = encoded("1")


def lost_write(first, second):
    del second["pending_writes"][1]


def lost_writes(first, second):
    second["pending_writes"] = []


def early_writes(first, second):
    for write in second["pending_writes"]:
        write["blob"] = encoded("3")


def lost_checkpoint(first, second):
    first["checkpoint_id"] = "other"


@pytest.mark.parametrize(
    "damage",
    [old_blob, lost_blob, old_metadata, old_write, lost_write, lost_writes, early_writes, lost_checkpoint],
)
def test_two_versions_are_seen(found, damage):
    """Of the later checkpoint in what was read."""
    second, first = found
    damage(first, second)
    with pytest.raises(AssertionError):
        check_list(found, True)


def test_an_older_version_is_seen():
    reader = Reader(0, "t", None)
    reader.check_order("1", (2, 1))
    reader.check_order("1", (2, 2))
    with pytest.raises(AssertionError, match="then"):
        reader.check_order("1", (2, 1))
