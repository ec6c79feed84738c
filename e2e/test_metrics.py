"""Metrics as Prometheus reads them: what is on the page, on either port, and how it moves."""

import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import postgres
from security import KeysFile, bearer
from server import REPOSITORY, Server, free_port, wait_until
from test_startup import milepost

DEPLOY = REPOSITORY / "deploy"
ONLY = {
    "sqlite": {
        "milepost_store_apply_duration_seconds",
        "milepost_store_fsync_duration_seconds",
        "milepost_store_wal_bytes",
        "milepost_store_free_bytes",
        "milepost_store_disk_available_bytes",
        "milepost_store_stored_bytes_total",
        "milepost_store_compression_ratio",
    },
    "postgres": {"milepost_store_connections"},
}


class Page:
    """A page of metrics, taken apart."""

    def __init__(self, text):
        self.text = text
        self.types = {}
        self.samples = {}
        for family in text_string_to_metric_families(text):
            suffix = "_total" if family.type == "counter" else ""
            self.types[family.name + suffix] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} twice"
                self.samples[key] = sample.value

    def get(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def has(self, name):
        return any(known == name for known, _ in self.samples)


def scrape(url, **options):
    answer = httpx.get(url, timeout=10, **options)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Page(answer.text)


def documented():
    """The names of docs/metrics.md with the column "store"."""
    rows = re.findall(r"^\| `(\w+)` \| \w+ \|[^|]*\| ([^|]*) \|", (REPOSITORY / "docs/metrics.md").read_text(), re.M)
    return {name: set(stores.split(", ")) for name, stores in rows}


def put_writes(url, thread, data="eA==", **options):
    write = {"task_id": "t", "idx": 0, "channel": "c", "type": "msgpack", "blob": data}
    body = {"thread_id": thread, "checkpoint_id": uuid.uuid4().hex, "writes": [write]}
    return httpx.post(f"{url}/checkpoints/put-writes", json=body, timeout=30, **options).status_code


def put(url, thread):
    body = {
        "thread_id": thread,
        "checkpoint_id": uuid.uuid4().hex,
        "checkpoint": {"v": 4, "id": "1", "ts": "", "channel_values": {}, "channel_versions": {}, "versions_seen": {}},
        "metadata": {},
        "blobs": [],
    }
    assert httpx.post(f"{url}/checkpoints/put", json=body, timeout=30).status_code == 200


@pytest.fixture(params=("sqlite", "postgres"))
def kind_and_store(request, sqlite_store):
    return request.param, sqlite_store if request.param == "sqlite" else postgres.new_database()


def test_the_page_is_what_is_documented(kind_and_store, start_server):
    kind, store = kind_and_store
    port = free_port()
    server = start_server(store, "--metrics-port", str(port))
    canary = f"canary-{uuid.uuid4().hex}"
    assert put_writes(server.base_url, canary) == 204
    put(server.base_url, canary)
    if kind == "postgres":
        postgres.execute(store, "ANALYZE checkpoints")
    httpx.get(f"{server.base_url}/{canary}")

    own = scrape(f"http://127.0.0.1:{port}/metrics")
    page = scrape(f"{server.base_url}/metrics")
    for each in (own, page):
        rows = documented()
        expected = {name for name, stores in rows.items() if stores & {"all", kind}}
        assert set(each.types) == expected
        assert {name for name in rows if name not in expected} == ONLY["postgres" if kind == "sqlite" else "sqlite"]
        assert "canary" not in each.text
    assert page.get("milepost_store_up") == 1
    assert page.get("milepost_store_threads") == 1
    assert page.get("milepost_store_size_bytes") > 8192
    assert page.get("process_resident_memory_bytes") > 1e6
    assert page.get("process_open_fds") > 3
    if kind == "sqlite":
        assert page.get("milepost_store_disk_available_bytes") > 0
        assert page.get("milepost_store_wal_bytes") > 0
    else:
        assert page.get("milepost_store_connections", lane="shared", state="open") == 1

    # The metrics' own port has nothing else.
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 404
    assert put_writes(f"http://127.0.0.1:{port}", "t") == 404


def test_values_move(kind_and_store, start_server):
    kind, store = kind_and_store
    server = start_server(store)
    before = scrape(f"{server.base_url}/metrics")
    for _ in range(3):
        assert put_writes(server.base_url, "t", data="eHh4" * 1000) == 204
    assert put_writes(server.base_url, "t", data="not base64") == 422
    after = scrape(f"{server.base_url}/metrics")

    def moved(name, **labels):
        return after.get(name, **labels) - before.get(name, **labels)

    assert moved("milepost_requests_total", call="put_writes", status="204") == 3
    assert moved("milepost_requests_total", call="put_writes", status="422") == 1
    assert moved("milepost_requests_total", call="get_metrics", status="200") == 1
    assert moved("milepost_request_duration_seconds_count", call="put_writes") == 4
    assert 0 < moved("milepost_request_duration_seconds_sum", call="put_writes") < 60
    # Nothing else is stored meanwhile, and each was answered before the next was sent.
    assert moved("milepost_store_batch_size_count") == 3
    assert moved("milepost_store_batch_size_sum") == 3
    assert moved("milepost_store_queue_wait_seconds_count") == 3
    assert moved("milepost_store_commit_duration_seconds_count") == 3
    assert moved("milepost_store_logical_bytes_total") >= 3000
    if kind == "sqlite":
        assert moved("milepost_store_fsync_duration_seconds_count") >= 3
        assert 0 < moved("milepost_store_stored_bytes_total") < 1000
        assert after.get("milepost_store_compression_ratio") > 1
    for name in ("milepost_request_duration_seconds", "milepost_store_batch_size"):
        buckets = [(labels, value) for (known, labels), value in after.samples.items() if known == f"{name}_bucket"]
        for labels, value in buckets:
            rest = dict(labels)
            if rest.pop("le") == "+Inf":
                assert value == after.get(f"{name}_count", **rest)


def test_admin_alone_reads_the_page_where_there_are_keys(sqlite_store, start_server, tmp_path):
    keys = KeysFile(tmp_path / "keys.json")
    tenant = f"canary-{uuid.uuid4().hex[:8]}"
    admin = keys.create(tenant=tenant, scopes="admin", note="canary-admin")
    writer = keys.create(tenant=tenant, scopes="read,write,delete", note="canary-writer")
    port = free_port()
    server = start_server(sqlite_store, "--api-keys-file", keys.path, "--metrics-port", str(port))
    url = f"{server.base_url}/metrics"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers=bearer(writer)).status_code == 403
    assert httpx.get(url, headers=bearer(writer[:-1])).status_code == 401
    assert put_writes(server.base_url, "canary", headers=bearer(writer)) == 204
    page = scrape(url, headers=bearer(admin))
    assert page.get("milepost_authentication_failures_total", mode="none", reason="missing") == 1
    assert page.get("milepost_authentication_failures_total", mode="key", reason="invalid") == 1
    assert page.get("milepost_access_denials_total") == 1
    assert "canary" not in page.text and writer not in page.text
    assert scrape(f"http://127.0.0.1:{port}/metrics").types == page.types


