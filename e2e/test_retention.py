"""What goes by itself: LangGraph's graphs over a server that keeps only the newest checkpoints, settings of single threads over
HTTP, and `milepost prune` beside and instead of a server."""

import asyncio
import base64
import json
import subprocess
import time
import uuid

import httpx
import pytest
from agentex import AsyncAgentex
from agentex.lib.adk._modules._http_checkpointer import HttpCheckpointSaver
from langgraph.types import Command

import graphs
from server import binary_path, clean_environment, wait_until
from test_metrics import scrape

STORES = ["sqlite", "postgres"]
LIMIT = 30.0
OLD = "2024-01-01T00:00:00.000000+00:00"


@pytest.fixture(params=STORES)
def store(request, sqlite_store, postgres_store):
    return sqlite_store if request.param == "sqlite" else postgres_store


def post(client, call, body):
    answer = client.post(f"/checkpoints/{call}", json=body)
    assert answer.status_code in (200, 204), f"{call}: {answer.status_code} {answer.text[:300]}"
    return answer.json() if answer.status_code == 200 else None


def checkpoint_id(number):
    return f"1f0c0000-0000-6000-8000-{number:012x}"


def fill(client, thread, steps=6, time=OLD, text="said "):
    for number in range(steps):
        version = f"{number + 1:032}.0"
        value = base64.b64encode((text * 50 * (number + 1)).encode()).decode()
        post(
            client,
            "put",
            {
                "thread_id": thread,
                "checkpoint_id": checkpoint_id(number),
                "parent_checkpoint_id": checkpoint_id(number - 1) if number else None,
                "checkpoint": {"v": 4, "ts": time, "id": checkpoint_id(number), "channel_versions": {"a": version}},
                "metadata": {"source": "loop", "run_id": thread},
                "blobs": [{"channel": "a", "version": version, "type": "bytes", "blob": value}],
            },
        )


def ids(client, thread):
    return [found["checkpoint_id"] for found in post(client, "list", {"thread_id": thread})]


def milepost(*arguments):
    command = [str(binary_path()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean_environment(), timeout=120, check=False)


def swept(server):
    return [record for record in server.log_records() if record.get("message") == "swept"]


def test_a_graph_that_waits_for_answers_goes_on_while_only_the_newest_checkpoints_are_kept(start_server, store):
    """Every answer comes after a sweep has pruned the thread."""
    server = start_server(store, "--retain-last", "1", "--sweep-interval", "1s")

    async def scenario():
        client = AsyncAgentex(base_url=server.base_url)
        graph = graphs.approval().compile(checkpointer=HttpCheckpointSaver(client))
        config = {"configurable": {"thread_id": f"order-{uuid.uuid4().hex}"}}
        answers = [await graph.ainvoke({"item": "tea", "answers": [], "status": "new"}, config)]
        asked = []
        for resume in (12, "yes"):
            asked += [found.value["question"] for found in answers[-1]["__interrupt__"]]
            before = len([found async for found in graph.aget_state_history(config)])
            count = len(swept(server))
            # A thread that is not larger than it must be is not swept: put something that goes.
            filler = f"filler-{uuid.uuid4().hex}"
            with httpx.Client(base_url=server.base_url) as http:
                fill(http, filler, 3)
            wait_until(lambda: len(swept(server)) > count, LIMIT, "a sweep")
            assert len([found async for found in graph.aget_state_history(config)]) <= before
            answers.append(await graph.ainvoke(Command(resume=resume), config))
        state = await graph.aget_state(config)
        return asked, answers[-1], state

    asked, last, state = asyncio.run(scenario())
    assert asked == ["How many?", "Order 12?"]
    assert last == {"item": "tea", "answers": ["12", "yes"], "status": "ordered"}
    assert state.next == ()


def test_an_agent_s_long_thread_keeps_its_state_and_its_newest_checkpoints(start_server, store):
    server = start_server(store, "--retain-last", "2", "--sweep-interval", "1s")
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "long", 60)
        head = post(client, "get-tuple", {"thread_id": "long"})
        wait_until(lambda: len(ids(client, "long")) == 2, LIMIT, "the thread is pruned")
        assert ids(client, "long") == [checkpoint_id(59), checkpoint_id(58)]
        assert post(client, "get-tuple", {"thread_id": "long"})["blobs"] == head["blobs"]
        wait_until(lambda: swept(server), LIMIT, "the sweep is logged")
        record = swept(server)[0]
        assert record["checkpoints"] > 0 and record["pruned"] == 1
        page = scrape(f"{server.base_url}/metrics")
        assert page.get("milepost_retention_sweeps_total") >= 1
        assert page.get("milepost_retention_deleted_checkpoints_total") == record["checkpoints"]
        assert page.get("milepost_retention_last_sweep_seconds") == pytest.approx(time.time(), abs=60)


