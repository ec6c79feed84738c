"""Ids as LangGraph makes them."""

import random
import time

MASK = (1 << 64) - 1
GREGORIAN_SECONDS = 12_219_292_800
_last = 0


def thread_id(number: int) -> str:
    """A version 4 UUID that belongs to a number; LoadGenerator makes the same."""
    high = _mix(2 * number & MASK) & ~0xF000 | 0x4000
    low = _mix((2 * number + 1) & MASK) & ~(0b11 << 62) | 0b10 << 62
    return _text(high & MASK, low & MASK)


def random_thread_id() -> str:
    """A random version 4 UUID; cheaper than the uuid module's."""
    return _text(random.getrandbits(64) & ~0xF000 | 0x4000, random.getrandbits(62) | 0b10 << 62)


def checkpoint_id() -> str:
    """A version 6 UUID of this moment, greater than the one before: ids sort by the time they were made."""
    global _last
    _last = max(_last + 1, time.time_ns() // 100 + GREGORIAN_SECONDS * 10_000_000)
    return _text(_last >> 12 << 16 | 0x6000 | _last & 0xFFF, 0b10 << 62 | random.getrandbits(48))


def _mix(number: int) -> int:
    """SplitMix64."""
    value = (number + 0x9E37_79B9_7F4A_7C15) & MASK
    value = ((value ^ value >> 30) * 0xBF58_476D_1CE4_E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D0_49BB_1331_11EB) & MASK
    return value ^ value >> 31


def _text(high: int, low: int) -> str:
    digits = f"{high << 64 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
