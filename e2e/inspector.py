"""The inspector in a real browser: Debian's Chromium through Playwright, and somebody who looks at a page of it.

Every visit ends with the same checks: no error on the console, none that was thrown, nothing that the policy of the
page stopped, and no request to anywhere but the server, nor one whose address has a key in it.
"""

import re
import shutil
import time
from urllib.parse import quote, urlencode, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

import inspected
from conftest import store_url
from security import Caller, assert_status
from server import Server

WIDE, NARROW, HUGE = {"width": 1280, "height": 800}, {"width": 320, "height": 640}, {"width": 3840, "height": 2160}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# How long a page may take to show what it was asked for, in ms.
PATIENCE = 10_000
KEY = re.compile(r"mlp_\w+")
SIZES = re.compile(r"(\d[\d.,]*) (B|kB|MB|GB)\b")

# Runs in every document before its own scripts: what went wrong, what moved, what held up the page.
WATCH = """
window.seen = {violations: [], shifts: 0, moved: [], long: []};
addEventListener("securitypolicyviolation",
    e => seen.violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
const watch = (type, take) =>
    new PerformanceObserver(list => list.getEntries().forEach(take)).observe({type, buffered: true});
watch("layout-shift", e => {
    if (e.hadRecentInput) return;
    seen.shifts += e.value;
    seen.moved.push(...e.sources.map(s => `${e.value.toFixed(4)} ${s.node?.nodeName}.${s.node?.className}`));
});
watch("longtask", e => seen.long.push(e.duration));
"""


def launch(playwright):
    """A browser without a window. CI is root, whom Chromium gives no sandbox."""
    program = shutil.which("chromium")
    assert program, "no chromium: `make test` installs it"
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def browser():
    """One browser for a module, not for the session: Playwright keeps an event loop in this thread, and other modules
    run loops of their own in it."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        running = launch(playwright)
        yield running
        running.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A server without authentication, with the threads of `inspected.fill`, which no test changes."""
    directory = tmp_path_factory.mktemp("inspector")
    running = Server(store_url("sqlite", directory), directory).start()
    running.histories = inspected.fill(running)
    yield running
    if running.is_running:
        running.stop()


@pytest.fixture(scope="module")
def api(filled):
    """The API of that server, which says what is true."""
    with Caller(filled) as caller:
        yield caller


@pytest.fixture
def visit(browser):
    """A function that opens the inspector of a server; what each visit saw is checked at the end."""
    made = []

    def start(server, route="", **options):
        made.append(Visit(browser, server, **options))
        return made[-1].go(route)

    yield start
    for one in made:
        one.end()


def ask(api, call, **body):
    """One of the inspector's own calls."""
    return assert_status(api.client.post(f"/inspector/{call}", json=body), 200).json()


def checkpoint_of(server, thread, step=None):
    """The newest checkpoint of the graph itself in one of the filled threads, or the newest of a step."""
    states = server.histories[thread]
    state = states[0] if step is None else next(s for s in states if s.metadata["step"] == step)
    return state.config["configurable"]["checkpoint_id"]


def size(text):
    """A size as the page writes it, as the range of bytes that it stands for."""
    number, unit = SIZES.search(text).groups()
    factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit]
    digits = len(number.partition(".")[2])
    value = float(number.replace(",", ""))
    return (value - 0.51 * 10**-digits) * factor, (value + 0.51 * 10**-digits) * factor


def is_size(text, number):
    low, high = size(text)
    return low <= number <= high


def place(thread=None, checkpoint=None, **query):
    """The part of the address behind #/."""
    words = ["thread", thread, checkpoint] if thread is not None else []
    path = "/".join(quote(word, safe="") for word in words if word is not None)
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


