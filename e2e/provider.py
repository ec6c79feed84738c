"""A stand-in for an Agentex authorisation provider, and for any other small HTTP service that Milepost asks."""

import http.server
import json
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    headers: list
    body: bytes

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        """The values under that name, whatever its case."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


class Service(threading.Thread):
    """Answers each request with what `reply(asked)` gives: a status, a body, and perhaps headers."""

    def __init__(self, reply, port=0):
        super().__init__(name="service", daemon=True)
        self.reply = reply
        self.asked = []
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(service):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # The head and the body are written one after the other.
            disable_nagle_algorithm = True

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                asked = Asked(self.command, self.path, list(self.headers.items()), body)
                with service._lock:
                    service.asked.append(asked)
                status, content, *more = service.reply(asked)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **(more[0] if more else {})}.items():
                    self.send_header(name, value)
                if status == 204:
                    # Has no body: what came after the head would be taken for the answer to the next question.
                    data = b""
                else:
                    self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        return Handler

    def run(self):
        self._server.serve_forever(poll_interval=0.05)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Nobody answers any more: connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def requests_to(self, path):
        with self._lock:
            return [asked for asked in self.asked if asked.path == path]

    def forget(self):
        with self._lock:
            self.asked.clear()


class Provider(Service):
    """Knows some callers by the header `authorization`, and what each may do to which thread.

    `callers` maps the header's value to the principal; `decide(principal, operation, thread)` gives a status, or a status
    and a body.
    """

    AUTHN, CHECK = "/v1/authn", "/v1/authz/check"

    def __init__(self, callers, decide=lambda principal, operation, thread: 200):
        self.callers = callers
        self.decide = decide
        super().__init__(self._answer)

    def _answer(self, asked):
        if asked.path == self.AUTHN:
            principal = self.callers.get("".join(asked.header("authorization")))
            return (200, principal) if principal is not None else (401, {"error": "who are you"})
        if asked.path == self.CHECK:
            question = asked.json()
            decided = self.decide(question["principal"], question["operation"], question["resource"]["selector"])
            return decided if isinstance(decided, tuple) else (decided, {"success": decided == 200})
        return 404, {}
