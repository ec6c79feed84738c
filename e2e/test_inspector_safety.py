"""The inspector shows what agents stored to people who did not write it: nothing of it runs, and nothing leaves."""

import json

import httpx
import pytest

import hostile
from conftest import store_url
from inspector import place
from security import Caller
from server import Server

# Everything the page is made of; what content could bring in beside it is not on the list.
TAGS = """
a article aside b bdi body br button caption circle code dd del details dialog div dl dt em fieldset figcaption figure
footer form g h1 h2 h3 h4 head header html i input ins label legend li line link main mark meta nav noscript ol optgroup
option output p path polygon polyline pre q rect script search section select small span strong style sub summary svg
table tbody td text textarea th thead time title tr tspan ul wbr
"""
STRANGE = """tags => {
    const found = [];
    for (const element of document.querySelectorAll("*")) {
        const name = element.localName;
        if (!tags.includes(name)) found.push(`element ${name}`);
        for (const {name: attribute, value} of element.attributes) {
            if (/^on|^(src|srcdoc|srcset|action|formaction|ping|background|data)$|xlink/i.test(attribute)) {
                found.push(`${name} ${attribute}=${value}`);
            }
            if (attribute === "href" && name === "a" && !value.startsWith("#")) found.push(`${name} href=${value}`);
        }
    }
    for (const name of ["script", "style", "link"]) {
        const number = document.getElementsByTagName(name).length;
        if (number !== 1) found.push(`${number} of ${name}`);
    }
    if (window.hit !== undefined) found.push(`ran: ${window.hit}`);
    if ({}.hit !== undefined || ({}).x !== undefined) found.push("a prototype was changed");
    if (Object.keys(Object.prototype).length) found.push("Object.prototype has something");
    return found;
}"""
VIEWS = ("state", "changes", "writes", "metadata", "json")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A server whose threads are all hostile."""
    directory = tmp_path_factory.mktemp("hostile")
    running = Server(store_url("memory", directory), directory).start()
    hostile.fill(running)
    hostile.TOUCHED.unlink(missing_ok=True)
    yield running
    running.stop()


def inert(visitor):
    """Nothing came of the content that is shown now."""
    assert visitor.page.evaluate(STRANGE, TAGS.split()) == []
    assert visitor.page.url.startswith(visitor.server.base_url + "/inspector")


def open_all(visitor):
    """Opens what can be opened, so that all of the content is there."""
    for _ in range(2):
        visitor.page.evaluate("""() => {
            const closed = "main details:not([open]) > summary, main [aria-expanded=false]:not([aria-haspopup])";
            for (const part of document.querySelectorAll(closed)) part.click();
        }""")


def shown_text(visitor):
    return visitor.page.locator("main").evaluate("e => e.textContent")


def parts_of(payload):
    """Ways in which the beginning of a text may be shown."""
    return payload[:10], json.dumps(payload)[1:11], json.dumps(payload, ensure_ascii=False)[1:11]


def test_the_check_of_inert_pages_can_fail(attacked, visit):
    """Each thing that must not be is put there, and seen."""
    visitor = visit(attacked)
    visitor.is_checked = False
    inert(visitor)
    for script in (
        "document.body.append(document.createElement('img'))",
        "document.body.append(document.createElement('script'))",
        "{const a = document.createElement('a'); a.href = 'javascript:0'; document.body.append(a)}",
        "document.body.setAttribute('ping', '')",
        "window.hit = 1",
        "Object.prototype.hit = 1",
    ):
        visitor.page.reload()
        visitor.page.evaluate(script)
        with pytest.raises(AssertionError):
            inert(visitor)
    visitor.page.reload()
    visitor.page.evaluate("try { document.body.setAttribute('onclick', '1') } catch {}")
    with pytest.raises(AssertionError, match="stopped by the policy"):
        visitor.check()


def test_hostile_names_of_threads_are_texts(attacked, visit):
    visitor = visit(attacked)
    visitor.sees("hasOwnProperty")
    inert(visitor)
    text = visitor.page.locator("main").inner_text()
    shown = [payload for payload in hostile.PAYLOADS if payload[:24].split("\n")[0].rstrip() in text]
    assert len(shown) > 8, "hardly any payload can be read"


@pytest.mark.parametrize("number", range(len(hostile.PAYLOADS)))
def test_a_hostile_text_in_every_field_is_a_text(attacked, visit, number):
    """Each checkpoint of the thread in each of its views, everything opened; its sizes; its snippets and dialogs."""
    payload = hostile.PAYLOADS[number]
    visitor = visit(attacked, place(payload))
    page = visitor.page
    page.locator("[role=option]").first.wait_for()
    inert(visitor)
    places = [(f"2 {payload}"[:300], ""), (f"3 {payload}"[:300], payload[:300])]
    for view in VIEWS:
        for identifier, namespace in places if view == "state" else places[:1]:
            visitor.go(place(payload, identifier, ns=namespace, view=view))
            visitor.settles()
            open_all(visitor)
            visitor.settles()
            inert(visitor)
            assert any(part in shown_text(visitor) for part in parts_of(payload)), f"{view} does not show the text"
    visitor.go(place(payload, view="size")).settles()
    inert(visitor)
    visitor.go(place(payload, places[0][0], ns="", view="state")).settles()
    for name in ("Fork from here", "Prune", "Delete", "curl", "Python"):
        visitor.press(name).dialog().wait_for()
        visitor.settles()
        inert(visitor)
        page.keyboard.press("Escape")
    assert not hostile.TOUCHED.exists()


def test_changed_directions_stay_within_their_text(attacked, visit):
    """A mark that turns the direction around is shown as a sign, or kept within an element of its own direction."""
    visitor = visit(attacked).sees("hasOwnProperty")
    loose = visitor.page.evaluate("""() => {
        const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) {
            if (!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(walker.currentNode.data)) continue;
            const direction = getComputedStyle(walker.currentNode.parentElement).unicodeBidi;
            if (!/isolate|plaintext/.test(direction)) found.push(walker.currentNode.data);
        }
        return found;
    }""")
    assert loose == []


# MARK: the answer itself


def directives(answer):
    policy = answer.headers["content-security-policy"]
    return {words[0]: words[1:] for words in (part.split() for part in policy.split(";")) if words}


def test_the_page_comes_with_a_strict_policy(attacked):
    answer = httpx.get(f"{attacked.base_url}/inspector")
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = directives(answer)
    assert policy["default-src"] == ["'none'"] and policy["connect-src"] == ["'self'"]
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"], name
    assert policy["require-trusted-types-for"] == ["'script'"] and policy["img-src"] == ["data:"]
    for name in ("script-src", "style-src"):
        assert len(policy[name]) == 1 and policy[name][0].startswith("'sha256-"), name
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert set(answer.headers["cache-control"].split(", ")) & {"no-cache", "no-store"}
    assert "http://" not in answer.text.replace("http://www.w3.org/", "").replace("http://127.0.0.1", "")


def test_the_page_is_the_same_for_all_and_has_an_etag(attacked):
    first = httpx.get(f"{attacked.base_url}/inspector")
    again = httpx.get(f"{attacked.base_url}/inspector", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    assert httpx.get(f"{attacked.base_url}/inspector?x=%3Cscript%3E").content == first.content


@pytest.mark.parametrize("call", ["caller", "history", "checkpoint", "difference", "sizes"])
def test_answers_with_content_are_no_documents(attacked, call):
    """Opened by themselves they are JSON that no cache keeps and no browser takes for HTML."""
    with Caller(attacked) as caller:
        body = {"thread_id": hostile.PAYLOADS[0]}
        answer = caller.client.request("GET" if call == "caller" else "POST", f"/inspector/{call}", json=body)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"


def test_no_other_page_can_read_it_or_act(attacked):
    """No answer names another origin, and a form of another page is not taken for JSON."""
    headers = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = httpx.request(method, f"{attacked.base_url}/inspector/caller", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    framed = httpx.get(f"{attacked.base_url}/inspector", headers=headers)
    assert not [name for name in framed.headers if name.startswith("access-control")]
