"""What if: whether and when planned sendings exhaust an allowance, with the band of 80 of 100 outcomes.

In:   a cycle as it stands, its last forecast, planned sendings each with the curve of its like campaigns.
Out:  what will have been used at the cycle's end, and when the allowance is used up: expected, earliest, latest.
Time: Unix seconds; `now` is given.  Sendings lie on top of the forecast's own daily line; none at all is that line.
The forecast's band and the sendings' spreads are independent of each other: their widths add up as squares do.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.allowance.like import Curve


class Line(NamedTuple):
    """A forecast as it was made: from `used` at `made_at` straight to each bound at the cycle's end."""

    made_at: int
    used: int
    low: int
    expected: int
    high: int


class Cycle(NamedTuple):
    """The cycle under way; `line` is None where no forecast was made yet."""

    end: int
    allowance: int
    used: int
    line: Line | None


class Sending(NamedTuple):
    """So many recipients, from `at` on."""

    recipients: int
    at: int
    curve: Curve


class Band(NamedTuple):
    """Activities: 80 of 100 outcomes lie from low to high."""

    low: int
    expected: int
    high: int


class Outcome(NamedTuple):
    """What comes of it. `sending`: the sendings' own activities within the cycle; `behind`: those after its end.

    The instants are None where the allowance is not used up within the cycle, or was before the question.
    """

    used: Band
    sending: Band
    behind: int
    exhausted_at: int | None
    earliest: int | None
    latest: int | None


Wide = tuple[float, float, float]  # low, expected, high


def what_if(cycle: Cycle, sendings: Sequence[Sending], now: int) -> Outcome:
    """What the sendings make of a cycle under way at `now`."""
    own = _own(sendings, cycle.end)
    width = math.sqrt(math.fsum(w * w for _, w in own)), math.sqrt(math.fsum(min(n, w) ** 2 for n, w in own))
    extra = math.fsum(n for n, _ in own)
    behind = math.fsum(one.recipients * one.curve.total for one in sendings) - extra

    def total(at: int) -> Wide:
        return _total(cycle, sendings, at, now)

    used_up = cycle.used >= cycle.allowance
    first = min(cycle.line.made_at, now) if cycle.line else now
    met = [None if used_up else _met(total, number, cycle, first) for number in range(3)]
    return Outcome(
        used=_whole(total(cycle.end)),
        sending=_whole((extra - width[1], extra, extra + width[0])),
        behind=round(max(0.0, behind)),
        exhausted_at=met[1],
        earliest=met[2],
        latest=met[0],
    )


def _own(sendings: Sequence[Sending], at: int) -> list[tuple[float, float]]:
    """Activities of each sending until an instant, and the half width of their spread."""
    counts = [one.recipients * one.curve.until(at - one.at) for one in sendings]
    return [(n, n * (one.curve.spread or 0.0)) for n, one in zip(counts, sendings, strict=True)]


def _total(cycle: Cycle, sendings: Sequence[Sending], at: int, now: int) -> Wide:
    """Used at an instant: low, expected, high. From `now` on never less than is used by then."""
    floor = cycle.used if at >= now or cycle.line is None else 0
    low, expected, high = (max(float(floor), one) for one in _line(cycle, at))
    own = _own(sendings, at)
    extra = math.fsum(n for n, _ in own)
    up = math.hypot(high - expected, *(w for _, w in own))
    down = math.hypot(expected - low, *(min(n, w) for n, w in own))  # nothing uses less than nothing
    return expected + extra - down, expected + extra, expected + extra + up


def _line(cycle: Cycle, at: int) -> Wide:
    line = cycle.line
    if line is None:
        return (0.0, 0.0, 0.0)
    share = min(1.0, max(0.0, (at - line.made_at) / (cycle.end - line.made_at)))
    low, expected, high = (line.used + (to - line.used) * share for to in (line.low, line.expected, line.high))
    return low, expected, high


def _met(total: Callable[[int], Wide], number: int, cycle: Cycle, first: int) -> int | None:
    """The second in which a bound's line goes past the allowance; it never falls. None: not before the cycle's end."""
    seconds = range(first, cycle.end)
    place = bisect.bisect_right(seconds, float(cycle.allowance), key=lambda at: total(at + 1)[number])
    return seconds[place] if place < len(seconds) else None


def _whole(wide: Wide) -> Band:
    """Whole activities, the bounds to the outside; what machines round wrong by a millionth is no activity."""
    low, expected, high = (round(one, 6) for one in wide)
    return Band(math.floor(low), round(expected), math.ceil(high))
