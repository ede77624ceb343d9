"""The options of `tally plan set` and what is wrong with them: judged by the core, told in the options' names."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from pipeline import rfc3339
from pipeline.allowance import plan_change
from pipeline.allowance.plan_change import Told
from pipeline.cli import console
from pipeline.core import validate, zones

if TYPE_CHECKING:
    from connectors.producer.rows import Message
    from pipeline.core.vocabulary import Vocabulary
    from pipeline.settings import Settings

DEFAULT_LIST = "default"  # --activity default: the vocabulary's own list
NO_THRESHOLDS = "none"  # --threshold none: a plan that never alerts
_SHARE_DOUBTED = 10  # of the allowance, as a plain number: above it, percents are likely to be meant
_MINUTE_US = 60_000_000
_DAY_US = 1_440 * _MINUTE_US


def thresholds(given: Sequence[str] | None) -> tuple[float, ...] | None:
    """Ratios, ascending, each once; None where no option was given. Ends the command where one is no number."""
    if given is None or not given:
        return None
    if list(given) == [NO_THRESHOLDS]:
        return ()
    return tuple(sorted({_ratio(one) for one in given}))


def activities(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Types, sorted, each once; () for the default list; None where no option was given."""
    if given is None or not given:
        return None
    return () if list(given) == [DEFAULT_LIST] else tuple(sorted(set(given)))


def instant(given: str | None, settings: Settings) -> int:
    """When the plan is set, UTC microseconds; ends the command where a worker would refuse it."""
    now = time.time_ns() // 1000
    if given is None:
        return now
    try:
        at = rfc3339.parse(given)
    except ValueError as error:
        _wrong(f"--at {given}: {error}")
    rules = settings.rules
    if at < now - rules.window_days * _DAY_US:
        _wrong(f"--at {given}: older than the acceptance window of {rules.window_days} days; workers would refuse it")
    if at > now + rules.future_minutes_max * _MINUTE_US:
        _wrong(f"--at {given}: more than {rules.future_minutes_max} minutes ahead; workers would refuse it")
    return at


def checked(settings: Settings, types: Vocabulary, account: str, at: int) -> Callable[[Sequence[Told]], Message]:
    """From a plan's fields to the message for Kafka; what is wrong with them ends the command."""
    from connectors.producer.rows import Fault, Translator
    from connectors.producer.settings import schema_ids

    translator = Translator(types, schema_ids(settings))

    def message_of(told: Sequence[Told]) -> Message:
        event = plan_change.event(account, told, rfc3339.text(at))
        if fault := validate.plan_fault(types, event):
            _wrong(_words(fault[1], event["plan"], types))
        found = translator.translate(plan_change.line(event), 1)
        if isinstance(found, Fault):
            _wrong(f"ACCOUNT {account!r}: {found.reason}" if found.field == "account_id" else str(found))
        return found

    return message_of


def _ratio(text: str) -> float:
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        _wrong(f"--threshold {text}: write it as a share, such as 0.8, or 80%; --threshold {NO_THRESHOLDS} for none")
    if not math.isfinite(number):
        _wrong(f"--threshold {text}: must be finite")
    if text.endswith("%"):
        return float(f"{number / 100:.12g}")
    if number > _SHARE_DOUBTED:
        percent = f"{number:.12g}"
        meant = f"for {percent} % write {number / 100:.12g} or {percent}%"
        console.say(f"--threshold {text}: {percent} is {number * 100:,.12g} % of the allowance; {meant}")
    return number


def _words(detail: str, plan: dict[str, object], types: Vocabulary) -> str:
    """What the core found, for the person who typed it."""
    field = detail.split(":", maxsplit=1)[0].removeprefix("plan.")
    value = plan[field]
    if field == "allowance":
        return f"--allowance {value}: must be a whole number from 1 to {validate.ALLOWANCE_MAX}"
    if field == "anchor_day":
        return f"--anchor-day {value}: must be a day from 1 to 31; a month that lacks it uses its last day"
    if field == "time_zone":
        return f"--time-zone {value}: is no IANA time zone{_near(str(value), sorted(zones.names()))}"
    assert isinstance(value, list)
    if field == "thresholds":
        many, most = len(value) > validate.THRESHOLDS_MAX, validate.THRESHOLDS_MAX
        wrong = next((one for one in value if not one > 0), None)
        return f"--threshold: at most {most} of them" if many else f"--threshold {wrong:g}: must be above 0"
    if len(value) > validate.ACTIVITIES_MAX:
        return f"--activity: at most {validate.ACTIVITIES_MAX} of them"
    unknown = next(one for one in value if one not in types.types)
    return f"--activity {unknown}: is no type of event{_near(unknown, sorted(types.types))}"


def _near(name: str, known: list[str]) -> str:
    found = plan_change.near(name, known)
    return f"; near it: {', '.join(found)}" if found else ""


def _wrong(message: str) -> NoReturn:
    console.fail(message, console.Exit.USAGE)
