"""Messages of Altcraft's action hooks to events: pure.

In:   one message, its endpoint.  Out: one event, or one refusal.
The id is a hash of what a later delivery of the same event repeats. Of `event_data` all is kept but what is no fact of
the event (geography); of the rest only the ids of account and database: the others describe today's profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.altcraft.hook import Hook, id_text
from connectors.collect.altcraft.profiles import merged, profile_of, split
from connectors.collect.endpoint import Endpoint
from connectors.collect.reading import Unfit
from connectors.collect.translation import Event, Refusal, minted, text
from connectors.producer.fields import shown
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject

NAME = "altcraft"
OPERATIONS = {"profile_merged": merged, "profile_split": split}
# Of `event_data`: looked up from the address whenever the vendor likes, or as the event's own column.
GEOGRAPHY = frozenset({"country", "city", "postal_code", "region", "tz", "lat", "lon"})
COLUMNS = frozenset({"campaign_id", "link_url"})
# The documented first level. What is beside it is kept of campaigns' own events alone: their structure is not told.
COMMON = frozenset(
    {"event_type", "event", "event_date", "account_id", "list_id", "is_test", "event_data", "profile_id", "_xxh"}
    | {"_md5", "sends_trying_num", "is_static", "subscription_hash_id", "custom_data", "subscription"}
)
NOBODYS_GROUPS = frozenset({"telegram_group", "campaign"})  # documented as being about no person
NO_LINK = frozenset({"viber_uclick"})  # one per message, whichever of its links: it is about none


def _keys() -> dict[str, tuple[str, str]]:
    """Group and type of each key; a key is in one group only."""
    listed = [(where, type_) for (vendor, where), type_ in vocabulary.load().vendors.items() if vendor == NAME]
    found = {where.partition("/")[2]: (where.partition("/")[0], type_) for where, type_ in listed}
    assert len(found) == len(listed), "a key stands in two groups"
    return found


KEYS = _keys()


def items(document: Any) -> list[Any] | None:
    """The messages of a body: always a list from the hook itself, a single object from its queue."""
    if isinstance(document, dict):
        return [document]
    return document if isinstance(document, list) else None


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    """One message."""
    try:
        return Event(_fields(Hook(item, endpoint)))
    except Unfit as unfit:
        return unfit.refusal


def _fields(hook: Hook) -> dict[str, Any]:
    key = hook.key()
    if key not in KEYS:
        words = f"{shown(key)} is no event type of Altcraft that is known here; see docs/vendors/altcraft.md"
        raise Unfit(Reject.UNKNOWN_TYPE, words)
    group, type_ = KEYS[key]
    event_date, occurred_at = hook.occurred_at()
    list_id = id_text("list_id", hook.item.get("list_id"))
    campaign_id, link = hook.id("campaign_id"), hook.link()
    fields = {
        "event_id": hook.id("event_id") or _event_id(hook, key, event_date, list_id),
        "type": type_,
        "occurred_at": occurred_at,
        "is_test": hook.is_test(),
        "vendor_type": key,
        "properties": _properties(hook, group, type_, key),
    }
    if group not in NOBODYS_GROUPS:
        fields["profile_id"] = profile_of(hook, list_id, may_be_null=group == "profile")
    if vocabulary.load().types[type_].channel:
        fields |= {
            "campaign_id": _none_if_zero(campaign_id),
            "message_id": _message(hook, campaign_id),
            "link": None if key in NO_LINK else link,
        }
    if type_ in OPERATIONS:
        fields |= OPERATIONS[type_](hook, list_id)
    return fields


def _event_id(hook: Hook, key: str, event_date: str, list_id: str | None) -> str:
    """The page's recipe; ids as text, so that the export's columns mint the same."""
    who = hook.id("profile_id") or id_text("_xxh", hook.item.get("_xxh")) or id_text("_md5", hook.item.get("_md5"))
    sending = hook.id("send_message_id") or [hook.id("campaign_id"), hook.id("message_id")]
    account_id = id_text("account_id", hook.item.get("account_id"))
    return minted(account_id, list_id, key, event_date, who, sending, hook.link())


def _message(hook: Hook, campaign_id: str | None) -> str | None:
    """What a campaign sent to many: campaign, launch and template; None where launch and template are not told."""
    launch, template = hook.id("launch_id"), _none_if_zero(hook.id("message_id"))
    if launch is None and template is None:
        return None
    return "/".join(part or "-" for part in (_none_if_zero(campaign_id), launch, template))


def _none_if_zero(found: str | None) -> str | None:
    """An id, or None for 0: of segments the vendor says that it means none."""
    return None if found == "0" else found


def _properties(hook: Hook, group: str, type_: str, key: str) -> dict[str, str]:
    """What is stable and has no column; null, empty and a segment 0 say nothing."""
    columns = COLUMNS if vocabulary.load().types[type_].channel else frozenset()
    left_out = GEOGRAPHY | (columns - {"link_url"} if key in NO_LINK else columns)
    kept = {name: value for name, value in hook.data.items() if name not in left_out}
    if group == "campaign":
        kept = {name: value for name, value in hook.item.items() if name not in COMMON} | kept
    if str(kept.get("segment_id")) == "0":
        del kept["segment_id"]
    if group in NOBODYS_GROUPS:
        kept |= _top(hook, kept, "profile_id")
    kept |= _top(hook, kept, "account_id") | _top(hook, kept, "list_id")
    if group == "segment" and (segment := _segment(hook)) is not None:
        kept["segment"] = segment
    return {name: text(value) for name, value in kept.items() if value is not None and value != ""}


def _top(hook: Hook, kept: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A field of the first level; one of `event_data` with its name goes under `event_data.<name>`."""
    value = hook.item.get(name)
    if value is None:
        return {}
    return {name: value} | ({f"event_data.{name}": kept[name]} if name in hook.data else {})


def _segment(hook: Hook) -> str | None:
    """The segment that was entered or left, for the contact sheet; several in one event say nothing there."""
    value = hook.at("segment")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if isinstance(value, list | dict) else _none_if_zero(id_text(hook.where("segment") or "segment", value))
