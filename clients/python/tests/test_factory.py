"""The saver that langgraph.json names, found and entered the way LangGraph's server does it."""

import asyncio
import importlib
import importlib.util
import sys

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver

from checkpoints import config_of, save
from langgraph.checkpoint.milepost import AsyncMilepostSaver, MilepostSaver

PATH = "langgraph.checkpoint.milepost.create_checkpointer"


def load(path):
    """What `checkpointer.path` names: an attribute of an installed module, or of a file."""
    if "/" in path or ".py:" in path:
        file, name = path.rsplit(":", 1)
        spec = importlib.util.spec_from_file_location("checkpointer_of_a_test", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module_name, name = path.rsplit(".", 1)
        module = importlib.import_module(module_name)
    return module.__dict__[name]


async def use(found, thread_id):
    """Calls it, enters what it gives, and uses that as a saver."""
    assert callable(found)
    async with found() as saver:
        assert isinstance(saver, BaseCheckpointSaver)
        await saver.adelete_thread(thread_id)
        return saver, await saver.aget_tuple(config_of(thread_id))


@pytest.fixture
def environment(monkeypatch, tap):
    """The variables of a deployment."""
    monkeypatch.setenv("MILEPOST_URL", tap.base_url)
    monkeypatch.setenv("MILEPOST_API_KEY", "key-of-the-deployment")


def test_the_installed_factory(environment, tap, thread_id):
    saver, found = asyncio.run(use(load(PATH), thread_id))
    assert isinstance(saver, AsyncMilepostSaver)
    assert found is None
    assert {headers["authorization"] for _, headers, _ in tap.requests} == {"Bearer key-of-the-deployment"}
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(saver.aget_tuple(config_of(thread_id)))


def test_a_file_of_one_s_own(environment, tmp_path, thread_id):
    file = tmp_path / "checkpointer.py"
    file.write_text("from langgraph.checkpoint.milepost import create_checkpointer\n", encoding="utf-8")
    saver, _ = asyncio.run(use(load(f"{file}:create_checkpointer"), thread_id))
    assert isinstance(saver, AsyncMilepostSaver)


def test_the_class_itself_is_a_factory_too(environment, thread_id):
    saver, _ = asyncio.run(use(AsyncMilepostSaver.from_env, thread_id))
    assert isinstance(saver, AsyncMilepostSaver)


def test_without_variables_it_is_the_default_address():
    assert repr(MilepostSaver.from_env()) == "MilepostSaver('http://127.0.0.1:5003')"
    assert repr(MilepostSaver()) == repr(MilepostSaver.from_url())


def test_from_url_is_for_with_statements(sqlite_server, thread_id):
    with MilepostSaver.from_url(sqlite_server.base_url, timeout=20) as saver:
        save(saver, thread_id)

    async def read():
        async with AsyncMilepostSaver.from_url(sqlite_server.base_url, timeout=20) as asynchronous:
            return await asynchronous.aget_tuple(config_of(thread_id))

    assert asyncio.run(read()) is not None


def test_importing_the_package_needs_no_graph():
    """The package needs langgraph-checkpoint, not langgraph: a worker that only reads checkpoints is enough."""
    program = "import langgraph.checkpoint.milepost, sys; sys.exit('langgraph.graph' in sys.modules)"
    assert asyncio.run(run(program)) == 0


async def run(program):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    return await process.wait()
