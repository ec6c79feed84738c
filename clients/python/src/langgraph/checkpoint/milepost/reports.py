"""What the server reports about work it did."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PruneReport", "PrunedThread"]


@dataclass(frozen=True)
class PrunedThread:
    """What pruning removed of one thread; `bytes` as stored, `kept` is the number of checkpoints that stay."""

    thread_id: str
    checkpoints: int
    blobs: int
    writes: int
    bytes: int
    kept: int


@dataclass(frozen=True)
class PruneReport:
    """What pruning removed, or with `dry_run` would remove, in total and of each thread; `bytes` as stored."""

    dry_run: bool
    checkpoints: int
    blobs: int
    writes: int
    bytes: int
    threads: tuple[PrunedThread, ...]