def test_a_page_comes_also_when_the_database_is_gone(own_cluster, start_server):
    server = start_server(postgres.new_database(own_cluster.url()))
    assert put_writes(server.base_url, "t") == 204
    assert scrape(f"{server.base_url}/metrics").get("milepost_store_up") == 1
    own_cluster.freeze()
    try:
        # What it was told is ten seconds old at most.
        def is_down():
            page = scrape(f"{server.base_url}/metrics")
            return page.get("milepost_store_up") == 0 and page

        page = wait_until(is_down, 30, "the page says that the store is down")
        assert page.get("milepost_store_size_bytes") > 0
    finally:
        own_cluster.thaw()
    wait_until(lambda: scrape(f"{server.base_url}/metrics").get("milepost_store_up") == 1, 30, "the store is up")


def test_a_slow_call_is_logged_with_its_parts(sqlite_store, start_server):
    server = start_server(sqlite_store, "--slow-call-ms", "1", "--log-format", "json")
    for _ in range(20):
        assert put_writes(server.base_url, "canary", data="eHh4" * 500_000) == 204
    lines = [record for record in server.log_records() if record["message"] == "slow call"]
    writes = [line for line in lines if line["call"] == "put_writes"]
    assert writes
    parts = ("receive", "queue", "apply", "commit", "read", "other")
    for line in writes:
        assert line["level"] == "warning" and line["status"] == 204
        assert float(line["duration_ms"]) >= 1
        assert sum(float(line[f"{part}_ms"]) for part in parts) == pytest.approx(float(line["duration_ms"]), abs=0.01)
        assert "canary" not in json.dumps(line)
    assert scrape(f"{server.base_url}/metrics").get("milepost_slow_calls_total") >= len(lines)


