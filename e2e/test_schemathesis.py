"""schemathesis calls everything in the served OpenAPI document with what it allows and with what it does not.

Every answer has to be one of those that the document names, with the content type, headers and body that it says, and
none a 5xx. All phases: the requests of `test_keys.NEEDS` as examples; each bound and each wrong type (coverage); random
data (fuzzing); and chains of calls, which the links here lead through: what one stored, others find, change and delete
(stateful). Servers that are open and that have keys, on SQLite and PostgreSQL; a right key, keys of one scope, a wrong
one and none. `schema_hooks.py` says which rules the document cannot. MILEPOST_SCHEMA_EXAMPLES=500 is the long form: so
many random requests a call, not 10.
"""

import copy
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

import wire
from security import ALL_SCOPES, Caller, KeysFile, bearer, fill
from schema_hooks import THREADS
from server import clean_environment
from test_keys import NEEDS

pytestmark = pytest.mark.breaking

EXAMPLES = os.environ.get("MILEPOST_SCHEMA_EXAMPLES", "10")
CALL_LIMIT = 30
RUN_LIMIT = 3600
# An answer without end: `test_the_head_of_events` asks for it.
EVENTS = "/threads/{thread_id}/events"
PHASES = ("examples", "coverage", "fuzzing", "stateful")
KEY = {"thread_id": "thread_id", "checkpoint_ns": "checkpoint_ns", "checkpoint_id": "checkpoint_id"}
THREAD = {"thread_id": "thread_id"}
# What a put answers leads to these: the path, and which field of the answer is which of theirs.
AFTER_PUT = {
    "/checkpoints/get-tuple": KEY,
    "/checkpoints/put-writes": KEY,
    "/checkpoints/list": THREAD,
    "/checkpoints/delta-channel-history": KEY,
    "/checkpoints/copy-thread": {"source_thread_id": "thread_id"},
    "/checkpoints/delete-thread": THREAD,
    "/inspector/history": THREAD,
    "/inspector/checkpoint": KEY,
    "/inspector/sizes": THREAD,
}


# MARK: the document, with what schemathesis begins with


def document_of(server):
    """What the server serves, with examples and links."""
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=wire.TIMEOUT).json()
    for (method, path), (_, body) in NEEDS.items():
        operation = document["paths"][path][method.lower()]
        if body is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = body
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                parameter["example"] = "t"
    add_links(document["paths"])
    return document


def add_links(paths):
    after_put = {
        path: {
            "operationId": paths[path]["post"]["operationId"],
            "requestBody": {name: f"$response.body#/{found}" for name, found in fields.items()},
        }
        for path, fields in AFTER_PUT.items()
    }
    for method in ("get", "put"):
        operation = paths["/threads/{thread_id}/retention"][method]["operationId"]
        after_put[f"{method} retention"] = link_to_thread(operation, "/thread_id")
    thread = paths["/threads/{thread_id}"]["get"]["operationId"]
    after_put["thread"] = link_to_thread(thread, "/thread_id")
    paths["/checkpoints/put"]["post"]["responses"]["200"]["links"] = after_put
    paths["/threads"]["get"]["responses"]["200"]["links"] = {"thread": link_to_thread(thread, "/threads/0/thread_id")}
    after_delete = {
        name: {
            "operationId": paths[name]["post"]["operationId"],
            "requestBody": {"thread_id": "$request.body#/thread_id"},
        }
        for name in ("/checkpoints/get-tuple", "/checkpoints/put-writes", "/checkpoints/put")
    }
    paths["/checkpoints/delete-thread"]["post"]["responses"]["204"]["links"] = after_delete


def link_to_thread(operation, pointer):
    return {"operationId": operation, "parameters": {"thread_id": f"$response.body#{pointer}"}}


# MARK: a run


