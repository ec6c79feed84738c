"""TLS from outside: which versions and protocols, certificates that change while it runs, and clients that show one."""

import json
import ssl
import time

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import wire
from certificates import Authority, expired
from security import (
    RELOAD_LIMIT,
    Caller,
    KeysFile,
    SecureServer,
    assert_no_credential,
    assert_status,
    assert_unauthorized,
    bearer,
    checkpoint,
    fill,
    new_thread,
    write_private,
)
from server import wait_until
from test_startup import serve

QUESTION = {"thread_id": "nobody"}
AGENT = "spiffe://example.org/agent"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def start_secure(tmp_path, authority):
    """A function that starts a server with TLS and gives it; what still runs at the end is stopped."""
    started = []

    def start(*options, certificate=None, store="memory:"):
        made = certificate or authority.server()
        files = ("--tls-certificate-file", str(made.certificate_file), "--tls-key-file", str(made.key_file))
        running = SecureServer(store, tmp_path, authority.context(), *files, *options)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.is_running:
            running.stop()


@pytest.fixture
def keys(tmp_path):
    return KeysFile(tmp_path / "keys.json")


def handshake(server, context):
    """What a handshake agrees on: the version, the protocol, the server's certificate."""
    with wire.connect(server.port) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
        return secured.version(), secured.selected_alpn_protocol(), secured.getpeercert(binary_form=True)


