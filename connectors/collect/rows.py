"""A delivery's body to messages for Kafka: pure.

In:   the bytes of a body, the endpoint that they came in at.  Out: one message for every item.
A refused item is a message too, with its own bytes: the worker makes a dead letter of it. Broken JSON is one such item.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import schemas
from connectors.collect.endpoint import Endpoint
from connectors.collect.translation import DETAIL_CHARACTERS_MAX, Event, Refusal, Vendor
from connectors.producer.rows import BODY_BYTES_MAX, Message
from pipeline.core import refused
from pipeline.core.framing import frame
from pipeline.core.reasons import Reject
from pipeline.core.vocabulary import Vocabulary
from pipeline.event_bytes import encoder
from pipeline.topics import SCHEMAS, schema_of

ITEMS_MAX = 10_000  # of a body: Brevo sends 500 at most, and each costs some 20 microseconds
_WHITE = " \t\n\r"


class Delivery(NamedTuple):
    """A body's items; `raw` gives the bytes that the n-th stands in, asked for those alone that are refused."""

    values: list[Any]
    raw: Callable[[int], bytes]


class Translated(NamedTuple):
    """An item's message; `refusal` where it is no event, else `event`."""

    message: Message
    refusal: Refusal | None
    event: Event | None = None


class Translator:
    """Items to messages, with the schema ids of the topics' schemas and the vocabulary."""

    def __init__(self, vocabulary: Vocabulary, schema_ids: Mapping[str, int]) -> None:
        """`schema_ids` by schema: channel, profile, account, crm."""
        self._types = vocabulary.types
        self._ids = dict(schema_ids)
        self._encode = {name: encoder(schemas.avro(f"events/{name}.v1.avsc")) for name in SCHEMAS}

    def messages(self, body: bytes, endpoint: Endpoint, vendor: Vendor, received_at: int) -> list[Translated]:
        """A body of JSON; `received_at` in UTC microseconds. Empty where it is an empty list."""
        found = delivery(body, vendor)
        if isinstance(found, Refusal):
            return [self.refuse(found, body, endpoint, received_at)]
        return self.translated(found, endpoint, vendor, received_at)

    def translated(self, found: Delivery, endpoint: Endpoint, vendor: Vendor, received_at: int) -> list[Translated]:
        """The same of items that were read otherwise."""
        return [self._message(found, n, (endpoint, vendor), received_at) for n in range(len(found.values))]

    def _message(self, found: Delivery, n: int, at: tuple[Endpoint, Vendor], received_at: int) -> Translated:
        value, (endpoint, vendor) = found.values[n], at
        event: Event | Refusal = Refusal(Reject.UNDECODABLE, "an item of the delivery is no JSON object")
        if isinstance(value, Refusal):  # of a reader that met it: a line that is no JSON
            event = value
        if isinstance(value, dict):
            try:
                event = vendor.translate(value, endpoint)
            except RecursionError:  # some levels less than the parser takes: writing JSON goes as deep as reading it
                event = Refusal(Reject.UNDECODABLE, "an item of the delivery is nested too deeply")
        message = self._encoded(event, endpoint, received_at) if isinstance(event, Event) else event
        if isinstance(message, Refusal):
            return self.refuse(message, found.raw(n), endpoint, received_at)
        return Translated(message, None, event if isinstance(event, Event) else None)

    def refuse(self, refusal: Refusal, raw: bytes, endpoint: Endpoint, received_at: int) -> Translated:
        """The message of what is no event, with its bytes."""
        words = refusal.detail[:DETAIL_CHARACTERS_MAX].encode("utf-8", "replace").decode()
        said = refused.refused(refusal.reason, f"{endpoint.vendor} endpoint {endpoint.id}: {words}", raw)
        fields = {
            "account_id": endpoint.account,
            "source": endpoint.source,
            "type": refused.TYPE,
            "occurred_at": received_at,
            "properties": refused.properties(said),
        }
        value = frame(self._ids["account"], self._encode["account"](fields))
        return Translated(Message(refused.TOPIC, endpoint.account.encode(), value, received_at), refusal)

    def _encoded(self, event: Event, endpoint: Endpoint, received_at: int) -> Message | Refusal:
        """The event's message, with account and source of the endpoint."""
        topic = self._types[event.fields["type"]].topic
        schema = schema_of(topic)
        fields = event.fields | {"account_id": endpoint.account, "source": endpoint.source}
        try:
            body = self._encode[schema](fields)
        except UnicodeEncodeError:
            return Refusal(Reject.IMPOSSIBLE_FIELD, "a text of the item is not Unicode: it has half of a pair")
        if len(body) > BODY_BYTES_MAX:
            return Refusal(Reject.OVERSIZED, f"the event has {len(body)} bytes; {BODY_BYTES_MAX} is the most")
        return Message(topic, endpoint.account.encode(), frame(self._ids[schema], body), received_at)


