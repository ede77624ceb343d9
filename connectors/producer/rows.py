"""A line of JSON to an event's bytes, or to what is wrong with it: pure.

In:   one line, its number.  Out: a Message for Kafka, or a Fault with line, field and reason.
The fields are SEMANTICS section 9. What only the pipeline can judge (copies, lateness) passes.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import schemas
from connectors.producer.fields import LINE, Checker, Wrong, checkers, instant, required, shown, shown_place, unlike
from pipeline.core import validate
from pipeline.core.framing import frame
from pipeline.core.reasons import Reject
from pipeline.core.vocabulary import Vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import SCHEMAS, SOURCE_TOPICS, Schema, schema_of

BODY_BYTES_MAX = 1 << 20  # as the pipeline's: a larger one would only be rejected there
_GZIP = b"\x1f\x8b"  # how a gzip file begins
_OPERATIONS = {"profile_merged": validate.merge_fault, "profile_split": validate.split_fault}
_REASONS = {
    Reject.NOBODY: "holds an id that names nobody, such as null, none, guest or 0",
    Reject.MERGE_WITH_ITSELF: "is one of the sources",
    Reject.PROFILE_NAMED_TWICE: "name a profile twice: targets and members must all differ",
}
_NOT_AVRO = ("topic", "received_at")  # where it goes, and a header: not in the body


class Message(NamedTuple):
    """What Kafka gets; `topic` is unprefixed, `received_at` UTC microseconds or None: the producer's own clock."""

    topic: str
    key: bytes
    value: bytes
    received_at: int | None


class Fault(NamedTuple):
    """Why a line is no event. `field` is `line` where the whole line is meant."""

    line: int
    field: str
    reason: str


class Checked(NamedTuple):
    """An event that is right as far as it can be told without the others; `body` is what Avro gets."""

    topic: str
    body: dict[str, Any]
    received_at: int | None


class Checks:
    """Parsed events to what Avro gets: for lines, and for whatever else brings canonical events."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._types = vocabulary.types
        self._checkers = {name: checkers(schemas.avro(f"events/{name}.v1.avsc"), vocabulary) for name in SCHEMAS}

    def event(self, event: Mapping[str, Any]) -> Checked:
        """One event, by the fields of SEMANTICS section 9.

        Raises:
            Wrong: its first fault.
        """
        topic = self._topic(event)
        return Checked(topic, self._body(event, schema_of(topic)), _received_at(event))

    def _topic(self, event: Mapping[str, Any]) -> str:
        """The topic that follows from the type; one that is given must agree."""
        name = event.get("type")
        if name is None:
            raise Wrong("type", "is missing", Reject.MISSING_FIELD)
        if not isinstance(name, str):
            raise unlike("type", "must be text", name)
        known = self._types.get(name)
        if known is None:
            said = f"is unknown{_nearest(name, list(self._types))}"
            raise Wrong("type", f"{name!r:.80} {said}", Reject.UNKNOWN_TYPE, f"type {shown(name)} {said}")
        topic = event.get("topic")
        if topic is not None and topic != known.topic:
            if topic not in SOURCE_TOPICS:
                near = _nearest(str(topic), list(SOURCE_TOPICS))
                said = f"is no topic of events{near}; leave it out, it follows from type"
                raise Wrong("topic", f"{topic!r:.80} {said}", quiet=f"topic {said}")
            raise Wrong("topic", f"{topic} contradicts the type: {name} belongs on {known.topic}; leave it out")
        return known.topic

    def _body(self, event: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
        """The Avro record of an event; what is null or empty is left to the schema's default."""
        known = self._checkers[schema]
        body: dict[str, Any] = {}
        for name, value in event.items():
            check = known.get(name)
            if check is None:
                self._check_unknown(name, schema, known)
            elif value is not None and value != "":
                body[name] = check(name, value)
        required(event["type"], body)
        _check_names(event["type"], body)
        return body

    def _check_unknown(self, name: str, schema: str, known: Mapping[str, Checker]) -> None:
        if name in _NOT_AVRO:
            return
        others = [f"{other} events" for other in SCHEMAS if other != schema and name in self._checkers[other]]
        if others:
            raise Wrong(name, f"is no field of {schema} events, but of {' and '.join(others)}")
        near = _nearest(name, [*known, *_NOT_AVRO])
        said = f"is no field of an event{near}; what else the source says goes into properties"
        raise Wrong(name, said, quiet=f"{shown_place(name)} {said}")


