"""LangGraph checkpoint savers for a Milepost server: MilepostSaver, and AsyncMilepostSaver for programs on asyncio.

`MilepostSaver("http://127.0.0.1:5003")` goes where `InMemorySaver()` was. The README says the rest.
"""

from ._factory import create_checkpointer
from ._saver import AsyncMilepostSaver, MilepostSaver
from ._serde import default_serde
from .errors import (
    AccessDeniedError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    MilepostError,
    ServerError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from .reports import PrunedThread, PruneReport

__all__ = [
    "AccessDeniedError",
    "AsyncMilepostSaver",
    "AuthenticationError",
    "ConflictError",
    "InvalidRequestError",
    "MilepostError",
    "MilepostSaver",
    "PruneReport",
    "PrunedThread",
    "ServerError",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedError",
    "create_checkpointer",
    "default_serde",
]
