"""Everybody can read the inspector: by keyboard, with a screen reader, on small and large screens, light and dark."""

import pytest
from playwright.sync_api import expect

from inspected import FAILED, FINISHED, FORKED, GREW, WAITING
from inspector import HUGE, NARROW, WIDE, checkpoint_of, place

SCREENS = {"320": NARROW, "1280": WIDE, "3840": HUGE}


def views(filled):
    """Every view: its place, and what to press there."""
    failed, forked = checkpoint_of(filled, FAILED), checkpoint_of(filled, FORKED)
    yield "threads", "", ()
    for thread in (WAITING, FAILED, FORKED):
        yield thread, place(thread), ()
    for view in ("changes", "writes", "metadata", "json"):
        yield view, place(FAILED, failed, view=view), ()
    other = checkpoint_of(filled, FORKED, 10)
    yield "comparison", place(FORKED, forked, view="changes", against=other), ()
    yield "size", place(GREW, view="size"), ()
    for name in ("Fork from here", "Prune", "Delete", "Python"):
        yield name, place(FINISHED), (name,)
    yield "nothing there", place("not a thread"), ()


# Those whose layout is another on another screen.
LAYOUTS = ("threads", FAILED, "comparison", "writes", "size", "Prune")


@pytest.mark.parametrize("screen", SCREENS)
def test_axe_has_nothing_against_any_view(filled, visit, screen):
    """WCAG 2.2, A and AA, contrast in the dark, too; nothing is wider than the screen, nothing jumped as it came."""
    found = []
    for name, route, presses in views(filled):
        if screen != "1280" and name not in LAYOUTS:
            continue
        visitor = visit(filled, route, viewport=SCREENS[screen], color_scheme="light", allowed="404").settles()
        moved = visitor.seen()
        for pressed in presses:
            visitor.press(pressed).dialog().wait_for()
            visitor.settles()
        found += [f"{name}: {problem}" for problem in visitor.accessibility()]
        visitor.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found += [f"{name}, dark: {problem}" for problem in visitor.settles().accessibility("color-contrast")]
        if visitor.is_wider_than_the_window():
            found.append(f"{name}: the page scrolls sideways")
        if moved["shifts"] >= 0.05:
            found.append(f"{name}: it moved by {moved['shifts']:.3f}: {moved['moved']}")
        visitor.end()
    assert not found, "\n".join(found)


def test_axe_can_find_something(filled, visit):
    visitor = visit(filled).settles()
    assert visitor.accessibility() == []
    visitor.page.evaluate("""() => {
        const text = document.createElement('p');
        text.textContent = 'hardly to be read';
        text.style.color = '#888';
        text.style.background = '#999';
        document.querySelector('main').append(text, document.createElement('button'));
    }""")
    rules = {problem.split(":")[0] for problem in visitor.accessibility()}
    assert {"color-contrast", "button-name"} <= rules
    visitor.page.evaluate("document.querySelector('main').style.minWidth = '5000px'")
    assert visitor.is_wider_than_the_window()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_of_the_reader_is_used(filled, visit, scheme):
    visitor = visit(filled, color_scheme=scheme).settles()
    background = visitor.page.evaluate("""() => {
        const seen = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
        return seen[0] + seen[1] + seen[2];
    }""")
    assert (background > 600) == (scheme == "light")


def focused(visitor):
    """What has the focus: its role or name, and whether that can be seen."""
    return visitor.page.evaluate("""() => {
        const e = document.activeElement;
        const style = getComputedStyle(e);
        const box = e.getBoundingClientRect();
        return {
            name: e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 60),
            role: e.getAttribute('role') ?? e.localName,
            visible: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
            inside: box.bottom > 0 && box.top < innerHeight && box.width > 0,
        };
    }""")


def tab_to(visitor, role, name, limit=40):
    """Presses Tab until something of this role and name has the focus, which has to be seen all the way."""
    for _ in range(limit):
        visitor.page.keyboard.press("Tab")
        now = focused(visitor)
        assert now["role"] == "body" or (now["visible"] and now["inside"]), f"the focus on {now} cannot be seen"
        if now["role"] == role and now["name"].startswith(name):
            return now
    raise AssertionError(f"{name} cannot be reached with the Tab key")


def test_everything_can_be_done_with_the_keyboard(filled, visit):
    """From the list to a thread, along its picture to a checkpoint, through its tabs, into a dialog and back."""
    visitor = visit(filled).sees(FINISHED).settles()
    keys = visitor.page.keyboard
    keys.press("Tab")
    assert "skip" in focused(visitor)["name"].lower()
    tab_to(visitor, "listbox", "Threads")
    keys.press("End")
    chosen = visitor.page.locator("[role=option][aria-selected=true]")
    assert GREW in chosen.inner_text()
    keys.press("Home")
    while FINISHED not in chosen.inner_text():
        keys.press("ArrowDown")
    keys.press("Enter")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text(FINISHED)
    visitor.waits_for_text("publish").settles()
    tab_to(visitor, "listbox", "Checkpoints")
    keys.press("Home")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    visitor.waits_for_text("Node plan ran and wrote").settles()
    tab_to(visitor, "tab", "State")
    keys.press("ArrowRight")
    expect(visitor.page.get_by_role("tab", name="Changes")).to_have_attribute("aria-selected", "true")
    keys.press("End")
    expect(visitor.page.get_by_role("tab", name="JSON")).to_be_focused()
    visitor.settles()
    while "fork from here" not in focused(visitor)["name"].lower():
        keys.press("Shift+Tab")
    keys.press("Enter")
    visitor.dialog().wait_for()
    for _ in range(12):
        keys.press("Tab")
        inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog[open]')"
        assert visitor.page.evaluate(inside), "the focus left the dialog"
    keys.press("Escape")
    assert "fork from here" in focused(visitor)["name"].lower()
    visitor.page.go_back()
    visitor.page.go_back()
    visitor.sees(WAITING)


def test_what_happens_is_told_to_screen_readers(filled, visit):
    """Landmarks, one heading of the first level, a title that says where one is, and live regions."""
    visitor = visit(filled, place(WAITING)).waits_for_text("The run waits here")
    for landmark in ("main", "banner"):
        expect(visitor.page.get_by_role(landmark)).to_have_count(1)
    expect(visitor.page.get_by_role("heading", level=1)).to_have_count(1)
    assert WAITING in visitor.page.title()
    assert visitor.page.locator("[aria-live], [role=status]").count()
    assert visitor.page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("screen", ["320", "3840"])
def test_the_text_can_be_read_on_any_screen(filled, visit, screen):
    """No text smaller than 10.5 px; on a very large screen the page uses the room."""
    visitor = visit(filled, place(FORKED), viewport=SCREENS[screen]).waits_for_text("review").settles()
    smallest = visitor.page.evaluate("""() => {
        const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
        let least = [99];
        while (walker.nextNode()) {
            const e = walker.currentNode.parentElement;
            if (walker.currentNode.data.trim() && e.checkVisibility()) {
                const size = parseFloat(getComputedStyle(e).fontSize);
                if (size < least[0]) least = [size, e.className, walker.currentNode.data];
            }
        }
        return least;
    }""")
    assert smallest[0] >= 10.5, smallest
    if screen == "3840":
        width = visitor.page.evaluate("document.querySelector('main').getBoundingClientRect().width")
        assert width > 2000
