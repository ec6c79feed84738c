"""The examples of README.md, run."""

import json
import re
from pathlib import Path

import pytest
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from test_factory import load

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


class State(TypedDict):
    """A state."""

    count: int


@pytest.fixture
def examples(sqlite_server, monkeypatch):
    """The Python in the README, with the address of a server that is there, and what it may expect to have."""
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "0123456789abcdef")
    found = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    builder = StateGraph(State).add_node("node", lambda state: {"count": state["count"] + 1}).add_edge(START, "node")
    return [text.replace("http://127.0.0.1:5003", sqlite_server.base_url) for text in found], {"builder": builder}


def test_the_python_runs(examples, thread_id):
    texts, names = examples
    assert len(texts) == 3
    savers = set()
    for text in texts:
        exec(text, names)
        savers.add(names["saver"])
        graph = names["builder"].compile(checkpointer=names["saver"])
        config = {"configurable": {"thread_id": thread_id}}
        graph.invoke({"count": 1}, config)
        assert graph.get_state(config).values == {"count": 2}
    for saver in savers:
        saver.close()


def test_the_path_in_langgraph_json_is_right():
    [configuration] = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert callable(load(json.loads(configuration)["checkpointer"]["path"]))
