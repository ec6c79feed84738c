"""Two Milepost processes over one database answer as one would."""

import contextlib

import pytest

import history
import load
import patient
import postgres
from linearizability import NotLinearizable, check_file
from server import Server, wait_until

ROUNDS = 6


@pytest.fixture(scope="module")
def database():
    return postgres.new_database()


@pytest.fixture(scope="module")
def two_servers(database, tmp_path_factory):
    directory = tmp_path_factory.mktemp("two")
    servers = [Server(database, directory).start() for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


def ports_of(servers):
    return [server.port for server in servers]


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_histories_are_linearizable(two_servers, tmp_path, seed, round_number):
    """Many clients on few keys: what they are answered could have come from one store, one request at a time."""
    history.record(tmp_path / "history.jsonl", ports_of(two_servers), f"round-{round_number}", seed)
    threads = check_file(tmp_path / "history.jsonl").threads
    assert len(threads) == 3
    for operations in threads.values():
        assert len(operations) > 50 and all(operation.is_known for operation in operations)


def test_what_one_has_stored_the_other_reads_at_once(two_servers, thread_id):
    with contextlib.ExitStack() as stack:
        clients = [load.Client(server.port) for server in two_servers]
        for client in clients:
            stack.callback(client.close)
        for number in range(100):
            writer, reader = clients[number % 2], clients[1 - number % 2]
            key = {"thread_id": thread_id, "checkpoint_id": f"{number:04d}"}
            write = {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": "YQ=="}
            assert writer.post("put", {**key, "checkpoint": {"n": number}})[0] == 200
            assert reader.post("get-tuple", {"thread_id": thread_id})[1]["checkpoint"] == {"n": number}
            assert reader.post("put-writes", {**key, "writes": [write]})[0] == 204
            assert writer.post("get-tuple", key)[1]["pending_writes"] == [write]
            listed = writer.post("list", {"thread_id": thread_id, "limit": 1})[1]
            assert [item["checkpoint_id"] for item in listed] == [key["checkpoint_id"]]
        assert writer.post("delete-thread", {"thread_id": thread_id})[0] == 204
        assert reader.post("get-tuple", {"thread_id": thread_id})[1] is None


def test_histories_are_linearizable_while_connections_end(two_servers, database, tmp_path, seed):
    """What nobody knows the outcome of may have happened or not; what was answered was never undone, lost or halved."""
    ports = ports_of(two_servers)
    for number in range(2):
        path = tmp_path / f"history-{number}.jsonl"
        with postgres.Storm(database, 0.03) as storm:
            history.record(path, ports, f"storm-{number}", seed, clients=4, threads=2, requests=30, may_repeat=True)
        assert storm.ended > 0
        check_file(path)


SLOWLY = """CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(0.5);
        RETURN NULL;
    END $$"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


@pytest.mark.parametrize("call", ["put", "put-writes", "upsert"])
def test_a_thread_is_deleted_while_a_request_is_stored(start_server, postgres_store, thread_id, call):
    """The request adds to rows that are there and are being deleted: all of it is left, or nothing."""
    first, second = start_server(postgres_store), start_server(postgres_store)
    key = {"thread_id": thread_id, "checkpoint_id": "c1"}
    blobs = [{"channel": "c", "version": "1", "type": "bytes", "blob": "YQ=="}]
    writes = [{"task_id": "t", "idx": idx, "channel": "c", "type": "bytes", "blob": "YQ=="} for idx in range(3)]
    put = {**key, "checkpoint": {"channel_versions": {"c": "1"}}, "blobs": blobs}
    some = {**key, "writes": writes[1:2]}
    client = load.Client(second.port)
    assert [client.post("put", put)[0], client.post("put-writes", some)[0]] == [200, 204]
    postgres.execute(postgres_store, SLOWLY)
    for table in postgres.TABLES:
        trigger = f"CREATE TRIGGER slowly AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION slowly()"
        postgres.execute(postgres_store, trigger)
    every = {**key, "writes": writes, "upsert": call == "upsert"}
    request = ("put", {**put, "checkpoint_id": "c2"}) if call == "put" else ("put-writes", every)
    adding = patient.Call(first.port, *request)
    wait_until(lambda: postgres.value(postgres_store, SLEEPING) > 0, 10, "the request is being stored")
    assert client.post("delete-thread", {"thread_id": thread_id})[0] == 204
    assert adding.ended().status in (200, 204)
    if call == "put":
        found = client.post("get-tuple", {"thread_id": thread_id})[1]
        assert found is None or (found["checkpoint_id"], found["blobs"]) == ("c2", blobs)
    else:
        # Writes are seen once their checkpoint is there.
        assert client.post("put", put)[0] == 200
        assert client.post("get-tuple", key)[1]["pending_writes"] in ([], writes)


def test_what_was_seen_beside_what_is_deleted_is_deleted_too(start_server, postgres_store, thread_id):
    """A put that is stored and read while its thread is being deleted: the reader saw the old, so the deletion is later."""
    first, second = start_server(postgres_store), start_server(postgres_store)
    client = load.Client(first.port)
    old, new = ({"thread_id": thread_id, "checkpoint_id": name, "checkpoint": {}} for name in ("c1", "c2"))
    assert client.post("put", old)[0] == 200
    trigger = "CREATE TRIGGER slowly AFTER DELETE ON checkpoints FOR EACH STATEMENT EXECUTE FUNCTION slowly()"
    postgres.execute(postgres_store, SLOWLY, trigger)
    deleting = patient.Call(second.port, "delete-thread", {"thread_id": thread_id})
    wait_until(lambda: postgres.value(postgres_store, SLEEPING) > 0, 10, "the thread is being deleted")
    assert client.post("put", new)[0] == 200
    seen, left = listed(client, thread_id), deleting.ended() and listed(client, thread_id)
    assert deleting.status == 204
    assert left == ([] if "c1" in seen else ["c2"]), f"{seen} before, {left} after the deletion"


def listed(client, thread_id):
    return [item["checkpoint_id"] for item in client.post("list", {"thread_id": thread_id})[1]]


def test_two_stores_are_not_one(start_server, tmp_path, seed):
    """The same clients over two servers with a memory each: that this is seen is what the tests above rest on."""
    servers = [start_server("memory:") for _ in range(2)]
    history.record(tmp_path / "history.jsonl", ports_of(servers), "apart", seed, threads=1)
    with pytest.raises(NotLinearizable):
        check_file(tmp_path / "history.jsonl")
