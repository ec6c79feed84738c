"""In front of LangGraph's tables and away again: what Milepost adds to a database, and that LangGraph never minds."""

import asyncio
import json
import re

import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command

import graphs
import postgres
import wire
from server import REPOSITORY

COLUMNS = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes"
OF_LANGGRAPH = {"checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_migrations"}


def set_up(url):
    """LangGraph's own setup()."""
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()


def post(server, call, body):
    answer = wire.post(server.port, f"/checkpoints/{call}", body)
    assert answer.status in (200, 204), answer
    return answer


def columns(url):
    return set(postgres.query(url, f"{COLUMNS} WHERE table_schema = 'public'"))


def indexes(url):
    return set(postgres.query(url, f"{INDEXES} WHERE schemaname = 'public'"))


# MARK: the tables


def test_what_milepost_adds_is_additive(start_server, postgres_store):
    """Nothing of LangGraph's is changed: nullable columns, indexes and tables are added, by names of their own."""
    set_up(postgres_store)
    columns_before, indexes_before = columns(postgres_store), indexes(postgres_store)
    start_server(postgres_store)
    assert columns_before <= columns(postgres_store) and indexes_before <= indexes(postgres_store)
    for table, column, _, is_nullable, _ in columns(postgres_store) - columns_before:
        assert table.startswith("milepost_") or (column.startswith("milepost_") and is_nullable == "YES")
    for table, index, _ in indexes(postgres_store) - indexes_before:
        assert index.startswith("milepost_") and (table in OF_LANGGRAPH or table.startswith("milepost_"))


def test_setup_changes_nothing_of_a_database_that_milepost_made(start_server, postgres_store):
    start_server(postgres_store)
    before = postgres.schema(postgres_store)
    assert postgres.query(postgres_store, "SELECT v FROM checkpoint_migrations ORDER BY v") == [(v,) for v in range(10)]
    set_up(postgres_store)
    assert postgres.schema(postgres_store) == before
    assert postgres.value(postgres_store, "SELECT count(*) FROM checkpoint_migrations") == 10


def test_both_make_the_same_tables(start_server, postgres_store):
    theirs = postgres.new_database()
    set_up(theirs)
    start_server(postgres_store)
    added = re.compile("milepost_").match
    ours = {column for column in columns(postgres_store) if not added(column[0]) and not added(column[1])}
    assert ours == columns(theirs)
    keys = {index for index in indexes(theirs) if index[1].endswith("_pkey")}
    assert keys <= indexes(postgres_store)


# MARK: one checkpoint, two writers

EXACT = [
    '{"v":4,"id":"c1","n":1.0,"big":1e16,"channel_versions":{},"z":1,"a":[1e2,-0.0]}',
    '{"v":4,"id":"c1","text":"a\\u0000b","channel_versions":{}}',
    '{"v":4,"id":"c1","digits":123456789012345678901234567890.5000,"channel_versions":{}}',
]


@pytest.mark.parametrize("text", EXACT)
def test_the_other_saver_overwrites_a_checkpoint(start_server, postgres_store, thread_id, text):
    """Milepost keeps a text exactly, also where JSONB cannot; once LangGraph has written over it, that is what counts."""
    server = start_server(postgres_store)
    body = f'{{"thread_id":"{thread_id}","checkpoint_id":"c1","checkpoint":{text},"metadata":{{"step":1.0}}}}'
    post(server, "put", body.encode())
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
    assert text.encode() in found.body and b'"metadata":{"step":1.0}' in found.body
    theirs = {**empty_checkpoint(), "id": "c1"}
    with PostgresSaver.from_conn_string(postgres_store) as saver:
        config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        saver.put(config, theirs, {"source": "update", "step": 7}, {})
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json()
    assert found["metadata"] == {"source": "update", "step": 7}
    assert (found["checkpoint"]["ts"], found["checkpoint"]["id"]) == (theirs["ts"], "c1")
    listed = wire.post(server.port, "/checkpoints/list", {"thread_id": thread_id}).json()
    assert [(item["checkpoint"], item["metadata"]) for item in listed] == [(found["checkpoint"], found["metadata"])]
    post(server, "put", body.encode())
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
    assert text.encode() in found.body and b'"metadata":{"step":1.0}' in found.body


