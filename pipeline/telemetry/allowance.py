"""The gauges of accounts, made from the last look whenever somebody asks, without what is over by then.

In:   a look, the partitions held now, this machine's clock.  Out: samples.
An account is shown while its cycle goes on, and its partition is held in the epoch that was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline import metrics
from pipeline.telemetry.numbers import Numbers, label
from pipeline.telemetry.registry import Sample
from pipeline.telemetry.selection import Band, Look, Share


class Seen(NamedTuple):
    """A look, with the epoch in which each of its partitions was looked at."""

    look: Look
    epochs: Mapping[int, int]


NOTHING = Seen(Look(0.0, {}), {})


def samples(seen: Seen, held: Mapping[int, int], now: float) -> Iterator[Sample]:
    """What is to be shown. `held`: partitions with the epochs of their lanes; `now` in Unix seconds."""
    shares = [share for number, share in seen.look.shares.items() if held.get(number) == seen.epochs[number]]
    for row in (row for share in shares for row in share.rows if now < row.cycle_end):
        yield from _of_account(row)
    yield Sample(metrics.ALLOWANCE_SERIES_DROPPED, (), sum(share.dropped for share in shares))
    for band in Band:
        yield Sample(metrics.ALLOWANCE_ACCOUNTS, (band.value,), _accounts(shares, band))
    if seen.look.made_at:
        yield Sample(metrics.ALLOWANCE_LOOKED_TIMESTAMP_SECONDS, (), seen.look.made_at)


def _accounts(shares: list[Share], band: Band) -> int:
    return sum(share.bands[band] for share in shares)


def _of_account(row: Numbers) -> Iterator[Sample]:
    account = (label(row.account_id),)
    yield Sample(metrics.ALLOWANCE_USED, account, row.used)
    yield Sample(metrics.ALLOWANCE_REMAINING, account, row.allowance - row.used)
    yield Sample(metrics.ALLOWANCE_RATIO, account, row.ratio)
    if row.forecast_ratio is not None:
        yield Sample(metrics.ALLOWANCE_FORECAST_RATIO, account, row.forecast_ratio)
    if row.exhausted_at is not None:
        yield Sample(metrics.ALLOWANCE_EXHAUSTION_TIMESTAMP_SECONDS, account, row.exhausted_at)
    yield Sample(metrics.ALLOWANCE_CYCLE_END_TIMESTAMP_SECONDS, account, row.cycle_end)