def permissive(**changes):
    """A client that trusts anybody, as attackers do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in changes.items():
        setattr(context, name, value)
    return context


# MARK: what is spoken


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "h2"])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_all_calls_over_tls(start_secure, authority, keys, sqlite_store, postgres_store, kind, http2):
    key = keys.create("acme")
    server = start_secure("--api-keys-file", str(keys.path), store=sqlite_store if kind == "sqlite" else postgres_store)
    with Caller(server, bearer(key), verify=authority.context(), http2=http2) as caller:
        thread = new_thread()
        fill(caller, thread)
        answer = caller.call("get-tuple", {"thread_id": thread})
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert answer.json()["checkpoint_id"] == "c3" and answer.headers["x-request-id"]
        assert len(caller.do("list", {"thread_id": thread})) == 4
        large = checkpoint(thread, "c9", metadata={"text": "x" * (8 << 20)})
        caller.do("put", large)
        assert caller.do("get-tuple", {"thread_id": thread})["metadata"] == large["metadata"]
        caller.do("prune", {"thread_ids": [thread]})
        caller.do("delete-thread", {"thread_id": thread})
        assert_status(caller.get(f"/threads/{thread}"), 404)
    with Caller(server, verify=authority.context(), http2=http2) as nobody:
        assert_no_credential(nobody.call("get-tuple", QUESTION))


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [(["h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (None, None)],
    ids=str,
)
def test_protocols(start_secure, authority, offered, agreed):
    server = start_secure()
    version, protocol, _ = handshake(server, authority.context(protocols=offered))
    assert (version, protocol) == ("TLSv1.3", agreed)


def test_old_versions_are_refused(start_secure):
    server = start_secure()
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = permissive()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server, context)
    assert handshake(server, permissive(maximum_version=ssl.TLSVersion.TLSv1_2))[0] == "TLSv1.2"


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "DES-CBC3-SHA", "aNULL", "eNULL", "RC4"], ids=str)
def test_weak_ciphers_are_refused(start_secure, ciphers):
    context = permissive(maximum_version=ssl.TLSVersion.TLSv1_2)
    try:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    except ssl.SSLError:
        return  # Not even this client has it.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(start_secure(), context)


def test_plain_http_is_not_answered(start_secure, keys):
    """No key is asked for in the clear, and nothing is redirected."""
    keys.create()
    server = start_secure("--api-keys-file", str(keys.path))
    answer = wire.post(server.port, "/checkpoints/get-tuple", QUESTION)
    assert answer.status in (0, 400) and b"location" not in answer.body
    assert server.is_ready()


def test_no_handshake_holds_a_connection(start_secure):
    """Whoever says nothing, or half a greeting, is hung up on within some seconds."""
    server = start_secure()
    connections = [wire.connect(server.port) for _ in range(3)]
    connections[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    connections[2].sendall(bytes(100))
    for connection in connections:
        connection.settimeout(30)
        try:
            while connection.recv(1000):
                pass
        except ConnectionError:
            pass
        connection.close()
    assert server.is_ready()


# MARK: certificates that change


def test_a_new_certificate_is_shown_without_a_restart(start_secure, authority, tmp_path):
    first, second = authority.server("first"), authority.server("second")
    shown = authority.server("shown")
    server = start_secure(certificate=shown)
    before = handshake(server, authority.context())[2]
    with Caller(server, verify=authority.context()) as caller:
        caller.do("put", checkpoint("t"))
        for made in (first, second):
            write_private(shown.key_file, made.key_file.read_text())
            write_private(shown.certificate_file, made.certificate_file.read_text())
            wait_until(
                lambda: ssl.DER_cert_to_PEM_cert(handshake(server, permissive())[2]) in made.certificate_file.read_text(),
                RELOAD_LIMIT, "the new certificate is shown",
            )
        # Who was connected stays so.
        assert caller.do("get-tuple", {"thread_id": "t"})["checkpoint_id"] == "c1"
    assert handshake(server, authority.context())[2] != before


@pytest.mark.parametrize("damage", ["empty", "no PEM", "other key", "gone"])
def test_a_damaged_certificate_is_not_taken_up(start_secure, authority, damage):
    """The old one goes on; the next good one is taken."""
    shown, other = authority.server("shown"), authority.server("other")
    server = start_secure(certificate=shown)
    before = handshake(server, authority.context())[2]
    if damage == "gone":
        shown.key_file.unlink()
    else:
        write_private(shown.key_file, {"empty": "", "no PEM": "x", "other key": other.key_file.read_text()}[damage])
    time.sleep(RELOAD_LIMIT / 2)
    assert handshake(server, authority.context())[2] == before and server.is_ready()
    write_private(shown.key_file, other.key_file.read_text())
    write_private(shown.certificate_file, other.certificate_file.read_text())
    wait_until(lambda: handshake(server, authority.context())[2] != before, RELOAD_LIMIT, "the good one is taken")


@pytest.mark.parametrize("damage", ["missing key", "no PEM", "other key"])
def test_it_does_not_start_with(tmp_path, authority, damage):
    made, other = authority.server("mine"), authority.server("other")
    key = {"missing key": tmp_path / "none.key", "no PEM": tmp_path / "text", "other key": other.key_file}[damage]
    write_private(tmp_path / "text", "no PEM")
    ended = serve("memory:", "--tls-certificate-file", made.certificate_file, "--tls-key-file", key)
    assert ended.returncode in (1, 64) and "tls" in ended.stderr.lower(), ended.stderr
    assert "PRIVATE KEY" not in ended.stderr


# MARK: clients that show a certificate


@pytest.fixture
def mutual(start_secure, authority, tmp_path, keys):
    """A server that knows two names of certificates, and keys."""
    entries = [
        {"name": f"URI:{AGENT}", "tenant": "acme", "scopes": ["read", "write", "delete"]},
        {"name": "DNS:reader.example.org", "tenant": "acme", "scopes": ["read"], "thread_prefix": "shared-"},
        {"name": "URI:spiffe://example.org/other", "tenant": "other", "scopes": ["read", "write"]},
    ]
    path = write_private(tmp_path / "clients.json", json.dumps(entries))
    key = keys.create("keyed")
    running = start_secure(
        "--tls-client-ca-file", str(authority.file), "--client-certificates-file", str(path),
        "--api-keys-file", str(keys.path),
    )
    running.key = key
    return running


def test_a_certificate_names_its_tenant(mutual, authority):
    agent = authority.client("agent", uris=[AGENT])
    reader = authority.client("reader", dns=["reader.example.org"])
    other = authority.client("other", uris=["spiffe://example.org/other"])
    with (
        Caller(mutual, verify=authority.context(agent)) as writes,
        Caller(mutual, verify=authority.context(reader), http2=True) as reads,
        Caller(mutual, verify=authority.context(other)) as stranger,
    ):
        fill(writes, "shared-1")
        assert reads.do("get-tuple", {"thread_id": "shared-1"})["checkpoint_id"] == "c3"
        assert_status(reads.call("get-tuple", {"thread_id": "private-1"}), 403)
        assert_status(reads.call("put", checkpoint("shared-1")), 403)
        assert stranger.do("get-tuple", {"thread_id": "shared-1"}) is None
        assert_status(stranger.call("delete-thread", {"thread_id": "shared-1"}), 403)


def strangers_certificates(authority):
    """Certificates of the right authority that are nobody's."""
    return {
        "unknown": authority.client("unknown", uris=["spiffe://example.org/unknown"]),
        "longer": authority.client("longer", uris=[AGENT + "/more"]),
        "shorter": authority.client("shorter", uris=[AGENT[:-1]]),
        "other case": authority.client("case", uris=[AGENT.upper()]),
        "common name alone": authority.client("common", subject=AGENT),
        "the other kind": authority.client("kind", uris=["reader.example.org"]),
        "wildcard": authority.client("wildcard", dns=["*.example.org"]),
        "NUL": authority.client("nul", dns=["reader.example.org\0.evil.example"]),
        "of the common name": authority.client("named", subject="reader.example.org", dns=["evil.example"]),
    }


