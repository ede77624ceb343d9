"""Reading an item by roles: where an account writes its own payload, its endpoint says what is found where. Pure.

In:   an item, its endpoint.  Out: texts, ids and times by role; what nobody asked for, as properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect import clocks, placeholders
from connectors.collect.endpoint import Endpoint
from connectors.collect.pointers import ABSENT, at
from connectors.collect.translation import Refusal, text
from pipeline.core.reasons import Reject
from pipeline.core.validate import ID_BYTES_MAX, is_nobody

_TRUE = frozenset({"true", "1", "yes"})


class Unfit(ValueError):
    """A field because of which an item is no event."""

    def __init__(self, reason: Reject, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)


class Reading:
    """One item, read by roles: at the place that the endpoint names for a role, else at the vendor's own keys."""

    def __init__(self, item: Mapping[str, Any], endpoint: Endpoint) -> None:
        self._item, self._endpoint = item, endpoint
        self._taken: set[str] = set()

    def value(self, role: str, *keys: str) -> Any:
        """The first value that says something, or None; a key may be a JSON pointer, `/customer/ids`."""
        places = self._places(role, keys)
        self._taken.update(places)
        for place in places:
            given = at(self._item, place) if place[:1] == "/" else self._item.get(place)
            if given is not None and not _is_blank(given):
                return given
        return None

    def leave_out(self, role: str, *keys: str) -> None:
        """Neither read nor among the rest."""
        self._taken.update(self._places(role, keys))

    def _places(self, role: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        own = self._endpoint.fields.get(role)
        return keys if own is None else (own, *keys)

    def text(self, role: str, *keys: str) -> str | None:
        """A text without the space around it; numbers as they are written.

        Raises:
            Unfit: an object or a list, or a template's own placeholder.
        """
        value = self.value(role, *keys)
        return None if value is None else plain(role, value)

    def id(self, role: str, *keys: str) -> str | None:
        """A text that is an id.

        Raises:
            Unfit: as `text`; longer than ids may be.
        """
        found = self.text(role, *keys)
        return None if found is None else bounded(role, found)

    def name(self, role: str, *keys: str) -> str | None:
        """An id of what need not be there: one that a template fills with `null`, `0` and the like is none.

        Raises:
            Unfit: as `id`.
        """
        found = self.id(role, *keys)
        return None if found is None or is_nobody(found) else found

    def instant(self, role: str, *keys: str, utc: tuple[str, ...] = ()) -> int:
        """UTC microseconds; at keys of `utc` a time without an offset is UTC, elsewhere one of the endpoint's zone.

        Raises:
            Unfit: missing, or no time.
        """
        value, zone = self.value(role, *keys), self._endpoint.time_zone
        if value is None:
            value, zone = self.value(role, *utc), "UTC"
        if value is None:
            raise Unfit(Reject.MISSING_FIELD, f"{role} is missing: {_mend(role, keys)}")
        try:
            return clocks.instant(value, zone)
        except ValueError as error:
            raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{role} {error}") from None

    def flag(self, role: str, *keys: str) -> bool:
        """Whether it is true, `true`, `yes` or 1."""
        value = self.value(role, *keys)
        return value is not None and text(value).strip().lower() in _TRUE

    def named(self) -> dict[str, str]:
        """What the endpoint names beyond the roles asked for so far: properties of those names."""
        places = {role: place for role, place in self._endpoint.fields.items() if place not in self._taken}
        found = {role: at(self._item, place) for role, place in places.items()}
        self._taken.update(places.values())
        return {role: text(value) for role, value in found.items() if not _is_blank(value)}

    def rest(self) -> dict[str, str]:
        """What no role took, by its own keys; what is empty says nothing."""
        return {
            key: text(value) for key, value in self._item.items() if key not in self._taken and not _is_blank(value)
        }


def plain(role: str, value: Any) -> str:
    """A JSON value that must be a text or a number.

    Raises:
        Unfit: it is not, or it is a template's own placeholder.
    """
    if isinstance(value, Mapping | list | bool):
        raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{role} must be a text or a number")
    found = text(value).strip()
    if placeholders.is_placeholder(found):
        raise unfilled(role)
    return found


def unfilled(place: str) -> Unfit:
    """The refusal of what a template should have filled."""
    words = f"{place} is still the template's placeholder: the tool put no value in its place"
    return Unfit(Reject.IMPOSSIBLE_FIELD, words)


def bounded(role: str, name: str) -> str:
    """An id of at most ID_BYTES_MAX bytes.

    Raises:
        Unfit: it is longer, or no Unicode text.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{role} is not Unicode text: it has half of a pair") from None
    if size > ID_BYTES_MAX:
        raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{role} has more than {ID_BYTES_MAX} bytes")
    return name


def contact(name: str) -> str:
    """An id of a contact as a profile's id: an address is the same in any case, all else is as it stands."""
    return name.lower() if "@" in name else name


def first_somebody(names: Mapping[str, str | None]) -> str | None:
    """The first of a contact's ids, by the field it stands in, that names somebody, as `contact` has it; else None.

    Raises:
        Unfit: those that are given name nobody.
    """
    given = {field: name for field, name in names.items() if name}
    somebody = next((name for name in given.values() if not is_nobody(name)), None)
    if given and somebody is None:
        raise Unfit(Reject.NOBODY, f"{' and '.join(given)}: holds an id that names nobody, such as null, guest or 0")
    return None if somebody is None else contact(somebody)


def _is_blank(value: Any) -> bool:
    return value is ABSENT or value is None or value in ("", [], {}) or (isinstance(value, str) and value.isspace())


def _mend(role: str, keys: tuple[str, ...]) -> str:
    places = " or ".join(keys)
    return f"put it at {places}, or name its place in the endpoint's fields ({role}=KEY)"
