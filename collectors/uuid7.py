"""UUID version 7 (RFC 9562): sorts by creation time. Python 3.11 has none."""

import os
import threading
import time
import uuid

_COUNTER_BITS = 42  # below the millisecond: a counter that starts at random and rises (RFC 9562, method 1)

_lock = threading.Lock()
_last = 0  # milliseconds and counter of the last one made


def uuid7() -> uuid.UUID:
    """A new UUID, greater than every earlier one of this process, even when the clock is set back."""
    global _last
    random = int.from_bytes(os.urandom(10), "big")
    # The counter's top bit starts at 0, so that it has room to rise within the millisecond.
    fresh = (time.time_ns() // 1_000_000 << _COUNTER_BITS) | random >> 39
    with _lock:
        _last = max(fresh, _last + 1)
        moment, counter = _last >> _COUNTER_BITS, _last & (1 << _COUNTER_BITS) - 1
    high, low = counter >> 30, counter & (1 << 30) - 1  # 12 bits before the variant, 30 of the 62 after it
    return uuid.UUID(int=moment << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 32 | random & 0xFFFFFFFF)
