"""Payloads of Brevo's webhooks to events: pure.

In:   one payload, its endpoint.  Out: one event, or one refusal.
Ids go by the page's recipes, on the vocabulary's key: `opened` and `unique_opened` that tell one open are one event
(docs/decisions/brevo-opens.md). What varies by delivery is neither in the id nor kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.brevo import keys
from connectors.collect.brevo.families import key_of
from connectors.collect.brevo.keys import Key
from connectors.collect.brevo.payload import CLOCKS, COMPLETION_DATE, ROLES, Payload
from connectors.collect.endpoint import Endpoint
from connectors.collect.reading import Unfit
from connectors.collect.translation import Event, Refusal, minted, text
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject

NESTING_MAX = 64  # levels of a payload; documented ones have three, and Python writes some hundreds
# What tells an event from an object around a list of them.
_EVENT_MARKS = ("event", "camp_id", "message-id", "msg_status", "eventName", "event_name")
_OPENS = frozenset({"Opened", "proxy_open"})
# All that an open keeps: what its message is, since two payloads that tell one open may differ in the rest.
_OPEN_KEEPS = frozenset({"message-id", "subject", "campaign name", "X-Mailin-custom"})
_REPEATED = frozenset({"Clicked", "Replied"})  # of one SMS more than once: their time and link tell them apart
# What no event keeps. The first part varies by delivery, is today's and not the event's, or what people wrote to each
# other; the second has a column.
_NOT_KEPT = frozenset(
    {
        "ts",
        "contact_properties",
        "visitor",
        "agent",
        "agents",
        "message",
        "messages",
        "mirror_link",
        "user_agent",
        "device_used",
    }
    | {"event", "event_name", "eventName", "identifiers", *CLOCKS}
)
# Nor do those whose field `id` is the webhook's: tags may be written in three ways, a balance goes on changing.
_CLASSIC = (*keys.EMAILS, *keys.SMSES)
_CLASSIC_NOT_KEPT = frozenset(
    {"id", "tag", "tags", "date_sent", "remaining_credit", "camp_id", "URL", "msg_status", "to", "type"}
)
_LINKS = frozenset({"URL", "link", "url"})
# A contact's attributes by Brevo's own names of them.
_ATTRIBUTES = {"EMAIL": "email", "FIRSTNAME": "first_name", "LASTNAME": "last_name", "SMS": "mobile_phone"}


def items(document: Any) -> list[Any] | None:
    """The payloads of a body: an object, a list, or an object around one list. Else None."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    lists = [value for value in document.values() if isinstance(value, list)]
    if len(lists) == 1 and not _is_event(document) and (len(document) == 1 or any(map(_is_event, lists[0]))):
        return lists[0]
    return [document]


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and any(mark in value for mark in _EVENT_MARKS)


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    """One payload."""
    if _is_deeper(item, NESTING_MAX):
        return Refusal(Reject.UNDECODABLE, f"the payload is nested deeper than {NESTING_MAX} levels")
    try:
        return Event(_fields(Payload(item, endpoint)))
    except Unfit as unfit:
        return unfit.refusal


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether an object or list holds others that go below so many levels, its own the first."""
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list) and (levels == 1 or _is_deeper(inner, levels - 1)):
            return True
    return False


def _fields(payload: Payload) -> dict[str, Any]:
    key = key_of(payload)
    info = vocabulary.load().types[key.type]
    fields: dict[str, Any] = {
        "type": key.type,
        "occurred_at": payload.occurred_at(key),
        "profile_id": payload.profile(key),
        "is_test": payload.is_test(),
        "vendor_type": key.told,
    }
    if info.channel:
        fields["message_id"], fields["campaign_id"] = payload.message(key)
        fields["link"] = payload.link() if info.verb == "clicked" else None
    if info.topic == "events.profile":
        fields["attributes"] = _attributes(payload)
    fields["properties"] = _properties(payload, key, fields)
    fields["event_id"] = _event_id(payload, key, fields)
    return fields


def _event_id(payload: Payload, key: Key, fields: Mapping[str, Any]) -> str:
    """The payload's own where it has one, else by the recipe of its family, else of all that is kept."""
    own = payload.endpoint.fields.get("event_id")
    true_id = payload.id("event_id", own) if own else None
    if true_id is None and payload.has("event_name"):
        true_id = payload.id("event_id", "event_id")
    if true_id is not None:
        return true_id
    who, when, link = fields["profile_id"], fields["occurred_at"], fields.get("link")
    sending, campaign = payload.name("message-id"), payload.id("campaign_id", "camp_id")
    if key.group == keys.EMAIL_TRANSACTIONAL and sending is not None:
        return minted(key.group, _bare(sending), who, key.key, when, link)
    if key.group == keys.EMAIL_MARKETING and campaign is not None:
        return minted(key.group, campaign, who, key.key, when, link)
    sms = payload.id("messageId", "messageId", "reference") if key.group in keys.SMSES else None
    if sms is not None:
        return minted("sms", sms, who, key.key, *((when, link) if key.key in _REPEATED else ()))
    conversation = payload.id("conversationId", "conversationId")
    if key.group == keys.CONVERSATIONS and conversation is not None:
        return minted(key.group, conversation, payload.id("message's id", payload.said("id")), key.key, when)
    return minted(key.told, {name: value for name, value in fields.items() if value is not None})


def _bare(sending: str) -> str:
    """A message's id without the angle brackets that captures have and the vendor's samples have not."""
    return sending.strip("<> ")


def _properties(payload: Payload, key: Key, fields: Mapping[str, Any]) -> dict[str, str]:
    """What has no column and does not vary by delivery; what is empty says nothing."""
    if key.group in _CLASSIC and key.key in _OPENS:
        kept = {name: payload.at(name) for name in _OPEN_KEEPS}
    else:
        left_out = _NOT_KEPT | {*payload.endpoint.fields.values()}
        left_out |= _CLASSIC_NOT_KEPT if key.group in _CLASSIC else frozenset()
        left_out |= _LINKS if fields.get("link") else frozenset()
        left_out |= {COMPLETION_DATE} if key.key == "task_completed" else frozenset()
        left_out |= {"event_id"} if payload.has("event_name") else frozenset()
        left_out |= {"email"} if text(payload.at("email")).strip().lower() == fields["profile_id"] else frozenset()
        kept = {name: value for name, value in payload.item.items() if name not in left_out}
        kept |= {role: payload.at(where) for role, where in payload.endpoint.fields.items() if role not in ROLES}
    if kept.get("contact_id") == 0:
        del kept["contact_id"]
    told = {name: text(value).strip() for name, value in sorted(kept.items()) if value is not None}
    if "message-id" in told:
        told["message-id"] = _bare(told["message-id"])
    return {name: value for name, value in told.items() if value not in ("", "[]", "{}")}


def _attributes(payload: Payload) -> dict[str, str]:
    """A contact's fields as far as Brevo's own attributes say them."""
    found = {"email": address.lower()} if (address := payload.name("email")) else {}
    content = payload.at("content")
    for changed in content if isinstance(content, list) else [content]:
        for name, value in changed.items() if isinstance(changed, Mapping) else ():
            attribute = _ATTRIBUTES.get(name.upper()) if isinstance(name, str) else None
            if attribute is not None and isinstance(value, str | int) and not isinstance(value, bool):
                found[attribute] = text(value)
    return dict(sorted(found.items()))