def delivery(body: bytes, vendor: Vendor) -> Delivery | Refusal:
    """The items of a body of JSON, or why it has none."""
    try:
        text = body.decode("utf-8-sig")
        document = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        return Refusal(Reject.UNDECODABLE, f"the delivery is not UTF-8: byte {error.start + 1} of {len(body)}")
    except json.JSONDecodeError as error:
        return Refusal(Reject.UNDECODABLE, f"the delivery is not JSON: {error.msg} at character {error.pos + 1}")
    except RecursionError:
        return Refusal(Reject.UNDECODABLE, "the delivery is nested too deeply")
    except _NoNumber as name:
        return Refusal(Reject.UNDECODABLE, f"the delivery is not JSON: {name} is no number")
    except ValueError:  # an integer of more digits than Python reads
        most = sys.get_int_max_str_digits()
        return Refusal(Reject.UNDECODABLE, f"the delivery has a number of more than {most} digits")
    values = vendor.items(document)
    if values is None:
        return Refusal(Reject.UNDECODABLE, f"the delivery is no object and no list of objects as {vendor.name} sends")
    if len(values) > ITEMS_MAX:
        return Refusal(Reject.OVERSIZED, f"the delivery has {len(values)} items; {ITEMS_MAX} is the most")
    if len(values) == 1 and values[0] is document:
        return Delivery(values, lambda _: body)
    return Delivery(values, _Elements(text, _name_of_list(document, values)))


def _name_of_list(document: Any, values: list[Any]) -> str | None:
    """The name under which an object has the list of items: that very list, else its first one; None: no object."""
    if not isinstance(document, dict):
        return None
    lists: list[str] = [name for name, value in document.items() if isinstance(value, list)]
    return next((name for name in lists if document[name] is values), None) or lists[0]


class _Elements:
    """The bytes of the n-th element of a text's list: the text itself, or the list that its object has under a name.

    Found at the first asking, all at once: a delivery may be refused item by item. Where the text is nested so deeply
    that it cannot be read once more, all of it stands for each.
    """

    def __init__(self, text: str, name: str | None) -> None:
        self._text, self._name = text, name
        self._spans: list[tuple[int, int]] = []

    def __call__(self, n: int) -> bytes:
        if not self._spans:
            try:
                self._spans = list(_elements(self._text, self._start()))
            except RecursionError:
                return self._text.encode("utf-8")
        start, end = self._spans[n]
        return self._text[start:end].encode("utf-8")

    def _start(self) -> int:
        at = _after_white(self._text, 0)
        if self._name is None:
            return at
        *_, last = (value for name, value in _members(self._text, at) if name == self._name)
        return last  # as the parser has it, of equal names the last one


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The names of the object that begins at a place, and where their values begin. The text is JSON."""
    at = _after_white(text, at + 1)
    while text[at] != "}":
        name, end = _DECODER.raw_decode(text, at)
        at = _after_white(text, _after_white(text, end) + 1)
        yield name, at
        at = _after_separator(text, _DECODER.raw_decode(text, at)[1])


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the elements of the list that begins at a place begin and end. The text is JSON."""
    at = _after_white(text, at + 1)
    while text[at] != "]":
        end = _DECODER.raw_decode(text, at)[1]
        yield at, end
        at = _after_separator(text, end)


def _after_separator(text: str, at: int) -> int:
    at = _after_white(text, at)
    return _after_white(text, at + 1) if text[at] == "," else at


def _after_white(text: str, at: int) -> int:
    while text[at] in _WHITE:
        at += 1
    return at


class _NoNumber(ValueError):
    """NaN, Infinity or -Infinity, which JSON has not."""


def _no_number(name: str) -> Any:
    raise _NoNumber(name)


_DECODER = json.JSONDecoder(parse_constant=_no_number)
