"""A vendor's times as UTC microseconds, where some have no offset. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipeline import rfc3339
from pipeline.core import zones

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def instant(text: str, time_zone: str) -> int:
    """UTC microseconds of an RFC 3339 time with 0 to 9 digits of a second; without an offset it is one of `time_zone`.

    Of a local time that a clock's change makes twice, the first is meant; of one that it leaves out, the one that the
    clock would have shown without the change.

    Raises:
        ValueError: no such time; says what is wrong, never the text itself.
        KeyError: no such zone.
    """
    try:
        return rfc3339.parse(text)
    except ValueError as error:
        try:
            local = rfc3339.parse(f"{text}Z")
        except ValueError:
            raise error from None
    zone = zones.zone(time_zone)
    try:
        there = (_EPOCH + timedelta(microseconds=local)).replace(tzinfo=zone)
        return (there - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise ValueError("no such instant: the year is out of range") from None
