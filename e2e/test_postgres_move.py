"""`milepost export` and `milepost import` with PostgreSQL: from LangGraph's PostgresSaver, and between stores of two kinds."""

import asyncio

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

import load
import postgres
from exports import threads_of
from server import wait_until
from test_move import begin, everything, resume
from test_startup import milepost


def export(store, file, *options):
    ended = milepost("export", "--store", store, "--output", file, *options)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def test_from_a_database_that_only_langgraph_knows(start_server, sqlite_store, tmp_path):
    """Nothing is added to it, and every checkpoint reads through Milepost as through the saver that wrote it."""
    database = postgres.new_database()

    async def prepare():
        async with AsyncPostgresSaver.from_conn_string(database) as saver:
            await saver.setup()
            await begin(saver)
            names = ("thread_id", "checkpoint_ns", "checkpoint_id")
            found = postgres.query(database, f"SELECT {', '.join(names)} FROM checkpoints")
            configs = [{"configurable": dict(zip(names, row, strict=True))} for row in found]
            return configs, await everything(saver, configs)

    configs, expected = asyncio.run(prepare())
    before = postgres.schema(database)
    export(database, tmp_path / "a.jsonl.zst")
    assert postgres.schema(database) == before
    ended = milepost("import", "--store", sqlite_store, "--input", tmp_path / "a.jsonl.zst")
    assert ended.returncode == 0, ended.stderr
    server = start_server(sqlite_store)

    async def compare():
        async with AsyncAgentex(base_url=server.base_url, max_retries=0) as client:
            saver = HttpCheckpointSaver(client)
            assert await everything(saver, configs) == expected
            return await resume(saver)

    async def on_the_original():
        async with AsyncPostgresSaver.from_conn_string(database) as saver:
            return await resume(saver)

    assert asyncio.run(compare()) == asyncio.run(on_the_original())


@pytest.mark.parametrize("first", ["postgres", "sqlite"])
def test_there_and_back(start_server, postgres_store, sqlite_store, tmp_path, first):
    """Between stores of two kinds nothing is lost or altered: the exports are the same line by line."""
    source, target = (postgres_store, sqlite_store) if first == "postgres" else (sqlite_store, postgres_store)
    server = start_server(source)
    with load.Load(server.port, "there", "there", clients=4) as running:
        wait_until(lambda: running.acknowledged > 400, 60, "some changes are stored")
    exact = {"thread_id": "exact", "checkpoint_id": "c1", "metadata": {"z": 1.0, "a": "x\x00y"}}
    client = load.Client(server.port)
    assert client.post("put", {**exact, "checkpoint": {"z": 1e16, "a": [1.0, "\x00"]}})[0] == 200
    # In the order of bytes, of a language, and of what is stored these three are not the same.
    for name in ("a", "B", "\x1f1:a"):
        assert client.post("put", {"thread_id": name, "checkpoint_id": "c1", "checkpoint": {}})[0] == 200
    client.close()
    server.stop()
    export(source, tmp_path / "a.jsonl.zst")
    for expected in ("imported 8 threads", "imported 0 threads"):
        ended = milepost("import", "--store", target, "--input", tmp_path / "a.jsonl.zst")
        assert ended.returncode == 0 and expected in ended.stdout, ended.stdout + ended.stderr
    export(target, tmp_path / "b.jsonl.zst")
    found = threads_of(tmp_path / "b.jsonl.zst")
    assert len(found) == 8 and found == threads_of(tmp_path / "a.jsonl.zst")
    third = f"sqlite:{tmp_path / 'third.db'}"
    ended = milepost("import", "--store", third, "--input", tmp_path / "b.jsonl.zst")
    assert ended.returncode == 0 and "imported 8 threads" in ended.stdout, ended.stdout + ended.stderr
    assert milepost("verify", "--store", target).returncode == 0


def test_a_database_without_tables_is_refused(tmp_path):
    ended = milepost("export", "--store", postgres.new_database(), "--output", tmp_path / "a.jsonl.zst")
    assert ended.returncode == 1 and "there are no checkpoints" in ended.stderr
