"""`milepost export` and `milepost import`: between stores, from LangGraph's SqliteSaver, killed, and damaged."""

import asyncio
import base64
import json
import os
import pty
import random
import signal
import sqlite3
import subprocess

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

import graphs
import load
from server import binary_path, clean_environment, wait_until
from test_startup import FAILED, USAGE, assert_refused, execute, milepost

DIFFERENT = 2
LIMIT = 120
THREADS = 40
BLOB_BYTES = 300_000


def start(*arguments, **streams):
    return subprocess.Popen([str(binary_path()), *map(str, arguments)], env=clean_environment(), **streams)


def url(path):
    return f"sqlite:{path}"


def import_json(target, file):
    """Imports and gives the exit code and what was printed."""
    ended = milepost("import", "--store", url(target), "--input", file, "--json")
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else ended.stderr


def export(source, file):
    ended = milepost("export", "--store", url(source), "--output", file)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    return ended.stderr


@pytest.fixture
def closed_file(start_server, sqlite_store, tmp_path):
    """A store that no server has open, of some megabytes that cannot be compressed."""
    server = start_server(sqlite_store)
    client = load.Client(server.port)
    source = random.Random(7)
    for number in range(THREADS):
        blob = base64.b64encode(source.randbytes(BLOB_BYTES)).decode()
        body = {
            "thread_id": f"thread-{number:03}",
            "checkpoint_id": "c1",
            "checkpoint": {"id": "c1", "channel_versions": {"messages": "1"}},
            "blobs": [{"channel": "messages", "version": "1", "type": "bytes", "blob": blob}],
        }
        assert client.post("put", body)[0] == 200
        write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "null", "blob": ""}
        place = {"thread_id": body["thread_id"], "checkpoint_id": "c1"}
        assert client.post("put-writes", {**place, "writes": [write]})[0] == 204
    client.close()
    server.stop()
    return tmp_path / "milepost.db"


# MARK: between stores


def test_between_stores(closed_file, tmp_path):
    source, file, target = closed_file, tmp_path / "a.jsonl.zst", tmp_path / "target.db"
    content = source.read_bytes()
    assert export(source, file) == f"exported {THREADS} threads, {3 * THREADS} rows, {file.stat().st_size // 1000:,} kB\n"
    assert source.read_bytes() == content
    assert file.stat().st_mode & 0o777 == 0o600
    counts = {"threads": THREADS, "rows": 3 * THREADS, "different": []}
    assert import_json(target, file) == (0, {
        "store": url(target), "ok": True, **counts, "imported": THREADS, "already_there": 0, "rows_added": 3 * THREADS,
    })
    assert import_json(target, file) == (0, {
        "store": url(target), "ok": True, **counts, "imported": 0, "already_there": THREADS, "rows_added": 0,
    })
    assert milepost("verify", "--store", url(target)).returncode == 0


