"""Clients that do what a 503 asks for: they send the same request again, until it is stored."""

import threading
import time

import load

# A call has ten seconds; what is more is for a busy machine.
ANSWER_LIMIT = 12.0
PAUSE = 0.05


class PatientWriter(load.Writer):
    """A writer whose every request is stored in the end, and that knows how long each answer took.

    Whatever a 503 left behind, the same request again makes it whole: one writer a thread, so nobody came in between.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.refused = 0
        self.slowest = 0.0
        self.times = []

    def send(self, path, body):
        self.in_doubt = (path, body)
        while not self.is_stored(path, body):
            # The server asks for a second; a client that comes back sooner finds out sooner that it is well again.
            if self._stopping.wait(PAUSE):
                return
        self.model.apply(path, body)
        self.acknowledged += 1
        self.times.append(time.monotonic())
        self.in_doubt = None

    def is_stored(self, path, body):
        """Sends it once. Nothing is a right answer but success, and a 503 that says when to come back."""
        began = time.monotonic()
        try:
            status, answer = self._client.post(path, body)
        except load.Unanswered as error:
            raise AssertionError(f"{path} got no answer") from error
        self.slowest = max(self.slowest, time.monotonic() - began)
        if status == 503:
            assert int(self._client.headers["retry-after"]) > 0
            assert isinstance(answer["detail"], str), answer
            self.refused += 1
            return False
        assert status == (200 if path == "put" else 204), f"{path} was answered with {status}: {answer}"
        return True


class PatientLoad(load.Load):
    """Several of them; no answer may have taken longer than a call may take."""

    def __init__(self, port, name, seed, clients=8):
        super().__init__(port, name, seed, clients, PatientWriter)

    def __exit__(self, *failure):
        super().__exit__(*failure)
        slowest = max(writer.slowest for writer in self.writers)
        assert slowest < ANSWER_LIMIT, f"an answer took {slowest:.1f} s"

    @property
    def refused(self):
        return sum(writer.refused for writer in self.writers)

    def all_have_stored_since(self, moment):
        """Whether every writer has had a success after that moment."""
        return all(writer.times and writer.times[-1] > moment for writer in self.writers)


class Call(threading.Thread):
    """One request beside others: what it was answered with, and how long that took."""

    def __init__(self, port, path, body):
        super().__init__(name=path, daemon=True)
        self.path = path
        self.status, self.answer, self.took, self.headers, self.failure = None, None, None, {}, None
        self._port = port
        self._body = body
        self.start()

    def run(self):
        began = time.monotonic()
        client = load.Client(self._port)
        try:
            self.status, self.answer = client.post(self.path, self._body)
            self.headers = client.headers
        except Exception as error:  # Kept for `ended`, which fails the test with it.
            self.failure = error
        self.took = time.monotonic() - began
        client.close()

    def ended(self):
        """Waits for the answer, which must be there in time."""
        self.join(ANSWER_LIMIT)
        if self.failure is not None:
            raise self.failure
        assert self.status is not None, f"{self.path} has no answer after {ANSWER_LIMIT:g} s"
        return self

    def assert_unavailable(self):
        self.ended()
        assert self.status == 503, f"{self.path} was answered with {self.status}: {self.answer}"
        assert int(self.headers["retry-after"]) > 0


def check(port, writers):
    """Every acknowledged change of these writers is there, and nothing else but what got no answer."""
    client = load.Client(port)
    for writer in writers:
        load.settle(client, writer)
    client.close()
