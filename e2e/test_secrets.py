"""Secrets are planted wherever one may be, and looked for in everything that comes out."""

import base64
import os
import re
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import postgres
import wire
from conftest import store_url
from provider import Provider
from security import (
    Caller,
    KeysFile,
    assert_status,
    b64,
    bearer,
    checkpoint,
    fill,
    new_thread,
    write_private,
)
from server import binary_path, clean_environment
from test_startup import milepost
from tokens import AUDIENCE, ISSUER, ECKey, claims, key_set, token

KINDS = ("sqlite", "postgres")


def planted():
    """A secret that stands nowhere by chance, and is base64 of something, too."""
    return f"Planted{secrets.token_hex(18)}x"


def forms(secret):
    """How a secret could be written: as it is, in base64, in hexadecimal, percent-encoded."""
    raw = secret.encode()
    return {secret, base64.b64encode(raw).decode().rstrip("="), raw.hex(), "".join(f"%{byte:02X}" for byte in raw)}


class Leaks:
    """All the text that came out of the program, and what must not be in it."""

    def __init__(self):
        self.secrets = {}
        self.texts = {}

    def plant(self, name, secret=None):
        self.secrets[name] = secret or planted()
        return self.secrets[name]

    def saw(self, name, text):
        self.texts[name] = self.texts.get(name, "") + text

    def assert_none(self):
        assert all(self.texts.values()), {name for name, text in self.texts.items() if not text}
        found = [
            (secret_name, place)
            for secret_name, secret in self.secrets.items()
            for place, text in self.texts.items()
            for form in forms(secret)
            if form in text
        ]
        assert found == []


