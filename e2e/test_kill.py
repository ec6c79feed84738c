"""What was acknowledged survives: SIGKILL and SIGTERM under load, and the same file opened again.

MILEPOST_KILL_CYCLES=2000 kills the server so often. Each restart must be ready in two seconds.
"""

import os
import time

import pytest

import load
import mixed
from linearizability import State

pytestmark = pytest.mark.alone

CYCLES = int(os.environ.get("MILEPOST_KILL_CYCLES", "200"))
RESTART_LIMIT = 2.0


def check(port, writers):
    """Settles each writer's threads with the server."""
    client = load.Client(port)
    for writer in writers:
        mixed.settle(client, writer)
    client.close()


@pytest.mark.parametrize(("first", "cycles"), mixed.parts(CYCLES))
def test_every_acknowledged_change_survives_sigkill(start_server, sqlite_store, seed, figures, first, cycles):
    crashes = mixed.kill_server(start_server(sqlite_store), cycles, f"{seed}-{first}", RESTART_LIMIT)
    crashes.report(figures, "kill -9 over SQLite, nothing lost")


def test_every_acknowledged_change_survives_sigterm(start_server, sqlite_store, seed):
    """SIGTERM ends the server properly: no answer is cut short, and nothing that was answered is lost."""
    server = start_server(sqlite_store)
    writers = []
    for cycle in range(3):
        with load.Load(server.port, f"term-{cycle}", f"{seed}-term-{cycle}", writer=mixed.MixedWriter) as running:
            time.sleep(0.2)  # Not to wait for something: the moment of the end.
            server.stop()
        server.start()
        check(server.port, running.writers)
        writers += running.writers
    assert all(writer.acknowledged > 0 for writer in writers)
    check(server.port, writers)


# MARK: the check itself

STEPS = 6


@pytest.fixture
def filled(start_server):
    """A client, and a writer whose one thread `t` has some checkpoints, each with a blob and two writes."""
    client = load.Client(start_server("memory:").port)
    writer = mixed.MixedWriter(0, "t", "filled", None)
    for number in range(STEPS):
        write = {"task_id": "t", "channel": "c", "type": "bytes", "blob": "YQ=="}
        writes = [{**write, "idx": idx} for idx in range(2)]
        for path, body in (
            ("put", a_put("t", number)),
            ("put-writes", {"thread_id": "t", "checkpoint_id": str(number), "writes": writes, "upsert": False}),
        ):
            done(client, writer, path, body)
    mixed.settle(client, writer)
    return client, writer


def a_put(name, number):
    blob = {"channel": "c", "version": str(number), "type": "bytes", "blob": "YQ=="}
    return {
        "thread_id": name,
        "checkpoint_id": str(number),
        "parent_checkpoint_id": str(number - 1) if number else None,
        "checkpoint": {"n": number, "channel_versions": {"c": str(number)}},
        "metadata": {},
        "blobs": [blob],
    }


def done(client, writer, path, body):
    """A change that the server was asked for and has acknowledged."""
    assert client.post(path, body)[0] in (200, 204)
    writer.threads = mixed.after(writer.threads, path, body)


def lost_write(found):
    found["t"][0] = (*found["t"][0][:5], found["t"][0][5][1:])


def changed_byte(found):
    (*key, blob), *others = found["t"][0][5]
    found["t"][0] = (*found["t"][0][:5], ((*key, "B" + blob[1:]), *others))


def lost_checkpoint(found):
    del found["t"][0]


def old_metadata(found):
    found["t"][0] = (*found["t"][0][:3], '{"step": 0}', *found["t"][0][4:])


def lost_blob(found):
    found["t"][-1] = (*found["t"][-1][:4], frozenset(), found["t"][-1][5])


@pytest.mark.parametrize("damage", [lost_write, changed_byte, lost_checkpoint, old_metadata, lost_blob])
def test_the_check_sees_damage(filled, damage):
    """A check that cannot fail proves nothing: each kind of loss must be reported."""
    client, writer = filled
    found = {name: mixed.read(client, name) for name in writer.threads}
    damage(found)
    with pytest.raises(AssertionError, match="t: .*(lost|differ)"):
        mixed.settle(client, writer, lambda _, name: found[name])


def told(client, writer, path, body):
    """A change that the writer was told is done, and is not."""
    writer.threads = mixed.after(writer.threads, path, body)


def asked(client, writer, path, body):
    """A change that the writer asked for and heard nothing of, and that is not done."""
    writer.in_doubt = (path, body)


DELETE = ("delete-thread", {"thread_id": "t"})
PRUNE = ("prune", {"thread_ids": ["t"], "keep_last": 2})
COPY = ("copy-thread", {"source_thread_id": "t", "target_thread_id": "copy"})


def again(client, *numbers, thread="t"):
    """Puts checkpoints behind the writer's back."""
    for number in numbers:
        assert client.post("put", a_put(thread, number))[0] == 200


def half_a_prune(client):
    """As if the two oldest had gone and nothing else."""
    assert client.post("delete-thread", {"thread_id": "t"})[0] == 204
    again(client, *range(2, STEPS))


CAME_OUT_WRONG = {
    "a deleted thread comes back": (done, DELETE, lambda client: again(client, 3)),
    "a deletion was lost": (told, DELETE, lambda client: None),
    "half a deletion": (asked, DELETE, half_a_prune),
    "a pruned checkpoint comes back": (done, PRUNE, lambda client: again(client, 1)),
    "a prune was lost": (told, PRUNE, lambda client: None),
    "half a prune": (asked, PRUNE, half_a_prune),
    "a copy was lost": (told, COPY, lambda client: None),
    "half a copy": (asked, COPY, lambda client: again(client, 0, 1, thread="copy")),
    "a copy without its writes": (told, COPY, lambda client: again(client, *range(STEPS), thread="copy")),
    "a copy is not what was copied": (done, COPY, lambda client: again(client, STEPS, thread="copy")),
}


@pytest.mark.parametrize("name", CAME_OUT_WRONG)
def test_the_check_sees_what_came_out_wrong(filled, name):
    """Changes of whole threads that are undone, lost or halved, on a real server."""
    how, change, damage = CAME_OUT_WRONG[name]
    client, writer = filled
    how(client, writer, *change)
    damage(client)
    with pytest.raises(AssertionError, match="checkpoint|writes of|copy"):
        mixed.settle(client, writer)


@pytest.mark.parametrize("change", [DELETE, PRUNE, COPY], ids=lambda change: change[0])
@pytest.mark.parametrize("is_done", [True, False])
def test_what_is_in_doubt_may_be_done_or_not(filled, change, is_done):
    client, writer = filled
    asked(client, writer, *change)
    expected = mixed.after(writer.threads, *change) if is_done else writer.threads
    if is_done:
        assert client.post(*change)[0] in (200, 204)
    mixed.settle(client, writer)
    assert writer.in_doubt is None
    assert {name: mixed.view(state) for name, state in writer.threads.items()} == {
        name: mixed.view(expected.get(name, State())) for name in writer.threads
    }