def test_through_a_pipe_while_a_server_writes(start_server, sqlite_store, tmp_path):
    server = start_server(sqlite_store)
    with load.Load(server.port, "move", "move", clients=4) as running:
        wait_until(lambda: running.acknowledged > 300, 30, "some changes are stored")
        before = running.acknowledged
        exporting = start("export", "--store", sqlite_store, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        importing = start(
            "import", "--store", url(tmp_path / "target.db"), "--json", stdin=exporting.stdout, stdout=subprocess.PIPE
        )
        exporting.stdout.close()
        found = json.loads(importing.communicate(timeout=LIMIT)[0])
        assert (exporting.wait(LIMIT), importing.returncode) == (0, 0), exporting.stderr.read()
        exporting.stderr.close()
        assert running.acknowledged > before, "changes go on meanwhile"
    assert found["ok"] and found["imported"] == found["threads"] > 0
    assert milepost("verify", "--store", url(tmp_path / "target.db")).returncode == 0


def test_other_content_in_the_target(start_server, closed_file, tmp_path):
    file, target = tmp_path / "a.jsonl.zst", tmp_path / "target.db"
    export(closed_file, file)
    assert import_json(target, file)[0] == 0
    server = start_server(url(target))
    client = load.Client(server.port)
    assert client.post("delete-thread", {"thread_id": "thread-000"})[0] == 204
    checkpoint = {"id": "c1", "channel_versions": {"messages": "1"}}
    blobs = [{"channel": "messages", "version": "1", "type": "bytes", "blob": "b2F0cw=="}]
    other = {"thread_id": "thread-000", "checkpoint_id": "c1", "checkpoint": checkpoint, "blobs": blobs}
    assert client.post("put", other)[0] == 200
    client.close()
    server.stop()
    code, found = import_json(target, file)
    assert code == DIFFERENT
    assert (found["ok"], found["different"]) == (False, [{"tenant": "", "thread_id": "thread-000"}])
    ended = milepost("import", "--store", url(target), "--input", file)
    assert ended.returncode == DIFFERENT
    assert ended.stdout.splitlines() == [
        'different: thread "thread-000"', f"imported 0 threads (1 rows), {THREADS - 1} already there, 1 DIFFERENT in the store",
    ]


# MARK: killed


def test_a_killed_export_goes_on(closed_file, tmp_path):
    file, target = tmp_path / "a.jsonl.zst", tmp_path / "target.db"
    running = start("export", "--store", url(closed_file), "--output", file, stderr=subprocess.DEVNULL)
    wait_until(lambda: file.exists() and file.stat().st_size > 2 << 20, 60, "a part is written")
    running.kill()
    assert running.wait(LIMIT) == -signal.SIGKILL
    size = file.stat().st_size
    assert "of them before" in export(closed_file, file)
    assert file.stat().st_size > size
    code, found = import_json(target, file)
    assert (code, found["imported"]) == (0, THREADS)


def test_an_export_cut_off_anywhere_goes_on(closed_file, tmp_path):
    file, target = tmp_path / "a.jsonl.zst", tmp_path / "target.db"
    export(closed_file, file)
    whole = file.read_bytes()
    for cut in (500, len(whole) // 3, len(whole) - 1):
        file.write_bytes(whole[:cut])
        export(closed_file, file)
    code, found = import_json(target, file)
    assert (code, found["imported"]) == (0, THREADS)


def test_a_killed_import_goes_on(closed_file, tmp_path):
    file, target = tmp_path / "a.jsonl.zst", tmp_path / "target.db"
    export(closed_file, file)
    log = tmp_path / "target.db-wal"
    running = start("import", "--store", url(target), "--input", file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: log.exists() and log.stat().st_size > 2 << 20, 60, "a part is stored")
    running.kill()
    assert running.wait(LIMIT) == -signal.SIGKILL
    code, found = import_json(target, file)
    assert (code, found["ok"]) == (0, True)
    assert found["already_there"] > 0 and found["imported"] + found["already_there"] == THREADS


# MARK: damaged and refused


def test_damaged_files(closed_file, tmp_path):
    file = tmp_path / "a.jsonl.zst"
    export(closed_file, file)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    for number, (content, word) in enumerate([(flipped, "damaged at line"), (whole[: len(whole) // 2], "cut off after line")]):
        file.write_bytes(content)
        target = tmp_path / f"target-{number}.db"
        ended = milepost("import", "--store", url(target), "--input", file)
        assert_refused(ended, FAILED, word, "threads;")
        assert milepost("verify", "--store", url(target)).returncode == 0
    file.write_bytes(flipped)
    assert_refused(milepost("export", "--store", url(closed_file), "--output", file), FAILED, "damaged", "delete it")


def test_one_thread(closed_file, tmp_path):
    """--thread takes one along, and says so where there is none of that name."""
    one, file, target = "thread-003", tmp_path / "one.jsonl.zst", tmp_path / "one.db"
    ended = milepost("export", "--store", url(closed_file), "--thread", one, "--output", file)
    assert ended.returncode == 0, ended.stderr
    code, done = import_json(target, file)
    assert (code, done["threads"], done["imported"], done["rows_added"]) == (0, 1, 1, 3)
    # The same rows as when all are taken along.
    whole = tmp_path / "whole.jsonl.zst"
    export(closed_file, whole)
    assert import_json(target, whole)[1]["already_there"] == 1
    for options in (("--thread", "none"), ("--thread", one, "--tenant", "acme")):
        ended = milepost("export", "--store", url(closed_file), *options, "--output", tmp_path / "none.jsonl.zst")
        assert_refused(ended, FAILED, "has no thread", "--tenant")
        (tmp_path / "none.jsonl.zst").unlink()


def test_refused_exports(closed_file, tmp_path):
    file, other = tmp_path / "a.jsonl.zst", tmp_path / "other.db"
    export(closed_file, file)
    assert_refused(milepost("export", "--store", url(closed_file), "--output", file), FAILED, "finished", str(file))
    file.write_bytes(file.read_bytes()[:-1])
    execute(other, "CREATE TABLE recipes (name TEXT)")
    assert_refused(milepost("export", "--store", url(other), "--output", file), FAILED, "neither", str(other))
    copy = tmp_path / "copy.db"
    copy.write_bytes(closed_file.read_bytes())
    assert_refused(milepost("export", "--store", url(copy), "--output", file), FAILED, "another store", "--store")
    file.write_text("notes")
    assert_refused(milepost("export", "--store", url(closed_file), "--output", file), FAILED, "not an export")
    assert file.read_text() == "notes"
    assert_refused(milepost("export", "--store", url(closed_file), "--output", tmp_path), FAILED, str(tmp_path))
    assert_refused(milepost("export", "--store", "memory:"), USAGE, "memory:")
    assert_refused(milepost("export", "--store", url(tmp_path / "none.db")), FAILED, "none.db")


def test_refused_imports(closed_file, sqlite_store, start_server, tmp_path):
    target, file = tmp_path / "target.db", tmp_path / "notes"
    file.write_text("notes")
    assert_refused(milepost("import", "--store", url(target), "--input", file), FAILED, "not an export")
    assert_refused(milepost("import", "--store", url(target)), FAILED, "not an export")
    assert_refused(milepost("import", "--store", url(target), "--input", tmp_path / "none"), FAILED, "none", "--input")
    assert_refused(milepost("import", "--store", "memory:", "--input", file), USAGE, "memory:")
    assert not target.exists()
    moved = tmp_path / "a.jsonl.zst"
    export(closed_file, moved)
    start_server(sqlite_store)
    assert_refused(milepost("import", "--store", sqlite_store, "--input", moved), FAILED, "in use")


def test_terminals(closed_file):
    """Neither writes an export to a terminal nor waits for one from there."""
    outer, inner = pty.openpty()
    try:
        for command, stream in (("export", "stdout"), ("import", "stdin")):
            running = start(command, "--store", url(closed_file), stderr=subprocess.PIPE, **{stream: inner})
            assert b"terminal" in running.communicate(timeout=LIMIT)[1]
            assert running.returncode == USAGE
    finally:
        os.close(outer)
        os.close(inner)


# MARK: from LangGraph's SqliteSaver


SCENARIOS = {
    "tools": (graphs.tool_loop, {"messages": [("user", "multiply")]}, None),
    "approval": (graphs.approval, {"item": "tea", "answers": []}, "12"),
    "fan-out": (graphs.fan_out, {"numbers": [1, 2, 3], "squares": []}, "yes"),
    "child": (graphs.remembering_child, {"name": "a", "seen": []}, None),
    "asking child": (graphs.asking_child, {"name": "a", "steps": []}, "yes"),
    "counter": (graphs.counter, {"count": 0, "label": "", "trail": []}, None),
}


def config_of(thread_id):
    return {"configurable": {"thread_id": thread_id}}


async def run_graphs(path):
    """Leaves a file with a thread for each scenario."""
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await begin(saver)


async def begin(saver):
    """A thread for each scenario, some of them waiting at an interrupt."""
    for thread_id, (build, given, _) in SCENARIOS.items():
        await build().compile(checkpointer=saver).ainvoke(given, config_of(thread_id))


async def everything(saver, configs):
    """What a saver answers for each of the checkpoints, as far as savers must agree."""
    return [tuple_summary(await saver.aget_tuple(config)) for config in configs]


def tuple_summary(found):
    return {
        "config": found.config["configurable"],
        "checkpoint": found.checkpoint,
        "metadata": found.metadata,
        "parent": found.parent_config and found.parent_config["configurable"],
        "writes": found.pending_writes,
    }


async def resume(saver):
    """Answers the threads that wait, and gives the states of all."""
    states = {}
    for thread_id, (build, _, answer) in SCENARIOS.items():
        graph = build().compile(checkpointer=saver)
        states[thread_id] = [graphs.summary(await graph.aget_state(config_of(thread_id)))]
        if answer is not None:
            await graph.ainvoke(Command(resume=answer), config_of(thread_id))
            states[thread_id].append(graphs.summary(await graph.aget_state(config_of(thread_id))))
    return states


@pytest.mark.parametrize("has_task_path", [True, False], ids=["now", "first layout"])
def test_from_sqlite_saver(has_task_path, start_server, tmp_path):
    source, file, target = tmp_path / "langgraph.sqlite", tmp_path / "a.jsonl.zst", tmp_path / "milepost.db"
    asyncio.run(run_graphs(source))
    if not has_task_path:
        execute(source, "ALTER TABLE writes DROP COLUMN task_path")
    connection = sqlite3.connect(source)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows = connection.execute("SELECT thread_id, checkpoint_ns, checkpoint_id FROM checkpoints").fetchall()
    writes = connection.execute("SELECT count(*) FROM writes").fetchone()[0]
    connection.close()
    content = source.read_bytes()
    export(source, file)
    assert source.read_bytes() == content
    code, found = import_json(target, file)
    assert (code, found["imported"], found["ok"]) == (0, len(SCENARIOS), True)
    counts = json.loads(milepost("verify", "--store", url(target), "--json").stdout)
    assert (counts["checkpoints"], counts["writes"]) == (len(rows), writes)
    assert len({namespace for _, namespace, _ in rows}) > 2, "there are subgraphs"

    server = start_server(url(target))
    configs = [
        {"configurable": dict(zip(("thread_id", "checkpoint_ns", "checkpoint_id"), row, strict=True))} for row in rows
    ]

    async def compare():
        async with AsyncSqliteSaver.from_conn_string(str(source)) as old:
            async with AsyncAgentex(base_url=server.base_url, max_retries=0) as client:
                new = HttpCheckpointSaver(client)
                assert await everything(new, configs) == await everything(old, configs)
                expected = await resume(old)
                assert await resume(new) == expected
                assert any(state["interrupts"] for states in expected.values() for state in states)

    asyncio.run(compare())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE checkpoints SET type = 'msgpack+aes' WHERE thread_id = 'counter'", ["counter", "msgpack+aes"]),
        ("UPDATE checkpoints SET checkpoint = substr(checkpoint, 1, 90) WHERE thread_id = 'counter'", ["counter", "middle"]),
        ("UPDATE checkpoints SET metadata = '{\"a\": NaN}' WHERE thread_id = 'counter'", ["counter", "metadata"]),
    ],
    ids=["encrypted", "cut off", "no JSON"],
)
def test_what_cannot_be_converted(change, words, tmp_path):
    source, file = tmp_path / "langgraph.sqlite", tmp_path / "a.jsonl.zst"
    asyncio.run(run_graphs(source))
    execute(source, change)
    ended = milepost("export", "--store", url(source), "--output", file)
    assert_refused(ended, FAILED, "thread", "checkpoint", *words)
    # It is no whole export: nobody takes it for one.
    assert import_json(tmp_path / "target.db", file)[0] == FAILED


def test_one_version_of_two_values(tmp_path):
    """Versions that are plain numbers may meet, as of a thread and its fork: nothing is dropped in silence."""
    source = tmp_path / "langgraph.sqlite"
    with SqliteSaver.from_conn_string(str(source)) as saver:
        for number, value in enumerate([[1], [1], [2]]):
            checkpoint = {**empty_checkpoint(), "id": f"c{number}"}
            checkpoint |= {"channel_values": {"k": value, "n": number}, "channel_versions": {"k": 1, "n": 1}}
            config = {"configurable": {"thread_id": "forked", "checkpoint_ns": ""}}
            saver.put(config, checkpoint, {"source": "loop", "step": number}, {"k": 1})
    ended = milepost("export", "--store", url(source), "--output", tmp_path / "a.jsonl.zst")
    assert_refused(ended, FAILED, '"forked"', '"c2"', "two values")