def command_lines(server):
    """The arguments of the process and of all that it started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = re.search(r"^PPid:\s+(\d+)", (entry / "status").read_text(), re.MULTILINE)[1]
                if str(server.process.pid) in (entry.name, parent):
                    found.append((entry / "cmdline").read_text())
            except OSError:
                pass  # It has ended.
    return "\n".join(found)


def secret_store(kind, tmp_path, leaks):
    """A store, and for PostgreSQL one whose role has a password, given in a file."""
    if kind == "sqlite":
        return store_url(kind, tmp_path), ()
    url = postgres.new_role(store_url(kind, None), "ALTER ROLE \"{role}\" SUPERUSER")
    leaks.plant("password", postgres.password_of(url))
    path = write_private(tmp_path / "password", postgres.password_of(url))
    return postgres.without_password(url), ("--store-password-file", str(path))


def ask_everything(server, leaks, credential):
    """Good requests and bad ones, with secrets in headers, queries, paths and bodies; errors are kept."""
    cookie, content, value = leaks.plant("cookie"), leaks.plant("content"), leaks.plant("metadata")
    wrong, query = leaks.plant("wrong key"), leaks.plant("query")
    headers = {**credential, "cookie": f"session={cookie}"}
    bodies = [
        ("put", checkpoint("t", metadata={"v": value}, blobs=[
            {"channel": "c", "version": "1", "type": "bytes", "blob": b64(content.encode())}
        ])),
        ("put", checkpoint("t", "c2", blobs=[{"channel": "c", "version": "1", "type": "t", "blob": f"!{content * 10}"}])),
        ("put", checkpoint("t", expected_head=None, metadata={"v": value})),
        ("put-writes", {"thread_id": "t", "checkpoint_id": "c1", "writes": [
            {"task_id": "t", "idx": 0, "channel": "c", "type": "bytes", "blob": b64(content.encode())}
        ]}),
        ("list", {"thread_id": "t", "filter_metadata": {"v": value}, "limit": 0}),
        ("list", {"across_threads": True, "filter_metadata": {value: value}}),
        ("nothing", {"v": value}),
    ]
    for name, body in bodies:
        for extra in ({}, bearer(wrong), {"x-api-key": wrong}, {"proxy-authorization": f"Basic {wrong}"}):
            with Caller(server, {**headers, **extra}) as caller:
                answer = caller.client.post(f"/checkpoints/{name}?token={query}", json=body)
                if answer.status_code >= 400:
                    leaks.saw("answers", answer.text.replace(content * 10, "") + str(answer.headers))
    raw = {"host": "h", "x-api-key": wrong, "content-length": "x"}
    leaks.saw("answers", str(wire.exchange(server.port, wire.head("POST", f"/{query}", raw)).body) + " ")


def with_keys(tmp_path, leaks):
    keys = KeysFile(tmp_path / "keys.json", {"MILEPOST_AUDIT_LOG": str(tmp_path / "audit.jsonl")})
    key = keys.create("acme", note="one")
    leaks.plant("key", key)
    leaks.saw("keys list", keys.run("list").stdout + keys.run("list", "--json").stdout)
    leaks.saw("keys file", keys.path.read_text())
    return ("--api-keys-file", str(keys.path)), bearer(key)


def with_tokens(tmp_path, leaks):
    key = ECKey()
    credential = token(key, body=claims(secret=leaks.plant("claim")))
    leaks.plant("token", credential.split(".")[2])
    path = write_private(tmp_path / "jwks.json", key_set(key))
    return ("--jwt-jwks", str(path), "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE), bearer(credential)


def with_provider(tmp_path, leaks):
    secret, principal = leaks.plant("session"), leaks.plant("principal")
    provider = Provider({f"Bearer {secret}": {"api_key": principal, "user": principal}})
    provider.start()
    password = leaks.plant("provider password")
    return ("--agentex-auth-url", provider.url.replace("//", f"//user:{password}@")), bearer(secret)


@pytest.mark.parametrize("mode", [with_keys, with_tokens, with_provider])
@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_comes_out(start_server, tmp_path, kind, mode):
    leaks = Leaks()
    options, credential = mode(tmp_path, leaks)
    store, store_options = secret_store(kind, tmp_path, leaks)
    audit = tmp_path / "audit.jsonl"
    common = (*options, *store_options, "--log-level", "trace", "--audit-log", str(audit))
    try:
        server = start_server(store, *common)
    except AssertionError as refused:
        assert mode is with_provider, refused  # A password in an address may be refused; then it must not be said.
        leaks.saw("refusal", str(refused))
        leaks.secrets = {"provider password": leaks.secrets["provider password"]}
        return leaks.assert_none()
    ask_everything(server, leaks, credential)
    with Caller(server, credential) as caller:
        caller.call("delete-thread", {"thread_id": "t"})
    if mode is not with_provider:
        leaks.saw("command lines", command_lines(server).replace(store, ""))
    server.stop()
    leaks.saw("log", server.log_text())
    leaks.saw("audit log", audit.read_text())
    leaks.assert_none()


@pytest.mark.parametrize("how", ["url", "keywords", "file", "environment"])
def test_no_password_in_a_refusal(tmp_path, how):
    """A database that does not let us in: what is said names the database, not the password."""
    leaks = Leaks()
    password = leaks.plant("password")
    url = postgres.changed(postgres.server_url(), user="nobody", password=password)
    plain = postgres.without_password(url)
    arguments = {
        "url": (["--store", url], {}),
        "keywords": (["--store", f"host=127.0.0.1 port={postgres.port_of(url)} user=nobody password={password} dbname=x"], {}),
        "file": (["--store", plain, "--store-password-file", write_private(tmp_path / "p", password)], {}),
        "environment": (["--store", plain], {"PGPASSWORD": password}),
    }[how]
    for command in ("serve", "verify", "export"):
        more = ["--port", "0", "--log-level", "trace"] if command == "serve" else []
        ended = milepost(command, *arguments[0], *more, environment=arguments[1])
        assert ended.returncode != 0
        leaks.saw(command, ended.stdout + ended.stderr)
    leaks.assert_none()


def test_a_key_is_on_no_command_line():
    """No option takes a key, a token or a password itself."""
    shown = "".join(
        milepost(*words, "--help").stdout
        for words in (["serve"], ["keys", "create"], ["keys", "list"], ["keys", "revoke"], ["export"], ["threads"], ["show"])
    )
    options = set(re.findall(r"--[a-z-]+", shown))
    assert not {name for name in options if re.search(r"(key|token|password|secret)$", name) and name != "--keys"}


def test_a_certificates_key_is_not_repeated(tmp_path):
    """A file that is no certificate is named, not shown."""
    secret = planted()
    text = write_private(tmp_path / "text.pem", f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n")
    for options in (("--tls-certificate-file", text, "--tls-key-file", text), ("--jwt-jwks", text, "--jwt-issuer", "i",
                    "--jwt-audience", "a"), ("--api-keys-file", text), ("--config", text)):
        ended = milepost("serve", "--port", "0", "--store", "memory:", *options)
        assert ended.returncode in (1, 64)
        assert not any(form in ended.stderr for form in forms(secret)), ended.stderr


# MARK: files


def test_what_is_written_is_its_owners_alone(start_server, tmp_path):
    """The database and what stands beside it, keys, audit log, exports: 0600, also under a loose umask."""
    directory = tmp_path / "files"
    directory.mkdir()
    loosely = lambda: os.umask(0)  # noqa: E731
    environment = clean_environment(MILEPOST_AUDIT_LOG=str(directory / "audit.jsonl"))
    made = subprocess.run(
        [binary_path(), "keys", "create", "--keys-file", directory / "keys.json"],
        preexec_fn=loosely, env=environment, capture_output=True, text=True, check=True,
    )
    before = os.umask(0)
    try:
        server = start_server(
            f"sqlite:{directory / 'milepost.db'}", "--api-keys-file", str(directory / "keys.json"),
            "--audit-log", str(directory / "audit.jsonl"),
        )
        with Caller(server, bearer(made.stdout.strip())) as caller:
            fill(caller, "t")
            caller.do("delete-thread", {"thread_id": "t"})
        ended = milepost("export", "--store", server.store, "--output", directory / "out.zst")
        assert ended.returncode == 0, ended.stderr
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert {"milepost.db", "keys.json", "audit.jsonl", "out.zst"} <= modes.keys()
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


# MARK: pickles and the published SDK


PICKLES = ["pickle", "pickle+aes", "pickle+", "PICKLE", "Pickle+x"]


@pytest.mark.parametrize("kind", KINDS)
def test_pickles_are_refused_when_told(start_server, tmp_path, kind):
    server = start_server(store_url(kind, tmp_path), "--refuse-pickle")
    with Caller(server) as caller:
        for name in PICKLES:
            blob = {"channel": "c", "version": "1", "type": name, "blob": b64(b"x")}
            write = {"task_id": "t", "idx": 0, "channel": "c", "type": name, "blob": b64(b"x")}
            place = {"thread_id": "t", "checkpoint_id": "c1"}
            good = {**blob, "version": "2", "type": "msgpack"}
            for answer, where in (
                (caller.call("put", checkpoint("t", blobs=[good, blob])), ["body", "blobs", 1, "type"]),
                (caller.call("put-writes", {**place, "writes": [write]}), ["body", "writes", 0, "type"]),
            ):
                assert_status(answer, 422)
                assert [problem["loc"] for problem in answer.json()["detail"]] == [where], answer.text
        assert caller.do("get-tuple", {"thread_id": "t"}) is None
        for name in ("msgpack", "json", "null", "bytes", "pickled", "xpickle", ""):
            blob = {"channel": "c", "version": name, "type": name, "blob": b64(b"x")}
            caller.do("put", checkpoint("t", blobs=[blob]))


def run_published_client(server, thread, key):
    program = Path(__file__).with_name("published_client.py")
    agent = {"ACP_URL": "http://localhost", "ACP_PORT": "8000", "ACP_TYPE": "async", "AGENT_NAME": "agent"}
    environment = clean_environment(**agent, AGENT_API_KEY=key, PYTHONPATH=str(program.parent))
    ended = subprocess.run(
        [sys.executable, program, server.base_url, thread], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip().splitlines()[-1]


def test_the_published_client_sends_a_key(start_server, tmp_path):
    """agentex-sdk puts AGENT_API_KEY into x-agent-api-key of every call of the client that agents use."""
    keys = KeysFile(tmp_path / "keys.json")
    key = keys.create("acme")
    server = start_server("memory:", "--api-keys-file", str(keys.path), "--log-level", "trace")
    thread = new_thread()
    assert run_published_client(server, thread, key) == "c1"
    with Caller(server, bearer(key)) as owner:
        assert owner.do("get-tuple", {"thread_id": thread})["checkpoint_id"] == "c1"
    assert run_published_client(server, thread, key[:-1] + "0") == "401"
    assert run_published_client(server, thread, "") == "401"
    assert key not in server.log_text()
