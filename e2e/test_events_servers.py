"""GET /threads/{id}/events of several servers over one PostgreSQL, of whom it lets in, and over TLS."""

import threading
import time

import httpx
import pytest

import pgbouncer
import postgres
from certificates import Authority
from conftest import store_url
from events import Agent, Follower, Refused, names
from security import KeysFile, SecureServer, bearer
from server import Server, wait_until
from test_encryption import EncryptionKeys

# A look at what is followed, where PostgreSQL tells nothing: docs/events.md promises these.
DIRECT_LOOK, POOLED_LOOK = 5.0, 1.0


# MARK: several servers


@pytest.fixture
def two_servers(start_server, postgres_store):
    return start_server(postgres_store), start_server(postgres_store)


def test_another_server_tells_what_it_stores(two_servers, thread_id):
    first, second = two_servers
    here, there = Agent(first, thread_id), Agent(second, thread_id)
    with Follower(first, thread_id) as follower:
        there.put("c0")  # Perhaps before the other has heard that somebody follows.
        follower.wait_for(lambda came: len(came) == 2, "the first change", limit=DIRECT_LOOK + 1)
        expected = [("thread", ""), *names("c0")]
        took = []
        for number in range(20):
            name = f"d{number:02d}"
            began = time.monotonic()
            (there if number % 2 else here).put(name)
            there.write(name, f"t{number}")
            expected += [*names(name), ("writes", name)]
            follower.wait_for(lambda came: len(came) >= len(expected), "the change", limit=2)
            took.append(time.monotonic() - began)
        assert sorted(follower.told()) == sorted(expected)
        assert follower.told("checkpoint") == names("c0", *(f"d{number:02d}" for number in range(20)))
        assert sorted(took)[len(took) // 2] < 0.25, "notified, not found by looking"
        there.do("delete-thread", thread_id=thread_id)
        follower.wait_for(lambda came: came[-1].name == "deleted", "the deletion", limit=2)
        there.put("e1")
        follower.wait_for(lambda came: came[-1].name == "checkpoint", "the next", limit=2)
        time.sleep(DIRECT_LOOK + 1)  # Looks have found nothing more to tell.
        assert follower.told()[len(expected):] == [("deleted", ""), ("checkpoint", "e1")]


def test_what_another_program_stores_is_found_by_looking(start_server, postgres_store, thread_id):
    server = start_server(postgres_store)
    with Follower(server, thread_id) as follower:
        postgres.execute(
            postgres_store,
            "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata) "
            f"VALUES ('{thread_id}', 'c1', '{{}}', '{{\"source\": \"loop\", \"step\": 4}}')",
            "INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob) "
            f"VALUES ('{thread_id}', 'c1', 't', 0, 'a', '')",
        )
        follower.wait_for(lambda came: len(came) >= 3, "the change", limit=DIRECT_LOOK + 1)
        assert follower.told("checkpoint", "writes") == [("checkpoint", "c1"), ("writes", "c1")]
        assert follower.events[1].data["step"] == 4
        postgres.execute(postgres_store, f"DELETE FROM checkpoints WHERE thread_id = '{thread_id}'")
        follower.wait_for(lambda came: came[-1].name == "deleted", "the deletion", limit=DIRECT_LOOK + 1)


def test_sessions_that_listen_are_terminated(two_servers, postgres_store, thread_id):
    """Nothing is lost, and it goes on; what came between two sessions may be told twice."""
    first, second = two_servers
    there = Agent(second, thread_id)
    put = []
    with Follower(first, thread_id) as follower:
        with postgres.Storm(postgres_store, 0.2) as storm:
            end = time.monotonic() + 6
            while time.monotonic() < end:
                put.append(f"{len(put):05d}")
                there.put(put[-1])
                time.sleep(0.01)  # Of more than a thousand that were missed, the follower is told to read them.
        assert storm.ended > 0
        put.append("last")
        there.put("last")
        follower.wait_for(
            lambda came: len({e.data["checkpoint_id"] for e in came if e.name == "checkpoint"}) >= len(put),
            "every change",
            limit=30,
        )
        time.sleep(1)
        assert set(follower.told("checkpoint")) == set(names(*put))
        there.put("z")
        follower.wait_for(lambda came: came[-1].data.get("checkpoint_id") == "z", "the next", limit=DIRECT_LOOK + 1)


def test_installations_side_by_side_do_not_hear_each_other(start_server, postgres_store, thread_id):
    stores = []
    for name in ("one", "two"):
        postgres.execute(postgres_store, f"CREATE SCHEMA {name}")
        stores.append(f"{postgres_store}?options=-csearch_path%3D{name}")
    one, two = map(start_server, stores)
    with Follower(one, thread_id) as follower:
        time.sleep(2)
        Agent(two, thread_id).put("c1")
        Agent(one, thread_id).put("c2")
        follower.wait_for_told([("thread", ""), *names("c2")])
        time.sleep(DIRECT_LOOK + 1)
        assert follower.told() == [("thread", ""), *names("c2")]


def test_behind_a_pooler_others_changes_are_found_by_looking(tmp_path, start_server, postgres_store, thread_id):
    direct = start_server(postgres_store)
    with pgbouncer.in_front_of(postgres_store) as bouncer:
        pooled = [Server(bouncer.url, tmp_path).start() for _ in range(2)]
        try:
            here, there = Agent(pooled[0], thread_id), Agent(pooled[1], thread_id)
            expected = [("thread", "")]
            with Follower(pooled[0], thread_id) as follower, Follower(direct, thread_id) as other:
                for number in range(6):
                    name = f"c{number}"
                    (there if number % 2 else here).put(name)
                    (here if number % 2 else there).write(name)
                    expected += [("checkpoint", name), ("writes", name)]
                    follower.wait_for(lambda came: len(came) >= len(expected), "it", limit=POOLED_LOOK + 1)
                assert sorted(follower.told()) == sorted(expected)
                other.wait_for(lambda came: len(came) >= len(expected), "all of it", limit=DIRECT_LOOK + 1)
                assert sorted(other.told()) == sorted(expected)
                there.do("delete-thread", thread_id=thread_id)
                follower.wait_for(lambda came: came[-1].name == "deleted", "the deletion", limit=POOLED_LOOK + 1)
        finally:
            for server in pooled:
                server.stop()


# MARK: who may


def test_who_may_follow_is_who_may_read(start_server, tmp_path):
    keys = KeysFile(tmp_path / "keys.json")
    made = {
        "reader": keys.create("a", "read"), "writer": keys.create("a", "write"),
        "prefixed": keys.create("a", "read,write", thread_prefix="p-"), "other": keys.create("b", "read,write"),
        "gone": keys.create("a", "read", note="gone"),
    }
    server = start_server("memory:", "--api-keys-file", str(keys.path))

    def refusal(thread, headers):
        with pytest.raises(Refused) as refused:
            Follower(server, thread, headers=headers)
        return refused.value.status

    assert refusal("t", {}) == 401 and refusal("t", bearer("mlp_wrong")) == 401
    assert refusal("t", bearer(made["writer"])) == 403
    assert refusal("t", bearer(made["prefixed"])) == 403
    with (
        Follower(server, "p-1", headers=bearer(made["reader"])) as reader,
        Follower(server, "p-1", headers=bearer(made["prefixed"])),
        Follower(server, "p-1", headers=bearer(made["other"])) as other,
        Follower(server, "p-1", headers=bearer(made["gone"])) as gone,
    ):
        body = {"thread_id": "p-1", "checkpoint_id": "c1", "checkpoint": {}}
        answer = httpx.post(f"{server.base_url}/checkpoints/put", json=body, headers=bearer(made["prefixed"]))
        assert answer.status_code == 200
        reader.wait_for_told([("thread", ""), *names("c1")])
        keys.revoke(keys.id_of("gone"))
        assert gone.has_ended.wait(30), "a revoked key's stream ends"
        wait_until(lambda: reader.comments > 0, 16, "a heartbeat")
        assert not reader.has_ended.is_set()
        assert other.told() == [("thread", "")], "another tenant's thread of the same id"


def test_an_id_of_any_text(start_server):
    server = start_server("memory:")
    for thread in ("a/b", "a/events", "a b?c#d", "ä", "%2F", "..", "events"):
        with Follower(server, thread) as follower:
            assert follower.events[0].data["thread_id"] == thread
            Agent(server, thread).put("c1")
            follower.wait_for_told([("thread", ""), *names("c1")])
    for path in ("/threads/a/events/", "/threads//events", "/threads/a/b/events", "/threads/a/Events"):
        assert httpx.get(server.base_url + path).status_code == 404
    assert httpx.head(f"{server.base_url}/threads/a/events").status_code == 405
    assert httpx.post(f"{server.base_url}/threads/a/events").status_code == 405


# MARK: stores and protocols


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_encrypted_store_is_followed(start_server, tmp_path, thread_id, kind):
    keys = EncryptionKeys(tmp_path / "encryption.json", "2026-11")
    server = start_server(store_url(kind, tmp_path), *keys.options)
    agent = Agent(server, thread_id)
    with Follower(server, thread_id) as follower:
        agent.put("c1", metadata={"source": "loop", "step": 7})
        agent.write("c1")
        follower.wait_for_told([("thread", ""), *names("c1"), ("writes", "c1")])
        assert follower.events[1].data["step"] == 7
    agent.put("c2")
    agent.do("copy-thread", source_thread_id=thread_id, target_thread_id=f"{thread_id}-copy")
    with Follower(server, thread_id, follower.last_id) as second:
        second.wait_for_told([("thread", ""), *names("c2")])


@pytest.fixture
def secure(tmp_path):
    authority = Authority(tmp_path)
    made = authority.server()
    files = ("--tls-certificate-file", str(made.certificate_file), "--tls-key-file", str(made.key_file))
    running = SecureServer("memory:", tmp_path, authority.context(), *files, "--request-timeout", "2").start()
    running.authority = authority
    yield running
    if running.is_running:
        running.stop()


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "h2"])
def test_over_tls(secure, thread_id, http2):
    context = secure.authority.context()
    with (
        httpx.Client(base_url=secure.base_url, verify=context, http2=http2, trust_env=False, timeout=20) as client,
        client.stream("GET", f"/threads/{thread_id}/events") as stream,
    ):
        assert stream.status_code == 200
        assert stream.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: thread"
        time.sleep(4)  # The request's own limit is 2 seconds.
        body = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {}}
        assert client.post("/checkpoints/put", json=body).status_code == 200
        assert next(line for line in lines if line.startswith("event:")) == "event: checkpoint"
        ended = []
        reader = threading.Thread(target=lambda: ended.append((list(lines), time.monotonic())))
        reader.start()
        began = time.monotonic()
        secure.stop()
        reader.join(5)
        [(rest, at)] = ended
        # What is left of the event that was begun, and nothing after it.
        assert not any(line.startswith("event:") for line in rest) and at - began < 1.5
