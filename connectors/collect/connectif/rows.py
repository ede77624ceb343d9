"""Connectif's send events to canonical events: pure.

In:   the fields that the account defined for its send event, the endpoint.  Out: one event or one refusal.
The field set that we ask for is of `template`; where an account's names differ, the endpoint says where each role is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.collect import placeholders
from connectors.collect.connectif import keys, template
from connectors.collect.default_types import canonical
from connectors.collect.endpoint import Endpoint
from connectors.collect.pointers import at, put
from connectors.collect.reading import Reading, Unfit, bounded, contact, first_somebody, plain, unfilled
from connectors.collect.translation import Event, Refusal, minted
from connectors.producer.fields import shown
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject
from pipeline.core.validate import merge_fault

# A contact's own data: kept as attributes of profile events, left out of all others.
_PERSONAL: dict[str, tuple[str, ...]] = {
    "email": ("email",),
    "first_name": ("first_name",),
    "last_name": ("last_name",),
    "date_of_birth": ("date_of_birth",),
    "mobile_phone": ("mobile_phone", "phone"),
}
_POINTS = {"points": ("points",)}
_PREVIOUS = "previous_contact_id"
_ROLES = ("content_id", "workflow_id", "link")  # where no value of an account's own stands


class Said(NamedTuple):
    """What an item says it is: the vocabulary's key, none where the endpoint names a canonical type; and that type."""

    key: str | None
    type: str


def items(document: Any) -> list[Any] | None:
    """One object a call; a list is taken too, since no page says that there is none."""
    if isinstance(document, list):
        return document
    return [document] if isinstance(document, dict) else None


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    """One call's fields to its event: docs/decisions/connectif-webhooks.md says which of the two that it tells of."""
    try:
        return Event(_event(item, endpoint))
    except Unfit as unfit:
        return unfit.refusal


def _event(item: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    if (place := placeholders.left(item, endpoint, template.MARKS, item, _ROLES)) is not None:
        raise unfilled(place)
    reading = Reading(item, endpoint)
    said = _said(reading.text("event", "event"), endpoint)
    info = vocabulary.load().types[said.type]
    event: dict[str, Any] = {
        "type": said.type,
        "vendor_type": said.key,
        "occurred_at": reading.instant("occurred_at", "occurred_at"),
        "is_test": reading.flag("is_test", "is_test"),
        "event_id": reading.name("event_id", "event_id") or _minted(item, said, endpoint),
    }
    if info.topic != "events.account":
        event["profile_id"] = _contact(reading)
    if info.topic == "events.profile":
        attributes = {name: reading.text(name, *places) for name, places in (_PERSONAL | _POINTS).items()}
        event["attributes"] = {name: value for name, value in attributes.items() if value}
        _add_merge(reading, said, event)
    for name, places in _PERSONAL.items():
        reading.leave_out(name, *places)
    if info.channel:
        event |= _message(reading)
    event["properties"] = reading.named() | reading.rest()
    if said.type == "push_subscription_migrated" and _PREVIOUS in event["properties"]:
        event["properties"].setdefault("from_profile_id", contact(event["properties"].pop(_PREVIOUS)))
    return event


def _minted(item: Mapping[str, Any], said: Said, endpoint: Endpoint) -> str:
    """The id of all that a call says; its event by the vocabulary's key, however it is spelled."""
    for place in (endpoint.fields.get("event"), "event"):
        if said.key is not None and place is not None and isinstance(at(item, place), str):
            item = put(item, place, said.key)
            break
    return minted(keys.VENDOR, said.key or said.type, item)


def _said(named: str | None, endpoint: Endpoint) -> Said:
    """What the payload names; else what the endpoint does; else the call itself is the event."""
    default = canonical(endpoint.event)
    if named is None and default is not None:
        return Said(None, default)
    if named == keys.NO_TYPE:
        raise Unfit(Reject.UNKNOWN_TYPE, "the row has no type: name its column in the endpoint's fields (event=COLUMN)")
    name = named or endpoint.event or keys.CALL
    key = keys.normal(name)
    type_ = keys.type_of(key)
    if type_ is None:
        raise Unfit(
            Reject.UNKNOWN_TYPE,
            f"event {shown(name.lower())} is no event of Connectif's list: see docs/vendors/connectif.md",
        )
    return Said(key, type_)


def _contact(reading: Reading) -> str:
    ids = {name: reading.id(name, name) for name in ("profile_id", "contact_id", "external_id")}
    email = reading.id("email", "email")
    phone = reading.id("phone", "phone", "mobile_phone")
    somebody = first_somebody(ids | {"email": email, "phone": phone})
    if somebody is None:
        raise Unfit(
            Reject.MISSING_FIELD,
            "profile_id is missing: fill contact_id, external_id, email or phone, or name its place in the endpoint's "
            "fields (profile_id=KEY)",
        )
    return somebody


def _message(reading: Reading) -> dict[str, str | None]:
    """What went to many people is the content; the workflow that sent it is the campaign."""
    content = reading.name("message_id", "message_id", "content_id")
    workflow = reading.name("campaign_id", "campaign_id", "workflow_id")
    found = {"message_id": content, "campaign_id": workflow or content, "link": reading.text("link", "link")}
    return {name: value for name, value in found.items() if value}


def _add_merge(reading: Reading, said: Said, event: dict[str, Any]) -> None:
    """A merge's profiles; an identification that names the anonymous profile which it ends is a merge too."""
    is_merge = said.type == "profile_merged"
    if not is_merge and said.type != "profile_identified":
        return
    sources, target = _sources(reading), contact(reading.id("target", "target") or event["profile_id"])
    if not is_merge:
        sources = [source for source in sources if source != target]
        if not sources:
            return
    event |= {"type": "profile_merged", "profile_id": target, "sources": sources, "target": target}
    if why := merge_fault(event):
        raise Unfit(
            why[0], f"{why[1]}: a merge names the contact that ends ({_PREVIOUS}) and, as another, the one kept"
        )


def _sources(reading: Reading) -> list[str]:
    value = reading.value("sources", "sources", _PREVIOUS)
    given = value if isinstance(value, list) else [] if value is None else [value]
    return [contact(bounded("sources", plain("sources", one))) for one in given]
