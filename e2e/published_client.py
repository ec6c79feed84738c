"""A program as Agentex runs it: puts a checkpoint and reads it back with the client that agentex-sdk makes for itself.

    published_client.py URL THREAD

The key is in AGENT_API_KEY, from which the client takes it. The module that makes the client is loaded by itself: its
package also wants Temporal.
"""

import asyncio
import importlib.util
import sys
import typing
from pathlib import Path

import agentex
import typing_extensions


def client_module():
    typing.override = typing_extensions.override  # which Python 3.11 has not
    path = Path(agentex.__file__).parent / "lib/adk/utils/_modules/client.py"
    specification = importlib.util.spec_from_file_location("published_client_module", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


async def main(url, thread):
    client = client_module().create_async_agentex_client(base_url=url, max_retries=0)
    try:
        await client.checkpoints.put(thread_id=thread, checkpoint_id="c1", checkpoint={"id": "c1"})
        print((await client.checkpoints.get_tuple(thread_id=thread)).checkpoint_id)
    except agentex.APIStatusError as refused:
        print(refused.status_code)
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