class Translator:
    """Lines to messages, with the schema ids of the topics' schemas and the vocabulary."""

    def __init__(self, vocabulary: Vocabulary, schema_ids: Mapping[str, int]) -> None:
        """`schema_ids` by schema: channel, profile, account, crm."""
        self._ids = dict(schema_ids)
        self._checks = Checks(vocabulary)
        self._encode = {name: encoder(schemas.avro(f"events/{name}.v1.avsc")) for name in SCHEMAS}
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)

    def translate(self, line: bytes, number: int) -> Message | Fault:
        """One line, as it stands in the file, to its message or its first fault."""
        try:
            event = self._parse(line)
            topic, body, received_at = self._checks.event(event)
            schema = schema_of(topic)
            encoded = self._encode[schema](body)
        except Wrong as wrong:
            return Fault(number, wrong.field, wrong.reason)
        except UnicodeEncodeError as error:
            return Fault(
                number, _surrogate_in(event), f"is not Unicode text: it has a lone {error.object[error.start]!a}"
            )
        if len(encoded) > BODY_BYTES_MAX:
            return Fault(number, LINE, f"the event has {len(encoded)} bytes; {BODY_BYTES_MAX} is the most")
        return Message(topic, body["account_id"].encode(), frame(self._ids[schema], encoded), received_at)

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            event = self._decoder.decode(line.decode())
        except UnicodeDecodeError as error:
            if line.startswith(_GZIP):
                raise Wrong(LINE, "is gzip: give the file a name that ends in .gz, or unpack it") from None
            raise Wrong(LINE, f"is not UTF-8: byte {error.object[error.start]:#04x} at {error.start + 1}") from None
        except json.JSONDecodeError as error:
            raise Wrong(LINE, f"is not JSON: {error.msg} at character {error.pos + 1}") from None
        except RecursionError:
            raise Wrong(LINE, "is not an event: it is nested too deeply") from None
        except ValueError:  # an integer of more digits than Python reads
            most = sys.get_int_max_str_digits()
            raise Wrong(LINE, f"is not an event: it has a number of more than {most} digits") from None
        if not isinstance(event, dict):
            raise unlike(LINE, "must be an object {...}", event)
        return event


def _check_names(type_: str, body: Mapping[str, Any]) -> None:
    """Ids that name nobody, operations that contradict themselves: by the core's rules."""
    profile = body.get("profile_id")
    if profile is not None and validate.is_nobody(profile):
        said = "names nobody; leave it out"
        raise Wrong("profile_id", f"{profile!r} {said}", Reject.NOBODY, f"profile_id {said}")
    operation = _OPERATIONS.get(type_)
    if operation is not None and (why := operation(body)):
        reason, detail = why
        raise Wrong(detail.split(" ", 1)[0], _REASONS.get(reason, detail), reason)


def _received_at(event: Mapping[str, Any]) -> int | None:
    given = event.get("received_at")
    return None if given is None else instant("received_at", given)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
    return f"; near it: {', '.join(near)}" if near else ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Wrong(twice, "stands there twice")
    return found


def _constant(name: str) -> Any:
    raise Wrong(LINE, f"is not JSON: {name} is no number")


def _surrogate_in(event: dict[str, Any]) -> str:
    """The field whose text cannot be encoded."""
    for name, value in event.items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return name
    return LINE
