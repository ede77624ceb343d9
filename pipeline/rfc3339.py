"""RFC 3339 instants and UTC microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 the offset is taken off in integers: year 1 at +01:00 has no datetime in UTC
_MICROSECOND = timedelta(microseconds=1)
_LEAP_SECOND = "60"


def parse(text: str) -> int:
    """UTC microseconds of an instant with any offset and up to nine digits of a second; what is below 1 µs is cut off.

    A leap second (:60) is the second after it, as POSIX has it.

    Raises:
        ValueError: not RFC 3339; says what is missing or wrong.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(_why(text))
    day, minute, second, fraction, _zulu, sign, hours, minutes = found.groups()
    leap = second == _LEAP_SECOND
    try:
        local = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}")
    except ValueError as error:
        raise ValueError(f"no such instant: {error}") from None
    micros = (local - _EPOCH) // _MICROSECOND + leap * 1_000_000
    if fraction:
        micros += int(fraction[:6].ljust(6, "0"))
    if sign:
        offset = (int(hours) * 60 + int(minutes)) * 60_000_000
        micros += offset if sign == "-" else -offset
    return micros


def text(micros: int) -> str:
    """The instant of UTC microseconds, with `Z`."""
    instant = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return instant.isoformat().replace("+00:00", "Z")


def _why(text: str) -> str:
    example = "write it like 2026-11-21T10:00:00.123Z"
    if _INSTANT.fullmatch(text + "Z"):
        return f"the offset is missing: {example} or with +02:00"
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return f"a number of seconds is no RFC 3339 instant: {example}"
    return f"not an RFC 3339 instant: {example}"