class Visit:
    """A page of its own, with a memory of its own. `allowed` matches messages on the console that are no fault here."""

    def __init__(self, browser, server, *, allowed=None, viewport=None, **options):
        self.server, self.allowed = server, allowed
        self.context = browser.new_context(viewport=viewport or WIDE, reduced_motion="reduce", **options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(WATCH)
        self.requests, self.ended, self.faults = [], [], []
        self.page = self.context.new_page()
        self.context.on("page", self._opened)
        self.page.on("request", self._began)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("console", self._heard)
        self.page.on("pageerror", self._thrown)
        self.page.on("dialog", self._dialog)
        self.is_checked, self.has_ended = True, False

    def _began(self, request):
        self.requests.append(request)

    def _ended(self, request):
        self.ended.append(request)

    def _heard(self, message):
        if message.type in ("error", "warning") and not (self.allowed and re.search(self.allowed, message.text)):
            self.faults.append(f"console: {message.text}")

    def _thrown(self, error):
        self.faults.append(f"thrown: {error}")

    def _opened(self, page):
        self.faults.append(f"opened {page.url}")

    def _dialog(self, dialog):
        self.faults.append(f"a {dialog.type} of the browser's: {dialog.message}")
        dialog.dismiss()

    def go(self, route=""):
        """To a place of the page; loads it when it was not open yet."""
        self.page.goto(f"{self.server.base_url}/inspector#/{route}")
        return self

    def settles(self):
        """Waits until nothing is being asked (but what is followed) and what was answered is painted."""
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            ended = set(self.ended)
            open_ones = [r for r in self.requests if r not in ended and not urlsplit(r.url).path.endswith("/events")]
            if not open_ones:
                return self
            assert time.monotonic() < deadline, f"still asking {open_ones[0].url}"

    def sees(self, *texts, within=None):
        """Waits until each text (or pattern) can be seen."""
        for text in texts:
            expect((within or self.page).get_by_text(text).filter(visible=True).first).to_be_visible()
        return self

    def does_not_see(self, *texts):
        for text in texts:
            expect(self.page.get_by_text(text).filter(visible=True)).to_have_count(0)
        return self

    def text(self):
        """All that can be read now."""
        return self.page.locator("body").inner_text()

    def waits_for_text(self, pattern, limit=PATIENCE):
        """Waits until a pattern, in any case, is in the text of the page, over the bounds of its elements."""
        expected = re.compile(pattern, re.IGNORECASE)
        try:
            expect(self.page.locator("body")).to_contain_text(expected, timeout=limit, use_inner_text=True)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} within {limit} ms; the page says: {self.text()[:1500]}") from None
        return self

    def press(self, name, role="button", exact=False):
        """Presses the button, or tab, or link of this name."""
        self.page.get_by_role(role, name=name, exact=exact).filter(visible=True).first.click()
        return self

    def dialog(self):
        """The dialog that is open."""
        return self.page.locator("dialog[open]")

    def names(self, role):
        """What the visible elements of a role are called, as a reader of the screen says it."""
        return [element.inner_text() for element in self.page.get_by_role(role).filter(visible=True).all()]

    def bodies(self, path):
        """The answers to requests whose path ends so, as text."""
        return [r.response().text() for r in list(self.ended) if urlsplit(r.url).path.endswith(path) and r.response()]

    def seen(self):
        return self.page.evaluate("window.seen")

    def accessibility(self, *rules):
        """What axe has to say against the page as it is now, in short: by all rules of WCAG, or by those named."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        options = {"runOnly": list(rules) or WCAG, "resultTypes": ["violations"], "iframes": False}
        found = self.page.evaluate("options => axe.run(options).then(results => results.violations)", options)
        return [
            f"{rule['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for rule in found for node in rule["nodes"][:3]
        ]

    def is_wider_than_the_window(self):
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def end(self):
        """Closes the page and says what was wrong with the visit; once."""
        if self.has_ended:
            return
        self.has_ended = True
        try:
            if self.is_checked:
                self.check()
        finally:
            self.context.close()

    def check(self):
        if not self.page.is_closed() and self.page.url.startswith("http"):
            self.faults += [f"stopped by the policy: {one}" for one in self.seen()["violations"]]
        origin = self.server.base_url + "/"
        self.faults += [f"asked {one.url}" for one in self.requests if not one.url.startswith((origin, "data:"))]
        self.faults += [f"a key in {one.url}" for one in self.requests if KEY.search(one.url)]
        assert not self.faults, "\n".join(self.faults)
