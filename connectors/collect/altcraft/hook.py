"""One message of a hook, read field by field: what is not as documented is refused with words that name the field.

Pure. Words never hold a value: it may be a contact's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint
from connectors.collect.instants import instant
from connectors.collect.pointers import ABSENT, at
from connectors.collect.reading import Unfit
from connectors.producer.fields import kind_of
from pipeline.core.reasons import Reject
from pipeline.core.validate import ID_BYTES_MAX, is_nobody

# Where each role stands, unless the endpoint's `fields` say otherwise; `event_id` and `deleted_profile_id` stand at no
# place of their own. The last five are guesses: the vendor's pages do not describe what merges, splits and segments
# carry (docs/vendors/altcraft.md).
ROLES: Mapping[str, str] = {
    "event": "event_type",
    "occurred_at": "event_date",
    "is_test": "is_test",
    "profile_id": "profile_id",
    "campaign_id": "/event_data/campaign_id",
    "message_id": "/event_data/message_id",
    "launch_id": "/event_data/launch_id",
    "send_message_id": "/event_data/send_message_id",
    "link": "/event_data/link_url",
    "segment": "/event_data/segment_id",
    "sources": "/event_data/sources",
    "target": "/event_data/target",
    "split_source": "/event_data/split_source",
    "parts": "/event_data/parts",
}


class Hook:
    """A message and its endpoint; `data` is its `event_data`, empty where there is none."""

    def __init__(self, item: Mapping[str, Any], endpoint: Endpoint) -> None:
        """Raises: Unfit, where `event_data` is no object."""
        self.item, self.endpoint = item, endpoint
        data = item.get("event_data")
        if data is not None and not isinstance(data, Mapping):
            raise impossible("event_data", f"must be an object; is {kind_of(data)}")
        self.data: Mapping[str, Any] = data or {}

    def where(self, role: str) -> str | None:
        """Where a role stands; None: nowhere that anybody told."""
        return self.endpoint.fields.get(role) or ROLES.get(role)

    def at(self, role: str) -> Any:
        """The value of a role, or ABSENT."""
        where = self.where(role)
        return ABSENT if where is None else at(self.item, where)

    def id(self, role: str) -> str | None:
        """The id of a role as text; None where it is absent, null or empty."""
        return id_text(self.where(role) or role, self.at(role))

    def key(self) -> str:
        """The vendor's key of the event: `event_type`, else `event`, else the endpoint's default."""
        for where in (self.where("event") or "event_type", "event"):
            value = at(self.item, where)
            if value is ABSENT or value is None or value == "":
                continue
            if not isinstance(value, str):
                raise impossible(where, f"must be the key of an event, such as click; is {kind_of(value)}")
            return value
        if self.endpoint.event is None:
            raise Unfit(Reject.MISSING_FIELD, "event_type is missing, and the endpoint has no --event of its own")
        return self.endpoint.event.rpartition("/")[2]

    def occurred_at(self) -> tuple[str, int]:
        """The event's time: its text as received, and UTC microseconds."""
        where, value = self.where("occurred_at") or "event_date", self.at("occurred_at")
        if value is ABSENT or value is None or value == "":
            raise Unfit(
                Reject.MISSING_FIELD,
                f"{where} is missing; an endpoint's --field occurred_at=PLACE says where the time is",
            )
        if not isinstance(value, str):
            raise impossible(where, f"must be a time such as 2018-03-04T13:13:19.034315796Z; is {kind_of(value)}")
        try:
            return value, instant(value, self.endpoint.time_zone)
        except ValueError as error:
            raise impossible(f"{where}:", str(error)) from None
        except KeyError:
            raise impossible(where, "has no offset, and the endpoint's time zone is no IANA name") from None

    def link(self) -> str | None:
        """The link that was followed, of any length; None where there is none."""
        where, value = self.where("link") or "link", self.at("link")
        if value is ABSENT or value is None or value == "":
            return None
        if not isinstance(value, str):
            raise impossible(where, f"must be text; is {kind_of(value)}")
        return value

    def is_test(self) -> bool:
        """Whether a test sending caused it; false where the message does not say."""
        where, value = self.where("is_test") or "is_test", self.at("is_test")
        if value is ABSENT or value is None or isinstance(value, bool):
            return bool(value)
        raise impossible(where, f"must be true or false; is {kind_of(value)}")


def id_text(name: str, value: object) -> str | None:
    """An id, a text or a whole number, as text; None where it is absent, null or empty.

    Raises:
        Unfit: anything else, or more than an id may have.
    """
    if value is ABSENT or value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise impossible(name, f"must be text or a whole number; is {kind_of(value)}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise impossible(name, "is not Unicode text: it has half of a pair") from None
    if size > ID_BYTES_MAX:
        raise impossible(name, f"has {size} bytes; {ID_BYTES_MAX} is the most")
    return value


def somebody(name: str, value: object) -> str | None:
    """The id of a profile, as `id_text`.

    Raises:
        Unfit: also an id that names nobody, such as 0 or null as text.
    """
    found = id_text(name, value)
    if found is not None and is_nobody(found):
        raise Unfit(Reject.NOBODY, f"{name} holds an id that names nobody, such as null, none, guest or 0")
    return found


def impossible(name: str, why: str) -> Unfit:
    """The refusal of a field that is there and wrong."""
    return Unfit(Reject.IMPOSSIBLE_FIELD, f"{name} {why}")
