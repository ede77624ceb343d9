"""What the transport hands to the core: whole Kafka record batches of one partition number, in stream order."""

from __future__ import annotations

from typing import NamedTuple


class Slab(NamedTuple):
    """Records of one topic partition that follow each other.

    `topic` carries no prefix; `offset` is the first value's; `arrived_ms` is the broker's time (LogAppendTime, one for
    the whole record batch); a value is None where the record has none.
    """

    topic: str
    offset: int
    arrived_ms: int
    values: list[bytes | None]

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return sum(map(len, filter(None, self.values)))

    def split(self, n: int) -> tuple[Slab, Slab]:
        """The first `n` values and the rest."""
        return self._replace(values=self.values[:n]), self._replace(offset=self.offset + n, values=self.values[n:])


def halves(slabs: list[Slab]) -> tuple[list[Slab], list[Slab]]:
    """A batch in two, by number of events; order is kept."""
    left = sum(len(s.values) for s in slabs) // 2
    first: list[Slab] = []
    for i, slab in enumerate(slabs):
        if len(slab.values) > left:
            head, tail = slab.split(left)
            return ([*first, head] if left else first), [tail, *slabs[i + 1 :]]
        first.append(slab)
        left -= len(slab.values)
    return first, []