def test_another_certificate_is_nobodys(mutual, authority):
    for name, certificate in strangers_certificates(authority).items():
        with Caller(mutual, verify=authority.context(certificate)) as caller:
            try:
                answer = caller.call("get-tuple", {"thread_id": "shared-1"})
            except httpx.TransportError:
                continue  # Refused in the handshake already.
            assert answer.status_code == 401, name


def test_a_certificate_of_two_callers_is_refused(mutual, authority):
    both = authority.client("both", uris=[AGENT, "spiffe://example.org/other"])
    with Caller(mutual, verify=authority.context(both)) as caller:
        assert_unauthorized(caller.call("get-tuple", QUESTION))


@pytest.mark.parametrize("kind", ["another authority", "expired", "self-signed name", "for servers"])
def test_a_certificate_that_does_not_verify_is_refused(mutual, authority, tmp_path, kind):
    (tmp_path / "evil").mkdir()
    evil = Authority(tmp_path / "evil", "test authority" if kind == "self-signed name" else "evil")
    certificate = {
        "another authority": lambda: evil.client("evil", uris=[AGENT]),
        "self-signed name": lambda: evil.client("evil", uris=[AGENT]),
        "expired": lambda: authority.client("old", uris=[AGENT], ends=expired()),
        "for servers": lambda: authority.client("server-only", uris=[AGENT], usage=ExtendedKeyUsageOID.SERVER_AUTH),
    }[kind]()
    with Caller(mutual, verify=authority.context(certificate)) as caller:
        with pytest.raises(httpx.TransportError):
            answer = caller.call("get-tuple", QUESTION)
            raise AssertionError(f"answered with {answer.status_code}")


def test_without_a_certificate_a_key_counts(mutual, authority):
    key = mutual.key
    with Caller(mutual, verify=authority.context()) as nobody:
        assert_no_credential(nobody.call("get-tuple", QUESTION))
    agent = authority.client("agent", uris=[AGENT])
    with Caller(mutual, bearer(key), verify=authority.context()) as caller:
        caller.do("put", checkpoint("of-the-key"))
    # The key decides where both are there, and a bad one does not fall through to the certificate.
    with Caller(mutual, bearer(key), verify=authority.context(agent)) as both:
        assert both.do("get-tuple", {"thread_id": "of-the-key"})["checkpoint_id"] == "c1"
    with Caller(mutual, bearer("mlp_wrong"), verify=authority.context(agent)) as bad:
        assert_unauthorized(bad.call("get-tuple", {"thread_id": "of-the-key"}))


def test_a_header_is_no_certificate(mutual, authority):
    """What proxies put there is not believed."""
    pem = authority.client("agent", uris=[AGENT]).certificate_file.read_text().replace("\n", "%0A")
    for name in ("x-forwarded-client-cert", "x-client-cert", "ssl-client-cert", "x-ssl-client-s-dn", "x-client-san"):
        for value in (f"URI={AGENT}", pem, f"URI:{AGENT}"):
            with Caller(mutual, {name: value}, verify=authority.context()) as caller:
                assert caller.call("get-tuple", QUESTION).status_code in (401, 429)


def test_who_is_taken_off_the_list_is_out(mutual, authority, tmp_path):
    agent = authority.client("agent", uris=[AGENT])
    with Caller(mutual, verify=authority.context(agent)) as caller:
        caller.do("put", checkpoint("t"))
        write_private(tmp_path / "clients.json", "[]")
        wait_until(lambda: caller.call("get-tuple", QUESTION).status_code == 401, RELOAD_LIMIT, "it is out")


def test_a_name_without_an_authority_is_refused(tmp_path):
    path = write_private(tmp_path / "clients.json", "[]")
    ended = serve("memory:", "--client-certificates-file", path)
    assert ended.returncode == 64 and "tls-client-ca-file" in ended.stderr
