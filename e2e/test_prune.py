"""Whole threads copied and pruned over real sockets: a kill in the middle leaves each as it was or done, never between;
several servers' lists stay whole while threads are pruned; and what an old client asks is answered as before."""

import base64
import itertools
import random
import threading

import httpx
import pytest

STEPS = 40
THREADS = 12
KILLS = 6


def post(client, call, body):
    answer = client.post(f"/checkpoints/{call}", json=body)
    assert answer.status_code in (200, 204), f"{call}: {answer.status_code} {answer.text[:300]}"
    return answer.json() if answer.status_code == 200 else None


def step_id(number):
    return f"1f0c0000-0000-6000-8000-{number:012x}"


def fill(client, thread, steps=STEPS):
    """A thread whose one channel grows, and whose head waits for nothing."""
    for number in range(steps):
        messages = "; ".join(f"message {turn} of {thread}" for turn in range(number * 20))
        version = f"{number + 1:032}.0"
        post(
            client,
            "put",
            {
                "thread_id": thread,
                "checkpoint_id": step_id(number),
                "parent_checkpoint_id": step_id(number - 1) if number else None,
                "checkpoint": {"v": 4, "id": step_id(number), "channel_versions": {"messages": version}},
                "metadata": {"source": "loop", "step": number},
                "blobs": [
                    {
                        "channel": "messages",
                        "version": version,
                        "type": "bytes",
                        "blob": base64.b64encode(messages.encode()).decode(),
                    }
                ],
            },
        )
        write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "bytes", "blob": "AQ=="}
        post(client, "put-writes", {"thread_id": thread, "checkpoint_id": step_id(number), "writes": [write]})


def whole(client, thread):
    """All tuples of a thread, page by page."""
    tuples, cursor = [], None
    while True:
        body = {"thread_id": thread, "include": ["blobs", "pending_writes", "task_path"], "after": cursor}
        answer = client.post("/checkpoints/list", json=body)
        assert answer.status_code == 200
        tuples += answer.json()
        cursor = answer.headers.get("x-next-cursor")
        if cursor is None:
            return tuples


def without_parent(found):
    return {name: value for name, value in found.items() if name not in ("parent_checkpoint_id", "thread_id")}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_kill_leaves_a_prune_or_a_copy_done_or_not_begun(start_server, kind, sqlite_store, postgres_store, seed):
    server = start_server(sqlite_store if kind == "sqlite" else postgres_store)
    chance = random.Random(f"{seed}-prune")
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        for number in range(THREADS):
            fill(client, f"t{number}")
        before = {f"t{number}": whole(client, f"t{number}") for number in range(THREADS)}

    def act(stopped):
        with httpx.Client(base_url=server.base_url, timeout=60) as client:
            for number, round in zip(itertools.cycle(range(THREADS)), range(10_000)):
                try:
                    target = f"copy{stopped}-{number}"
                    body = {"source_thread_id": f"t{number}", "target_thread_id": target}
                    client.post("/checkpoints/copy-thread", json=body)
                    client.post("/checkpoints/prune", json={"thread_ids": [target], "keep_last": round % 3 + 1})
                except httpx.TransportError:
                    return

    done = 0
    for kill in range(KILLS):
        actor = threading.Thread(target=act, args=(kill,))
        actor.start()
        actor.join(chance.uniform(0.05, 0.4))  # Not to wait for something: the moment of the kill.
        server.kill()
        actor.join()
        server.start()
        with httpx.Client(base_url=server.base_url, timeout=60) as client:
            for number in range(THREADS):
                source = before[f"t{number}"]
                assert whole(client, f"t{number}") == source
                found = whole(client, f"copy{kill}-{number}")
                assert len(found) in (0, 1, 2, 3, STEPS)
                done += 0 < len(found) < STEPS
                expected = [without_parent(one) for one in source[: len(found)]]
                assert [without_parent(one) for one in found] == expected
    assert done > 0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_lists_are_whole_while_threads_are_pruned_and_deleted(start_server, kind, sqlite_store, postgres_store):
    """A page of tuples is of one moment: none is seen without its blobs."""
    server = start_server(sqlite_store if kind == "sqlite" else postgres_store)
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        fill(client, "source")
        ended = threading.Event()
        failures = []

        def read():
            with httpx.Client(base_url=server.base_url, timeout=60) as reader:
                while not ended.is_set():
                    for found in whole(reader, "t"):
                        named = found["checkpoint"]["channel_versions"]["messages"]
                        if [blob["version"] for blob in found["blobs"]] != [named] or not found["pending_writes"]:
                            failures.append(found["checkpoint_id"])

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        try:
            for round in range(30):
                post(client, "copy-thread", {"source_thread_id": "source", "target_thread_id": "t"})
                post(client, "prune", {"thread_ids": ["t"], "keep_last": round % 5 + 1})
                post(client, "delete-thread", {"thread_id": "t"})
        finally:
            ended.set()
            for reader in readers:
                reader.join()
        assert failures == []


def test_prune_gives_the_space_back(start_server, sqlite_store):
    """What a dry run says comes back does, and what is kept takes no more than what it is."""
    server = start_server(sqlite_store)
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        fill(client, "t")
        dry = post(client, "prune", {"thread_ids": ["t"], "dry_run": True})
        size = client.get("/threads/t").json()["bytes"]
        head = post(client, "get-tuple", {"thread_id": "t"})
        assert post(client, "prune", {"thread_ids": ["t"]}) == {**dry, "dry_run": False}
        assert client.get("/threads/t").json()["bytes"] == size - dry["bytes"]
        assert without_parent(post(client, "get-tuple", {"thread_id": "t"})) == without_parent(head)
        assert dry["checkpoints"] == STEPS - 1