def test_the_log_says_where_the_metrics_are(tmp_path):
    server = Server("memory:", tmp_path, "--metrics-port", "0", "--log-format", "json").start()
    try:
        # It answers a moment before it says so.
        [line] = wait_until(
            lambda: [record for record in server.log_records() if record["message"] == "listening"],
            10,
            "the server says that it listens",
        )
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*/metrics", line["metrics"])
        assert scrape(line["metrics"]).get("milepost_store_up") == 1
    finally:
        server.stop()


@pytest.mark.parametrize(
    "options, words",
    [
        (("--metrics-host", "192.0.2.1"), "192.0.2.1:9464 is not an address of this machine; give --metrics-host one"),
        (("--metrics-host", "no.such.host.invalid"), "give --metrics-host an address of this machine"),
    ],
)
def test_a_metrics_port_that_cannot_be_had_is_an_error(options, words):
    ended = milepost("serve", "--store", "memory:", "--port", "0", "--metrics-port", "9464", *options)
    assert ended.returncode == 1
    assert words in ended.stderr


def test_a_metrics_port_in_use_is_an_error(start_server):
    port = free_port()
    start_server("memory:", "--metrics-port", str(port))
    ended = milepost("serve", "--store", "memory:", "--port", "0", "--metrics-port", str(port))
    assert ended.returncode == 1
    assert f"127.0.0.1:{port} is in use by another program; stop that one, or give this one another --metrics-port" in (
        ended.stderr
    )


def promtool(*arguments, text=None):
    program = shutil.which("promtool")
    assert program, "no promtool: scripts/install-packages prometheus"
    return subprocess.run(
        [program, *map(str, arguments)], input=text, capture_output=True, text=True, check=False, timeout=60
    )


def test_promtool_has_nothing_against_the_page(server, thread_id):
    assert put_writes(server.base_url, thread_id) == 204
    ended = promtool("check", "metrics", text=scrape(f"{server.base_url}/metrics").text)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", DEPLOY / "prometheus/alerts.yaml"),
        ("check", "config", "--syntax-only", DEPLOY / "prometheus/scrape.yaml"),
        ("test", "rules", Path(__file__).parent / "alerts_test.yaml"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_the_rules_of_prometheus(arguments):
    ended = promtool(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "SUCCESS" in ended.stdout


def test_every_alert_says_what_to_do():
    text = (DEPLOY / "prometheus/alerts.yaml").read_text(encoding="utf-8")
    alerts = text.split("- alert: ")[1:]
    assert len(alerts) >= 10
    for alert in alerts:
        assert re.search(r"^ +summary: .+", alert, re.M) and re.search(r"^ +description: .+", alert, re.M), alert
        assert re.search(r"^ +runbook_url: docs/operations\.md#[a-z0-9-]+$", alert, re.M), alert
        assert re.search(r"^ +severity: (critical|warning)$", alert, re.M), alert
