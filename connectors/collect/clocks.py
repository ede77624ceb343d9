"""Times as an account's own templates and exports may write them, all to UTC microseconds. Pure.

More forms than `instants` has, since the vendor's pages do not say which one is written.
"""

from __future__ import annotations

import re
from typing import Any

from connectors.collect import instants

# A number says its unit by its size: each of them covers the years 1973 to 5138.
_SECONDS_MAX = 10**11
_MILLISECONDS_MAX = 10**14
_MICROSECONDS_MAX = 10**17

_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
_OFFSET = r"\s?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?"
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[Tt ]\s*{_CLOCK}{_OFFSET}", re.ASCII)
_DAY_FIRST = re.compile(rf"(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{{4}}),?\s+{_CLOCK}{_OFFSET}", re.ASCII)
_NUMBER = re.compile(r"\d{9,17}(\.\d{1,9})?", re.ASCII)
_DAY_ALONE = re.compile(r"\d{4}-\d\d-\d\d|\d\d\.\d\d\.\d{4}", re.ASCII)


def instant(value: Any, zone: str) -> int:
    """UTC microseconds of ISO 8601 with or without an offset, of `21.11.2026 10:00:00`, or of a number since 1970.

    `zone` (IANA) is that of times without an offset. A number is seconds, milliseconds or microseconds, by its size.

    Raises:
        ValueError: none of these; says what is missing or wrong.
    """
    if isinstance(value, str):
        return _of_text(value.strip(), zone)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(value)
    raise ValueError("must be a time such as 2026-11-21T10:00:00Z")


def _of_text(text: str, zone: str) -> int:
    found = _YEAR_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if found is None:
        if _NUMBER.fullmatch(text):
            return _of_number(float(text) if "." in text else int(text))
        if _DAY_ALONE.fullmatch(text):
            raise ValueError("is a day without a time of day: events of one day could not be told apart")
        raise ValueError("is no time: write it as ISO 8601 with a zone, such as 2026-11-21T10:00:00+01:00")
    part = found.groupdict()
    day = f"{part['year']}-{part['month']}-{part['day']}"
    clock = f"{part['hour']}:{part['minute']}:{part['second'] or '00'}.{part['fraction'] or '0'}"
    return instants.instant(f"{day}T{clock}{_offset(part['offset'])}", zone)


def _of_number(number: float) -> int:
    for most, micros in ((_SECONDS_MAX, 1_000_000), (_MILLISECONDS_MAX, 1_000), (_MICROSECONDS_MAX, 1)):
        if 0 < number < most:
            return round(number * micros)
    raise ValueError("is no number of seconds, milliseconds or microseconds since 1970")


def _offset(given: str | None) -> str:
    """As RFC 3339 has it: +02, +0200 and +02:00 are one; none stays none."""
    if given is None or given in "Zz":
        return given or ""
    digits = given[1:].replace(":", "").ljust(4, "0")
    return f"{given[0]}{digits[:2]}:{digits[2:]}"