class Run:
    """One run of schemathesis; `report` is what it says of itself."""

    def __init__(self, server, directory, seed, *options, document=None, examples=EXAMPLES, **environment):
        described, reported = directory / "openapi.json", directory / "report.json"
        described.write_text(json.dumps(document or document_of(server)), encoding="utf-8")
        command = [sys.executable, "-m", "schemathesis.cli", "run", described, "--url", server.base_url]
        command += ["--exclude-path", EVENTS, "--seed", seed, "--max-examples", examples, "--no-color"]
        command += ["--suppress-health-check", "all", "--request-timeout", CALL_LIMIT, "--generation-database", "none"]
        command += ["--phases", ",".join(PHASES), "--report", "json", "--report-json-path", reported, *options]
        hooks = {"PYTHONPATH": str(Path(__file__).parent), "SCHEMATHESIS_HOOKS": "schema_hooks"}
        reported.unlink(missing_ok=True)
        self.ended = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            cwd=directory,
            env=clean_environment(**hooks, **environment),
            timeout=RUN_LIMIT,
            check=False,
        )
        assert reported.exists(), self.output
        self.report = json.loads(reported.read_text(encoding="utf-8"))

    @property
    def output(self):
        return (self.ended.stdout + self.ended.stderr)[-8000:]

    @property
    def kinds(self):
        """The codes of what it found."""
        return {failure["code"] for failure in self.report["failures"]}

    def accepted(self):
        """How many requests of each call the server took, by all that it counted."""
        return {
            call: sum(phase["accepted"] for phase in phases.values())
            for call, phases in self.report["valid_rates"].items()
        }

    def assert_clean(self, what):
        assert self.ended.returncode == 0 and not self.report["failures"] and not self.report["errors"], self.output
        assert self.report["complete"], self.output
        cases = self.report["test_cases"]["generated"]
        print(f"schemathesis, {what}: {cases} requests, {self.report['filtered']} beyond the document, 0 failures")
        return cases


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, sqlite_store, postgres_store):
    return sqlite_store if request.param == "sqlite" else postgres_store


@pytest.fixture
def start_guarded(start_server, tmp_path):
    """A function that starts a server with threads and keys, and gives it and a key of the kind that is asked for."""

    def start(store, **kind):
        keys = KeysFile(tmp_path / "keys.json")
        everything, key = keys.create(scopes=ALL_SCOPES), keys.create(**kind)
        server = start_server(store, "--api-keys-file", str(keys.path))
        fill_threads(server, bearer(everything))
        return server, key

    return start


def fill_threads(server, headers=None):
    """Something of all kinds under most of the names that are asked for."""
    with Caller(server, headers) as caller:
        for thread in THREADS[:2]:
            fill(caller, thread)


def with_key(key):
    return ["--header", f"Authorization: {bearer(key)['authorization']}"]


# MARK: what is true


def test_an_open_server_answers_what_its_document_says(start_server, store, tmp_path, seed):
    server = start_server(store)
    fill_threads(server)
    run = Run(server, tmp_path, seed)
    run.assert_clean("open")
    assert {name: found["status"] for name, found in run.report["phases"].items()} == dict.fromkeys(PHASES, "success")
    refused = [call for call, count in run.accepted().items() if count == 0]
    assert not refused, f"no request got through to {refused}"


def test_with_a_right_key(start_guarded, store, tmp_path, seed):
    """schemathesis also leaves the key out, and sends others: those are refused."""
    server, key = start_guarded(store, scopes=ALL_SCOPES + ",inspect")
    Run(server, tmp_path, seed, *with_key(key)).assert_clean("a right key")


@pytest.mark.parametrize("scope", ["read", "write", "delete"])
def test_with_a_key_for_some_calls(start_guarded, sqlite_store, tmp_path, seed, scope):
    server, key = start_guarded(sqlite_store, scopes=scope, thread_prefix="t")
    Run(server, tmp_path, seed, *with_key(key), examples="3").assert_clean(f"a key to {scope}")


WRONG = [None, f"authorization: Bearer mlp_{'A' * 43}", "x-api-key: wrong", "authorization: Basic eA=="]