def test_a_filter_sees_what_the_other_saver_wrote(start_server, postgres_store, thread_id):
    server = start_server(postgres_store)
    put = {"thread_id": thread_id, "checkpoint_id": "c1", "checkpoint": {"id": "c1"}, "metadata": {"by": "a\0b"}}
    post(server, "put", put)
    with PostgresSaver.from_conn_string(postgres_store) as saver:
        config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        saver.put(config, {**empty_checkpoint(), "id": "c1"}, {"by": "LangGraph"}, {})
    for wanted, count in (({"by": "LangGraph"}, 1), ({"by": "a\0b"}, 0)):
        page = {"thread_id": thread_id, "filter_metadata": wanted}
        assert len(post(server, "list", page).json()) == count


# MARK: taking it away


def removal():
    """The statements that docs/postgresql.md has under "Taking it away"."""
    path = REPOSITORY / "docs/postgresql.md"
    assert path.exists(), "docs/postgresql.md is missing"
    section = re.search(r"^##+ Taking it away\n(.*?)(?=^##? |\Z)", path.read_text(encoding="utf-8"), re.S | re.M)
    assert section, 'docs/postgresql.md has no section "Taking it away"'
    blocks = re.findall(r"^```sql\n(.*?)^```", section[1], re.S | re.M)
    assert blocks, '"Taking it away" has no ```sql block'
    return "".join(blocks)


@pytest.mark.parametrize("made_by", ["LangGraph", "Milepost"])
@pytest.mark.parametrize("is_cleaned", [False, True], ids=["as it is", "cleaned"])
def test_without_milepost_a_langgraph_database_is_left(start_server, postgres_store, thread_id, is_cleaned, made_by):
    if made_by == "LangGraph":
        set_up(postgres_store)
    server = start_server(postgres_store)
    asyncio.run(begin_through(server, thread_id))
    server.stop()
    before = postgres.rows(postgres_store)
    if is_cleaned:
        done = postgres.run_psql(postgres_store, removal())
        assert done.returncode == 0, done.stderr
        assert "milepost" not in "\n".join(postgres.schema(postgres_store))
    assert postgres.rows(postgres_store) == before and all(before[table] for table in postgres.TABLES)
    set_up(postgres_store)
    assert asyncio.run(finish_with_langgraph(postgres_store, thread_id))["answers"] == ["12", "yes"]


@pytest.mark.parametrize("made_by", ["LangGraph", "Milepost"])
def test_milepost_comes_back_after_it_was_taken_away(start_server, postgres_store, thread_id, made_by):
    if made_by == "LangGraph":
        set_up(postgres_store)
    server = start_server(postgres_store)
    asyncio.run(begin_through(server, thread_id))
    server.stop()
    assert postgres.run_psql(postgres_store, removal()).returncode == 0
    asyncio.run(finish_with_langgraph(postgres_store, thread_id))
    server.start()
    found = post(server, "get-tuple", {"thread_id": thread_id}).json()
    listed = post(server, "list", {"thread_id": thread_id}).json()
    assert found["checkpoint_id"] == listed[0]["checkpoint_id"] and len(listed) > 2
    assert json.dumps(found["checkpoint"]["channel_values"]["status"]) == '"ordered"'


async def begin_through(server, thread_id):
    """Runs a graph to its first question through Milepost."""
    async with AsyncAgentex(base_url=server.base_url, max_retries=0) as client:
        graph = graphs.approval().compile(checkpointer=HttpCheckpointSaver(client))
        config = {"configurable": {"thread_id": thread_id}}
        await graph.ainvoke({"item": "bolts", "answers": [], "status": "new"}, config)


async def finish_with_langgraph(url, thread_id):
    """Answers the graph's questions through LangGraph's own saver."""
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        graph = graphs.approval().compile(checkpointer=saver)
        config = {"configurable": {"thread_id": thread_id}}
        for answer in (12, "yes"):
            last = await graph.ainvoke(Command(resume=answer), config)
        return last
