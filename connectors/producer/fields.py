"""The fields of an event in JSON: for each Avro type, and for plans and parts, what is right and what is wrong."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from pipeline import rfc3339
from pipeline.core import zones
from pipeline.core.reasons import Reject
from pipeline.core.vocabulary import Vocabulary, load

LINE = "line"  # the field of a fault that means the whole line
ID_BYTES_MAX = 512  # of an id that the pipeline keeps, as in its own validation
ALLOWANCE_MAX = 10**15
ANCHOR_DAY_MAX = 31
THRESHOLDS_MAX = 32
ACTIVITIES_MAX = 1024
DEFAULT_THRESHOLDS = [0.8, 0.9, 1.0]
_LONG_TEXT = 60  # characters of a value that a message repeats
# What looks like a key, of a field or an event: no address, no phone and no written name does.
KEY_CHARACTERS_MAX = 64
KEY_DIGITS_MAX = 3
_KEY = re.compile(r"[a-z0-9_/.:-][A-Za-z0-9_/.:-]*")  # a name in writing begins with a capital, or has a blank
_SPELLED = re.compile(r"[A-Za-z0-9_/.:-]+(?: [A-Za-z0-9_/.:-]+)*")  # a key as some tools print it: Hard Bounce
_DIGIT = re.compile(r"[0-9]")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NAMES = frozenset({"max"})  # words of the vocabulary that people are called

# A checker takes the field's name and its value, neither null nor empty, and returns what Avro gets.
Checker = Callable[[str, Any], Any]

_IDS = frozenset(
    {"account_id", "source", "event_id", "profile_id", "message_id", "campaign_id", "target", "split_source"}
)
_ALWAYS = ("account_id", "source", "occurred_at")
# What a type cannot be without.
_OF_TYPE: dict[str, tuple[str, ...]] = {
    "profile_merged": ("sources", "target"),
    "profile_split": ("split_source", "parts"),
    "account_plan_set": ("plan",),
}


class Wrong(Exception):
    """A field that is wrong, why in words, and as what a collector rejects the event.

    `quiet` are the same words, field and reason, without any value or key that may be a contact's.
    """

    def __init__(
        self, field: str, reason: str, reject: Reject = Reject.IMPOSSIBLE_FIELD, quiet: str | None = None
    ) -> None:
        super().__init__(field, reason)
        self.field, self.reason, self.reject = field, reason, reject
        self.quiet = f"{field} {reason}" if quiet is None else quiet


def checkers(schema: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Checker]:
    """A checker for every field of an event schema."""
    return {field["name"]: _checker(field["name"], field["type"], vocabulary) for field in schema["fields"]}


def required(type_: str, body: Mapping[str, Any]) -> None:
    """What every event must have, and what this type must.

    Raises:
        Wrong: the first field that is missing.
    """
    for name in _ALWAYS:
        if name not in body:
            raise Wrong(name, "is missing", Reject.MISSING_FIELD)
    for name in _OF_TYPE.get(type_, ()):
        if not body.get(name):
            raise Wrong(name, f"is missing; {type_} needs it", Reject.MISSING_FIELD)


def _checker(name: str, kind: Any, vocabulary: Vocabulary) -> Checker:
    if name == "plan":
        return functools.partial(_plan, vocabulary)
    if name == "parts":
        return _parts
    if isinstance(kind, list):
        kind = kind[1]
    if kind == "string":
        return _id if name in _IDS else _text
    if kind == "boolean":
        return _boolean
    if kind["type"] == "map":
        return _texts_by_name
    if kind["type"] == "array":
        return _ids
    assert kind.get("logicalType") == "timestamp-micros", f"no checker for {name}: {kind}"
    return instant


def kind_of(value: object) -> str:
    """What a JSON value is, without the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def shown(name: str) -> str:
    """An event's name as words of a refusal repeat it: where it has the vocabulary's words; else its length alone.

    A mapping that is wrong puts a contact's name there: such a one is no key, or has no word of the vocabulary.
    """
    words = _words(name)
    ours = words & _vocabulary_words()
    is_told = (_is_like(_SPELLED, name) and ours == words) or _is_like(_KEY, name)
    return repr(name) if ours and is_told else _length(name)


def shown_place(key: str, within: str = "") -> str:
    """Where a key of a payload is, as words of a refusal say it; of what does not look like a key its length alone."""
    if not _is_like(_KEY, key):
        return f"{within}: {_length(key)}" if within else _length(key)
    return f"{within}.{key}" if within else key


def _is_like(pattern: re.Pattern[str], text: str) -> bool:
    if len(text) > KEY_CHARACTERS_MAX or len(_DIGIT.findall(text)) > KEY_DIGITS_MAX:
        return False
    return pattern.fullmatch(text) is not None


def _length(text: str) -> str:
    return f"a text of {len(text)} characters"


def _words(key: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(key)}


@functools.cache
def _vocabulary_words() -> frozenset[str]:
    """Those of its types and of the vendors' keys, but for such as are people's names."""
    known = load()
    keys = [*known.types, *(place for _, place in known.vendors)]
    return frozenset(word for key in keys for word in _words(key)) - _NAMES


def unlike(name: str, must: str, value: object, place: str | None = None) -> Wrong:
    """The fault of a value of another kind; `place`: the name as quiet words have it, where they have another."""
    return Wrong(name, f"{must}; is {_told(value)}", quiet=f"{place or name} {must}; is {kind_of(value)}")


