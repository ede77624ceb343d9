"""What Brevo calls an event, in every spelling that payloads and exports use, and the vocabulary's key for it. Pure.

Names are compared without case, space, `-` and `_`: subscribing says `hardBounce`, payloads `hard_bounce`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.core import vocabulary

NAME = "brevo"
EMAIL_MARKETING, EMAIL_TRANSACTIONAL = "email_marketing", "email_transactional"
SMS_MARKETING, SMS_TRANSACTIONAL = "sms_marketing", "sms_transactional"
PUSH, WHATSAPP, CONVERSATIONS, LOYALTY, CUSTOM = "push", "whatsapp", "conversations", "loyalty", "custom"
EMAILS = (EMAIL_TRANSACTIONAL, EMAIL_MARKETING)  # where a payload does not say which: the types are the same
SMSES = (SMS_TRANSACTIONAL, SMS_MARKETING)

_APART = re.compile(r"[\s_-]+")

# Spellings that are no key of the vocabulary, by group: of payloads, and of the weekly exports (docs/vendors/brevo.md).
_EMAIL = {
    "request": "Sent",
    "requests": "Sent",
    "unique_opened": "Opened",
    "click": "Clicked",
    "clicks": "Clicked",
    "unsubscribe": "Unsubscribed",
    "softBounces": "Soft Bounce",
    "hardBounces": "Hard Bounce",
    "unique_proxy_open": "proxy_open",
    "loadedByProxy": "proxy_open",
    "spam": "complaint",
    "invalid": "invalid_email",
}
_SMS = {"request": "Sent", "click": "Clicked", "clicks": "Clicked", "reply": "Replied"}
VARIANTS: Mapping[str, Mapping[str, str]] = {
    EMAIL_MARKETING: _EMAIL,
    EMAIL_TRANSACTIONAL: _EMAIL,
    SMS_MARKETING: _SMS,
    SMS_TRANSACTIONAL: _SMS,
    CONVERSATIONS: {"conversationFragment": "message_received", "conversationTranscript": "conversation_ended"},
    PUSH: {  # titles of the vendor's page; `subtype` has the last two
        "clicked": "push_notification_clicked",
        "session_started": "push_session_started",
        "subscribed": "push_subscribed",
        "unsubscribed": "push_unsubscribed",
    },
}


class Key(NamedTuple):
    """A key of the vocabulary with its canonical type; `told` is what `vendor_type` says."""

    group: str
    key: str
    type: str

    @property
    def told(self) -> str:
        """`group/key`: a key alone would not say whether `Sent` was an email or an SMS."""
        return f"{self.group}/{self.key}"


def _same(name: str) -> str:
    """A name as names are compared."""
    return _APART.sub("", name).casefold()


def _tables() -> tuple[dict[str, dict[str, Key]], dict[str, list[Key]]]:
    """The keys of each group by spelling, and those of all groups by their own."""
    groups: dict[str, dict[str, Key]] = defaultdict(dict)
    anywhere: dict[str, list[Key]] = defaultdict(list)
    for (vendor, where), type_ in vocabulary.load().vendors.items():
        group, _, key = where.partition("/")
        if vendor == NAME:
            groups[group][_same(key)] = Key(group, key, type_)
            anywhere[_same(key)].append(Key(group, key, type_))
    for group, variants in VARIANTS.items():
        known = groups[group]
        known |= {_same(variant): known[_same(key)] for variant, key in variants.items() if _same(key) in known}
    return dict(groups), dict(anywhere)


_GROUPS, _ANYWHERE = _tables()


def groups() -> frozenset[str]:
    """The groups of the vocabulary."""
    return frozenset(_GROUPS)


def find(group: str, name: str) -> Key | None:
    """The key that a group has under a name; the group `custom` has every name, as its account spells it."""
    if group == CUSTOM:
        return Key(CUSTOM, name, _GROUPS[CUSTOM][vocabulary.ANY_KEY].type)
    return _GROUPS.get(group, {}).get(_same(name))


def anywhere(name: str) -> Key | None:
    """The key of that name where one group alone has it."""
    found = _ANYWHERE.get(_same(name), ())
    return found[0] if len(found) == 1 and found[0].group != CUSTOM else None


def default(event: str | None) -> tuple[str | None, Key | None]:
    """Group and key of an endpoint's default event: `group`, which has no key, `group/key`, or `key`."""
    if not event:
        return None, None
    group, slash, name = event.partition("/")
    if slash:
        key = find(group, name)
        return (group, key) if key is not None else (None, None)
    if group in _GROUPS:
        return group, None
    key = anywhere(event)
    return (None, None) if key is None else (key.group, key)
