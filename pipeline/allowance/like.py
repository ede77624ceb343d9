"""Like campaigns: past ones of an account that tell what a planned sending will use, day by day since it began.

In:   campaigns with their recipients, and their activities by type and by age in days.  Out: a curve with its spread.
Time: Unix seconds; `now` says which days of a campaign are complete: only those are believed.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

DAY = 86_400
LIKE_MAX = 100  # like campaigns that a curve is made of: the latest; older ones tell less
AGE_DAYS_MAX = 62  # of a curve: longer than any cycle
# Student's t, nine tenths to the left: 80 of 100 outcomes lie within as many standard deviations to both sides.
_T = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
_T_MANY = 1.282


class Campaign(NamedTuple):
    """A past campaign. `by_age`: activities by days since `began`; `by_type`: the same by type."""

    campaign_id: str
    recipients: int
    began: int
    sent_until: int
    by_age: Mapping[int, int]
    by_type: Mapping[str, int]

    @property
    def sent_days(self) -> int:
        """Days on which it was still sent, the first one included."""
        return (self.sent_until - self.began) // DAY + 1

    def days_known(self, now: int) -> int:
        """Complete days since it began."""
        return max(0, min((now - self.began) // DAY, AGE_DAYS_MAX))

    def used_in_whole_days(self, now: int) -> int:
        """Activities of the complete days; the day in progress is not among them."""
        return sum(self.by_age.get(age, 0) for age in range(self.days_known(now)))


class Curve(NamedTuple):
    """Activities per recipient on each day since a sending begins.

    `spread` is the share by which a like campaign's total lies above or below it in 80 of 100 cases; None: unknown, of
    one campaign alone.
    """

    daily: tuple[float, ...]
    spread: float | None

    @property
    def total(self) -> float:
        """Activities per recipient."""
        return math.fsum(self.daily)

    def until(self, seconds: float) -> float:
        """Activities per recipient in so many seconds since it began: within a day evenly."""
        if seconds <= 0:
            return 0.0
        days, rest = divmod(seconds, DAY)
        whole = self.daily[: int(days)]
        part = self.daily[int(days)] * rest / DAY if days < len(self.daily) else 0.0
        return math.fsum(whole) + part


class NoCurve(ValueError):
    """No rate can be derived; says why."""


def campaign(
    campaign_id: str, recipients: int, sent: tuple[int, int], used: Sequence[tuple[str, int, int]]
) -> Campaign:
    """A campaign from its first and last sending, and its activities: type, age in days, how many."""
    by_age, by_type = Counter[int](), Counter[str]()
    for type_, age, n in used:
        by_age[age] += n
        by_type[type_] += n
    return Campaign(campaign_id, recipients, *sent, by_age, by_type)


def matching(pattern: str, known: Collection[str]) -> list[str]:
    """The campaigns that a pattern means: the one of that very id; else SQL's LIKE where it has %, else a glob."""
    if pattern in known:
        return [pattern]
    if "%" in pattern:
        like = re.compile(_of_like(pattern), re.DOTALL)
        return sorted(one for one in known if like.fullmatch(one))
    return sorted(one for one in known if fnmatch.fnmatchcase(one, pattern))


def curve(campaigns: Sequence[Campaign], now: int) -> Curve:
    """What a sending like these will use, by days since it begins.

    A day's rate is the activities of the campaigns that have it complete, per recipient of theirs.

    Raises:
        NoCurve: no campaign, none with recipients, or none that began a whole day ago.
    """
    sent = [one for one in campaigns if one.recipients > 0]
    if not sent:
        raise NoCurve("nothing was sent or delivered by a like campaign, so there is no rate")
    known = [one for one in sent if one.days_known(now) > 0]
    if not known:
        raise NoCurve("every like campaign began less than a day ago: too early for a rate")
    daily = []
    for age in range(max(one.days_known(now) for one in known)):
        complete = [one for one in known if one.days_known(now) > age]
        daily.append(sum(one.by_age.get(age, 0) for one in complete) / sum(one.recipients for one in complete))
    return Curve(tuple(daily), _spread(known, daily, now))


def _spread(known: Sequence[Campaign], daily: Sequence[float], now: int) -> float | None:
    """From how far each campaign's total, over the days that it has complete, lies from what the curve says of it."""
    quotients = []
    for one in known:
        days = one.days_known(now)
        expected = one.recipients * math.fsum(daily[:days])
        if expected > 0:
            quotients.append(one.used_in_whole_days(now) / expected)
    n = len(quotients)
    if n < 2:
        return 0.0 if len(known) > 1 and not any(daily) else None
    variance = math.fsum((q - 1.0) ** 2 for q in quotients) / (n - 1)
    return _t(n - 1) * math.sqrt(variance * (1.0 + 1.0 / n))


def _t(freedom: int) -> float:
    return _T[freedom - 1] if freedom <= len(_T) else _T_MANY


def _of_like(pattern: str) -> str:
    """The regular expression of a LIKE pattern; a backslash takes its meaning from the next character."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return "".join(wild.get(part) or re.escape(part.removeprefix("\\") or part) for part in parts)