def test_times_and_holds_are_set_over_http(start_server, store):
    server = start_server(store, "--sweep-interval", "1s")
    with httpx.Client(base_url=server.base_url) as client:
        for thread in ("timed", "held", "plain"):
            fill(client, thread)
        assert client.get("/threads/none/retention").status_code == 404
        assert client.put("/threads/none/retention", json={}).status_code == 404
        assert client.put("/threads/held/retention", json={"ttl": 0}).status_code == 422
        wrong = client.put("/threads/held/retention", json={"pin": [checkpoint_id(1), "none"]})
        assert wrong.status_code == 422 and wrong.json()["detail"][0]["loc"] == ["body", "pin", 1]
        body = {"ttl": 5, "pin": [{"checkpoint_id": checkpoint_id(1)}], "hold": True}
        answer = client.put("/threads/held/retention", json=body)
        expected = {
            "thread_id": "held",
            "ttl": 5,
            "pin": [{"checkpoint_ns": "", "checkpoint_id": checkpoint_id(1)}],
            "hold": True,
        }
        assert answer.json() == client.get("/threads/held/retention").json() == expected
        assert client.put("/threads/timed/retention", json={"ttl": 5}).status_code == 200
        wait_until(lambda: ids(client, "timed") == [], LIMIT, "the thread's time is over")
        assert client.get("/threads/timed/retention").status_code == 404
        assert len(ids(client, "held")) == len(ids(client, "plain")) == 6
        refused = client.post("/checkpoints/delete-thread", json={"thread_id": "held"})
        assert refused.status_code == 409 and "release" in refused.json()["detail"]
        assert client.post("/checkpoints/delete-for-runs", json={"run_ids": ["held"]}).status_code == 409
        pruned = post(client, "prune", {"thread_ids": ["held"], "strategy": "delete"})
        assert pruned["threads"][0]["held"] is True and pruned["checkpoints"] == 0
        client.put("/threads/held/retention", json={**body, "hold": False})
        wait_until(lambda: ids(client, "held") == [checkpoint_id(5), checkpoint_id(1)], LIMIT, "only the pin stays")
        post(client, "delete-thread", {"thread_id": "held"})
        assert ids(client, "held") == []


def test_prune_says_what_would_go_beside_a_server_and_takes_it_without_one(start_server, sqlite_store):
    server = start_server(sqlite_store)
    arguments = ["prune", "--store", sqlite_store, "--idle", "30d"]
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "old", 40, text=uuid.uuid4().hex * 40)
        fill(client, "new", time="2999-01-01T00:00:00+00:00")
        said = milepost(*arguments, "--json")
        assert said.returncode == 0, said.stderr
        report = json.loads(said.stdout)
        assert report["applied"] is False and report["looked_at"] == 2
        assert [(found["thread_id"], found["outcome"], found["checkpoints"]) for found in report["threads"]] == [
            ("old", "deleted", 40)
        ]
        assert len(ids(client, "old")) == 40
        refused = milepost(*arguments, "--apply")
        assert refused.returncode == 1 and "set the policy in that server" in refused.stderr
    server.stop()
    done = milepost(*arguments, "--apply")
    assert done.returncode == 0, done.stderr
    assert "1 threads deleted" in done.stdout and "given back to the file system" in done.stdout
    again = milepost(*arguments, "--apply", "--json")
    assert json.loads(again.stdout)["deleted"] == 0
    server.start()
    with httpx.Client(base_url=server.base_url) as client:
        assert ids(client, "old") == [] and len(ids(client, "new")) == 6


def test_prune_over_postgresql_goes_beside_servers(start_server, postgres_store):
    server = start_server(postgres_store)
    with httpx.Client(base_url=server.base_url) as client:
        fill(client, "old", 5)
        arguments = ["prune", "--store", postgres_store, "--keep-last", "2", "--json"]
        assert json.loads(milepost(*arguments).stdout)["pruned"] == 1
        assert len(ids(client, "old")) == 5
        done = milepost(*arguments, "--apply")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["checkpoints"] == 3
        assert ids(client, "old") == [checkpoint_id(4), checkpoint_id(3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "there is no policy"),
        (["--idle", "soon"], "--idle is 'soon'"),
        (["--keep-last", "0"], "--keep-last is 0"),
        (["--retention-file", "wrong.json"], "'tenants.acme.idel' is not known"),
    ],
)
def test_wrong_usage_is_64_and_says_what_to_do(tmp_path, options, words):
    (tmp_path / "wrong.json").write_text('{"tenants": {"acme": {"idel": "1d"}}}')
    options = [str(tmp_path / "wrong.json") if option == "wrong.json" else option for option in options]
    said = milepost("prune", "--store", f"sqlite:{tmp_path}/none.db", *options)
    assert said.returncode == 64 and words in said.stderr


def test_a_server_with_a_wrong_retention_file_does_not_start(tmp_path):
    (tmp_path / "wrong.json").write_text('{"default": {"last": "many"}}')
    said = milepost("serve", "--store", "memory:", "--port", "0", "--retention-file", str(tmp_path / "wrong.json"))
    assert said.returncode == 64 and "'default.last' is no number" in said.stderr