def _told(value: object) -> str:
    """What a JSON value is, with the beginning of a text or number: for who has the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"[:_LONG_TEXT]
    return f"the text {value[:_LONG_TEXT]!r}" if isinstance(value, str) else kind_of(value)


def instant(name: str, value: Any) -> int:
    """UTC microseconds of an RFC 3339 text."""
    if not isinstance(value, str):
        raise unlike(name, "must be a time such as 2026-11-21T10:00:00Z", value)
    try:
        return rfc3339.parse(value)
    except ValueError as error:
        raise Wrong(name, f"{value[:_LONG_TEXT]!r}: {error}", quiet=f"{name} is no time: {error}") from None


def _text(name: str, value: Any) -> str:
    if type(value) is not str:
        raise unlike(name, "must be text", value)
    return value


def _id(name: str, value: Any) -> str:
    if type(value) is not str:
        raise unlike(name, "must be text", value)
    # A character has 4 bytes at most: only a long text needs to be counted in bytes.
    if len(value) * 4 > ID_BYTES_MAX and len(value.encode("utf-8", "surrogatepass")) > ID_BYTES_MAX:
        raise Wrong(name, f"has more than {ID_BYTES_MAX} bytes")
    return value


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise unlike(name, "must be true or false", value)
    return value


def _texts_by_name(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise unlike(name, "must be an object of texts", value)
    for key, text in value.items():
        if type(text) is not str:
            must, place = f'must be text, as in "{key[:_LONG_TEXT]}": "1"', shown_place(key, name)
            raise unlike(f"{name}.{key}", must if place.endswith(f".{key}") else "must be text", text, place)
    return value


def _ids(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise unlike(name, 'must be a list of texts, ["..."]', value)
    return [_id(f"{name}[{place}]", item) for place, item in enumerate(value)]


def _parts(name: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise unlike(name, 'must be a list of {"target", "members"}', value)
    return [_part(f"{name}[{place}]", part) for place, part in enumerate(value)]


def _part(name: str, value: Any) -> dict[str, Any]:
    given = _fields_of(name, value, ("target", "members"))
    if not given.get("target"):
        raise Wrong(f"{name}.target", "is missing", Reject.MISSING_FIELD)
    members = given.get("members")
    return {
        "target": _id(f"{name}.target", given["target"]),
        "members": [] if members is None else _ids(f"{name}.members", members),
    }


def _fields_of(name: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unlike(name, f"must be an object with {', '.join(known)}", value)
    for field in value:
        if field not in known:
            said = f"is no field of {name}; there are {', '.join(known)}"
            raise Wrong(f"{name}.{field}", said, quiet=f"{shown_place(field, name)} {said}")
    return value


_PLAN = ("allowance", "anchor_day", "time_zone", "thresholds", "activities")


def _plan(vocabulary: Vocabulary, name: str, value: Any) -> dict[str, Any]:
    given = _fields_of(name, value, _PLAN)
    for field in _PLAN[:3]:
        if given.get(field) is None:
            raise Wrong(f"{name}.{field}", "is missing; account_plan_set needs it")
    activities = given.get("activities")
    return {
        "allowance": _whole(f"{name}.allowance", given["allowance"], ALLOWANCE_MAX),
        "anchor_day": _whole(f"{name}.anchor_day", given["anchor_day"], ANCHOR_DAY_MAX),
        "time_zone": _zone(f"{name}.time_zone", given["time_zone"]),
        "thresholds": _thresholds(f"{name}.thresholds", given.get("thresholds")),
        "activities": None if activities is None else _activities(f"{name}.activities", activities, vocabulary),
    }


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise unlike(name, f"must be a whole number from 1 to {most}", value)
    return value


def _zone(name: str, value: Any) -> str:
    zone = _text(name, value)
    if zone not in zones.names():
        said = "is no IANA time zone, such as Europe/Berlin"
        raise Wrong(name, f"{zone[:_LONG_TEXT]!r} {said}", quiet=f"{name} {said}")
    return zone


def _thresholds(name: str, value: Any) -> list[float]:
    if value is None:
        return DEFAULT_THRESHOLDS
    if not isinstance(value, list) or len(value) > THRESHOLDS_MAX:
        raise Wrong(name, f"must be a list of at most {THRESHOLDS_MAX} ratios, such as [0.8, 1.0]")
    for place, ratio in enumerate(value):
        number = isinstance(ratio, int | float) and not isinstance(ratio, bool)
        if not number or not 0 < ratio < float("inf"):
            raise unlike(f"{name}[{place}]", "must be a ratio above 0, such as 0.8", ratio)
    ratios = [float(ratio) for ratio in value]
    if any(low >= high for low, high in pairwise(ratios)):
        must = "must rise, each above the one before"
        raise Wrong(name, f"{must}; is {ratios}", quiet=f"{name} {must}")
    return ratios


def _activities(name: str, value: Any, vocabulary: Vocabulary) -> list[str]:
    types = _ids(name, value)
    if len(types) > ACTIVITIES_MAX:
        raise Wrong(name, f"has more than {ACTIVITIES_MAX} types")
    for place, type_ in enumerate(types):
        if type_ not in vocabulary.types:
            said = "is no type of event; see schemas/vocabulary/types.tsv"
            where = f"{name}[{place}]"
            raise Wrong(where, f"{type_[:_LONG_TEXT]!r} {said}", quiet=f"{where}: {shown(type_)} {said}")
    return types
