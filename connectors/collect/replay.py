"""Which signed requests were accepted lately: bounded, in memory, for as long as their time is tolerated.

What is forgotten early or by a restart could be accepted once more; its events' ids are the same, so it counts nothing
twice. docs/decisions/collect-security.md says why there is no more to it.
"""

from __future__ import annotations

from collections import OrderedDict

SEEN_MAX = 200_000  # requests; 45 MB. At the default tolerance: 660 signed requests a second


class Seen:
    """Requests by a digest of what was signed."""

    def __init__(self, most: int = SEEN_MAX) -> None:
        self._most = most
        self._until: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, digest: bytes, now_us: int, until_us: int) -> bool:
        """Remember a request until that time, inclusive; False: it is remembered already."""
        if self._until.get(digest, now_us - 1) >= now_us:
            return False
        self._until[digest] = until_us
        self._until.move_to_end(digest)
        while len(self._until) > self._most or next(iter(self._until.values())) < now_us:
            self._until.popitem(last=False)
        return True

    def forget(self, digest: bytes) -> None:
        """The request was not accepted after all."""
        self._until.pop(digest, None)
