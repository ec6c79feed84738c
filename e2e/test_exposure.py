"""Where the server listens, and what it wants first: open on loopback alone, no credentials in the clear elsewhere."""

import json

import httpx
import pytest

from certificates import Authority
from security import KeysFile, bearer
from server import free_port
from test_startup import USAGE, assert_refused, serve, start  # noqa: F401  (start is a fixture)
from tokens import AUDIENCE, ISSUER, EdKey, key_set

LOOPBACK = ("127.0.0.1", "127.8.8.8", "::1", "localhost")


def health(port, path="/healthz", **options):
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=5, **options).json()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_open_to_strangers_is_refused(host):
    assert_refused(serve("memory:", "--host", host), USAGE, host, "--insecure-allow-open", "--api-keys-file")


@pytest.mark.parametrize("host", ["0", "0x0", "00.0.0.0", ""])
def test_another_spelling_of_everywhere_is_no_way_in(host):
    """What a resolver takes for 0.0.0.0 is not loopback either."""
    ended = serve("memory:", "--host", host)
    assert ended.returncode in (1, USAGE), ended.stderr


@pytest.mark.parametrize("host", LOOPBACK)
def test_open_on_loopback_needs_nothing(start, host):  # noqa: F811
    port = free_port()
    name = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
    start("--host", host, "--port", port, "--store", "memory:").wait_for(port, name)
    assert "warning" not in httpx.get(f"http://{name}:{port}/healthz", trust_env=False).json()


def test_the_flag_opens_and_says_so_everywhere(start, tmp_path):  # noqa: F811
    port = free_port()
    options = ("--host", "0.0.0.0", "--port", port, "--store", "memory:", "--log-format", "json")
    start(*options, "--insecure-allow-open").wait_for(port)
    for path in ("/healthz", "/readyz"):
        assert "insecure-allow-open" in health(port, path)["warning"]
    records = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert any(record["level"] in ("warning", "error", "critical") and "open" in json.dumps(record) for record in records)


def test_the_flag_is_not_needed_elsewhere(start, tmp_path):  # noqa: F811
    """It changes nothing on loopback, and nothing where callers say who they are."""
    keys = KeysFile(tmp_path / "keys.json")
    key, port = keys.create(), free_port()
    start("--port", port, "--store", "memory:", "--insecure-allow-open", "--api-keys-file", keys.path).wait_for(port)
    assert "warning" not in health(port)
    answer = httpx.get(f"http://127.0.0.1:{port}/threads", trust_env=False)
    assert answer.status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/threads", headers=bearer(key), trust_env=False).status_code == 200


def modes(directory):
    """The options of each mode of authentication."""
    keys = KeysFile(directory / "keys.json")
    keys.create()
    key_sets = directory / "jwks.json"
    key_sets.write_text(key_set(EdKey()))
    return {
        "keys": ["--api-keys-file", keys.path],
        "jwt": ["--jwt-jwks", key_sets, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE],
        "agentex": ["--agentex-auth-url", f"http://127.0.0.1:{free_port()}"],
    }


@pytest.mark.parametrize("mode", ["keys", "jwt", "agentex"])
def test_credentials_do_not_cross_a_network_in_the_clear(tmp_path, mode):
    options = modes(tmp_path)[mode]
    ended = serve("memory:", "--host", "0.0.0.0", *options)
    assert_refused(ended, USAGE, "0.0.0.0", "--behind-tls-proxy", "--tls-certificate-file")
    # The flag for no authentication at all is no leave to send credentials in the clear.
    ended = serve("memory:", "--host", "0.0.0.0", *options, "--insecure-allow-open")
    assert_refused(ended, USAGE, "--behind-tls-proxy")


@pytest.mark.parametrize("mode", ["keys", "jwt", "agentex"])
def test_a_proxy_or_tls_makes_it_good(start, tmp_path, mode):  # noqa: F811
    port = free_port()
    options = ("--host", "0.0.0.0", "--port", port, "--store", "memory:", *modes(tmp_path)[mode])
    start(*options, "--behind-tls-proxy").wait_for(port)
    assert "warning" not in health(port)
    assert httpx.get(f"http://127.0.0.1:{port}/threads", trust_env=False).status_code == 401
    authority = Authority(tmp_path)
    made, port = authority.server(), free_port()
    secured = start(
        *options[:2], "--port", port, *options[4:],
        "--tls-certificate-file", made.certificate_file, "--tls-key-file", made.key_file,
    )
    assert secured.process.poll() is None
    with httpx.Client(verify=authority.context(), trust_env=False, transport=httpx.HTTPTransport(
        verify=authority.context(), retries=30
    )) as client:
        assert client.get(f"https://127.0.0.1:{port}/threads").status_code == 401


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--jwt-jwks", "jwks.json"], "jwt-issuer"),
        (["--jwt-jwks", "jwks.json", "--jwt-issuer", ISSUER], "jwt-audience"),
        (["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE], "jwt-jwks"),
        (["--jwt-jwks", "http://keys.example/jwks", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE], "https"),
        (["--jwt-jwks", "ftp://keys.example/jwks", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE], "https"),
        (["--tls-certificate-file", "server.crt"], "tls-key-file"),
        (["--tls-key-file", "server.key"], "tls-certificate-file"),
        (["--agentex-auth-url", "ftp://auth.example"], "agentex-auth-url"),
        (["--agentex-auth-url", "auth.example"], "agentex-auth-url"),
        (["--rate-limit=-1"], "rate-limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_half_a_configuration_is_refused(options, word):
    ended = serve("memory:", *options)
    assert ended.returncode in (1, USAGE) and word in ended.stderr, ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("algorithms", ["none", "HS256", "RS256,none", "RS256,HS256", "", "rs256"])
def test_algorithms_that_sign_nothing_are_refused(tmp_path, algorithms):
    """Not even an operator turns on tokens that anybody can make, or that the public key makes."""
    options = modes(tmp_path)["jwt"]
    ended = serve("memory:", *options, "--jwt-algorithms", algorithms)
    assert ended.returncode in (1, USAGE), ended.stderr
    assert "jwt-algorithms" in ended.stderr
