"""An account's allowance as Prometheus shows it: the numbers of its cycle under way. Pure.

In:   an account's cycles and plans, and an instant.  Out: the same numbers as the view `allowance_cycles` has.
Time: `now` decides which cycle is under way; the forecast is the last one that was made.
Of cycles that overlap, because the anchor or the zone was changed, it is the one in which activities count now.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.core.accounts import Cycle
from pipeline.core.cycles import cycle_of
from pipeline.core.forecast import Forecast
from pipeline.core.record import Plan

SECOND_US = 1_000_000
LABEL_CHARS_MAX = 128  # of an account id as a label's value; ids may have 512 bytes
_HASH_CHARS = 32  # 128 bits: two accounts of the same label are not to be met
_MARK = "…"  # between what is left of an id and its hash
_PLAIN = re.compile(rf"[^\x00-\x1f\x7f]{{1,{LABEL_CHARS_MAX}}}")  # no control characters: not every reader takes them
_SHORTENED = re.compile(rf".*{_MARK}[0-9a-f]{{{_HASH_CHARS}}}", re.DOTALL)


class Numbers(NamedTuple):
    """Of the cycle under way, which a plan judges; `cycle_end` and `exhausted_at` in UTC seconds.

    `forecast_ratio`: the expected use at the cycle's end per allowance; `exhausted_at`: when the forecast line meets
    the allowance. Both are None without a forecast that deserves confidence; the latter also where the line does not
    meet it within the cycle, or the allowance is used up already.
    """

    account_id: str
    cycle_end: int
    used: int
    allowance: int
    forecast_ratio: float | None
    exhausted_at: int | None

    @property
    def ratio(self) -> float:
        """Used per allowance."""
        return self.used / self.allowance


def under_way(cycles: Mapping[int, Cycle], plans: tuple[Plan, ...], now: int) -> Cycle | None:
    """The cycle that contains `now`, UTC microseconds."""
    found = [start for start in cycles if start <= now < cycles[start].end]
    if len(found) > 1 and plans:
        counted, _ = cycle_of(plans[-1].anchor_day, plans[-1].time_zone, now)
        found = [counted] if counted in found else found
    return cycles[max(found)] if found else None


def numbers(account_id: str, cycle: Cycle, plan: Plan) -> Numbers:
    """The numbers of a cycle that a plan judges."""
    forecast, forecast_ratio, exhausted_at = cycle.foreseen, None, None
    if forecast is not None and forecast.confident:
        forecast_ratio = max(forecast.expected, cycle.used) / plan.allowance
    if forecast is not None and may_run_out(cycle, plan.allowance):
        exhausted_at = _exhausted_at(cycle, forecast, plan.allowance)
    return Numbers(account_id, cycle.end // SECOND_US, cycle.used, plan.allowance, forecast_ratio, exhausted_at)


def may_run_out(cycle: Cycle, allowance: int) -> bool:
    """Whether, with confidence, the line of the last forecast meets the allowance within the cycle, and it is not yet
    used up."""
    forecast = cycle.foreseen
    return (
        forecast is not None
        and forecast.confident
        and cycle.used < allowance < forecast.expected
        and forecast.used < allowance
    )


def label(account_id: str) -> str:
    """An account's id as the value of a label: itself where it is plain and not too long, else its head and its hash.

    Different ids have different labels: what looks like a head with its hash is hashed as well.
    """
    if _PLAIN.fullmatch(account_id) and not _SHORTENED.fullmatch(account_id):
        return account_id
    hashed = hashlib.blake2b(account_id.encode(), digest_size=_HASH_CHARS // 2).hexdigest()
    head = re.sub(r"[\x00-\x1f\x7f]", "?", account_id[: LABEL_CHARS_MAX - len(_MARK) - _HASH_CHARS])
    return f"{head}{_MARK}{hashed}"


def _exhausted_at(cycle: Cycle, forecast: Forecast, allowance: int) -> int:
    """As the view says it, in the same operations: to the second, rounded down."""
    share = (allowance - forecast.used) / (forecast.expected - forecast.used)
    made_at = forecast.made_at // SECOND_US
    return made_at + int(share * (cycle.end // SECOND_US - made_at))