@pytest.mark.parametrize("header", WRONG)
def test_with_a_wrong_key_or_none(start_guarded, sqlite_store, tmp_path, seed, header):
    """401 and, from one address soon, 429: nothing else, whatever is asked for."""
    server, _ = start_guarded(sqlite_store)
    options = ["--phases", "coverage", *(["--header", header] if header else [])]
    run = Run(server, tmp_path, seed, *options, examples="1", SCHEMA_ONLY="401 429 405")
    run.assert_clean(f"the header {header}")
    assert not any(run.accepted().values())


@pytest.mark.parametrize("last", [None, "", "0", "x" * 5000, "é", "-1", "{}", "99999999999999999999:1"])
def test_the_head_of_events(start_server, thread_id, last):
    """The one call without an end: it begins, or is refused, as the document says."""
    server = start_server()
    operation = document_of(server)["paths"][EVENTS]["get"]
    headers = {} if last is None else {"last-event-id": last.encode()}
    path = EVENTS.replace("{thread_id}", thread_id)
    with httpx.stream("GET", server.base_url + path, headers=headers, timeout=wire.TIMEOUT) as answer:
        described = operation["responses"][str(answer.status_code)]
        assert answer.status_code < 500
        assert answer.headers["content-type"] in described["content"]
    refused = httpx.post(server.base_url + path, timeout=wire.TIMEOUT)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


# MARK: what is not


def forbid_a_field(document):
    properties = document["components"]["schemas"]["CheckpointTupleResponse"]["properties"]
    properties["checkpoint_id"] = {"type": "integer"}


def forget_a_status(document):
    del document["paths"]["/checkpoints/get-tuple"]["post"]["responses"]["422"]


def name_another_type(document):
    content = document["paths"]["/checkpoints/get-tuple"]["post"]["responses"]["200"]["content"]
    content["text/plain"] = content.pop("application/json")


def demand_a_header(document):
    answer = document["paths"]["/checkpoints/get-tuple"]["post"]["responses"]["200"]
    answer["headers"] = {"x-digest": {"required": True, "schema": {"type": "string"}}}


def allow_everything(document):
    schema = document["components"]["schemas"]["GetCheckpointTupleRequest"]
    schema["properties"]["thread_id"] = {"type": ["string", "integer"]}


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (forbid_a_field, "ST108"),
        (forget_a_status, "ST103"),
        (name_another_type, "ST105"),
        (demand_a_header, "ST107"),
        (allow_everything, "ST202"),
    ],
)
def test_a_false_document_is_seen(start_server, tmp_path, seed, lie, code):
    server = start_server()
    fill_threads(server)
    document = copy.deepcopy(document_of(server))
    only = ["--include-path", "/checkpoints/get-tuple", "--phases", "examples,coverage"]
    Run(server, tmp_path, seed, *only, document=document).assert_clean("the true document")
    lie(document)
    assert code in Run(server, tmp_path, seed, *only, document=document).kinds


class FalseServer(http.server.BaseHTTPRequestHandler):
    """Answers 500, or only after `delay` seconds."""

    delay = 0

    def do_POST(self):
        time.sleep(self.delay)
        body = b'{"message":"Internal Server Error","code":500,"data":null}'
        self.send_response(500)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """It says nothing."""


@pytest.mark.parametrize(("delay", "kinds", "errors"), [(0, {"ST101"}, 0), (3, set(), 1)])
def test_a_server_that_fails_or_hangs_is_seen(start_server, tmp_path, seed, delay, kinds, errors):
    document = document_of(start_server())
    handler = type("Handler", (FalseServer,), {"delay": delay})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as failing:
        threading.Thread(target=failing.serve_forever, daemon=True).start()
        failing.base_url = f"http://127.0.0.1:{failing.server_port}"
        only = ["--include-path", "/checkpoints/get-tuple", "--phases", "examples", "--request-timeout", "1"]
        run = Run(failing, tmp_path, seed, *only, document=document)
        failing.shutdown()
    assert (run.kinds, len(run.report["errors"])) == (kinds, errors), run.output
    assert run.ended.returncode != 0
