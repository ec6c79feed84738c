"""The pictures of the inspector in the documentation: run by scripts/screenshots.

    pictures.py DIRECTORY
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import inspected
from inspector import WIDE, Visit, launch, place
from server import Server

# How long a step of the agent takes: pictures with times of a few milliseconds tell nothing.
PACE = 0.12
TALL, LOW = {**WIDE, "height": 1000}, {**WIDE, "height": 560}
# More threads, so that the list is one: the agent stops in each after so many rounds of growing.
OTHERS = {
    "support-ticket-4711": 3, "invoice-check-2026-11": 20, "weekly-digest": 8, "translate-manual": 31, "onboarding-guide": 5,
    "review-pull-request-812": 14,
}


def checkpoint_of(histories, thread, step):
    """The newest checkpoint of a thread's own graph with that step."""
    found = next(state for state in histories[thread] if state.metadata["step"] == step)
    return found.config["configurable"]["checkpoint_id"]


def fill(server):
    """The threads of the tests, and some more."""
    for name, rounds in OTHERS.items():
        inspected.Agent(server, name, inspected.growing(rounds))(inspected.FIRST_ROUND)
    return inspected.fill(server, pace=PACE)


def take(browser, server, histories, directory):
    """Each view, light; the thread dark, too."""
    finished = checkpoint_of(histories, inspected.FINISHED, 6)
    forked = checkpoint_of(histories, inspected.FORKED, 9)
    views = {
        "threads": ("", "light", LOW),
        "thread": (place(inspected.FORKED, forked, ns=""), "light", TALL),
        "thread-dark": (place(inspected.FORKED, forked, ns=""), "dark", TALL),
        "changes": (place(inspected.FINISHED, finished, ns="", view="changes"), "light", WIDE),
        "size": (place(inspected.GREW, view="size"), "light", WIDE),
    }
    for name, (route, scheme, viewport) in views.items():
        visit = Visit(browser, server, viewport=viewport, color_scheme=scheme)
        visit.go(route).settles()
        visit.page.wait_for_timeout(500)
        path = directory / f"inspector-{name}.png"
        visit.page.screenshot(path=path, animations="disabled", caret="hide")
        visit.end()
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main(directory):
    with tempfile.TemporaryDirectory() as own, sync_playwright() as playwright:
        server = Server(f"sqlite:{own}/milepost.db", own).start()
        try:
            histories = fill(server)
            browser = launch(playwright)
            take(browser, server, histories, Path(directory))
            browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
