"""The canonical vocabulary: every event type that counts as known, and which vendor key means which type.

In:   the texts of `types.tsv` and `vendors.tsv` (see schemas/vocabulary).  Out: a `Vocabulary`.
Time: none.  Late: none.
A type's prefix decides its topic: a channel, `profile`, `account` or `crm`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import schemas

CHANNELS = ("email", "sms", "push", "telegram", "whatsapp", "viber", "popup", "web")
# In the order of the flow; a topic's place here is its number in origins, so the order never changes.
TOPICS = (*(f"events.{channel}" for channel in CHANNELS), "events.profile", "events.account", "events.crm")
ANY_KEY = "*"  # a vendor's key for whatever an account names itself

# What the rules ask of a type, as bits: see `Vocabulary.marks`.
OPENED = 1  # may be the first open of a message on its channel; a vendor's unique event is one too
CLICKED = 2
BY_VENDOR = 4  # a vendor's unique event
NO_LINK = 8  # a click that is never about a link: Viber's unique one
CONTACT_STATE = 16  # see `TypeInfo.has_contact_state`

# Verbs of channel types that say something about a contact: docs/decisions/contact-state.md.
_STATE_VERBS = frozenset(
    {"delivered", "soft_bounced", "hard_bounced", "subscribed", "unsubscribed", "blocked", "unblocked", "paused"}
    | {"resumed", "subscription_refreshed", "subscription_migrated"}
)
_PREFIXES = frozenset(CHANNELS) | {"profile", "account", "crm"}
_TYPES_HEAD = ["type", "activity", "by_person", "description"]
_VENDORS_HEAD = ["vendor", "group", "key", "type", "note"]


class TypeInfo(NamedTuple):
    """A canonical type: `email_opened` is verb `opened` of channel `email` on topic `events.email`.

    `channel` is empty for profile, account and crm types; `activity` says whether it uses up the allowance by default,
    `by_person` whether the person itself did it.
    """

    type: str
    topic: str
    channel: str
    verb: str
    activity: bool
    by_person: bool

    @property
    def has_contact_state(self) -> bool:
        """Whether it may say something about a contact, so that ties between such events matter."""
        return self.verb in _STATE_VERBS if self.channel else self.topic in ("events.profile", "events.crm")

    @property
    def marks(self) -> int:
        """The bits above that the type has."""
        raw = self.verb.removeprefix("unique_") if self.channel else ""
        by_vendor = self.verb in ("unique_opened", "unique_clicked")
        return (
            OPENED * (raw == "opened")
            + CLICKED * (raw == "clicked")
            + BY_VENDOR * by_vendor
            + NO_LINK * (by_vendor and self.channel == "viber" and raw == "clicked")
            + CONTACT_STATE * self.has_contact_state
        )


@dataclass(frozen=True)
class Vocabulary:
    """Canonical types by name, and the type of each vendor's key; a key is written `group/key`."""

    types: Mapping[str, TypeInfo]
    vendors: Mapping[tuple[str, str], str]

    @functools.cached_property
    def default_activities(self) -> frozenset[str]:
        """The types that use up the allowance of an account whose plan names no other set."""
        return frozenset(name for name, info in self.types.items() if info.activity)

    @functools.cached_property
    def marks(self) -> Mapping[str, int]:
        """The bits of each type; looked up for each batch's types."""
        return {name: info.marks for name, info in self.types.items()}

    def type_of(self, vendor: str, group: str, key: str) -> str | None:
        """The canonical type of a vendor's key; a group's `*` takes every key without a row; None where unknown."""
        exact = self.vendors.get((vendor, f"{group}/{key}"))
        return exact or self.vendors.get((vendor, f"{group}/{ANY_KEY}"))


class VocabularyError(ValueError):
    """A vocabulary table that cannot be used; names the table, the line and what is wrong with it."""


def parse(types_text: str, vendors_text: str) -> Vocabulary:
    """The vocabulary of both tables: tab-separated, the first line their columns; a last empty column may be left out.

    Raises:
        VocabularyError: a wrong column, a name twice, a prefix or type that nobody knows.
    """
    types: dict[str, TypeInfo] = {}
    for where, (name, activity, by_person, _) in _rows("types.tsv", types_text, _TYPES_HEAD):
        if name in types:
            raise VocabularyError(f"{where}: {name!r} stands there twice; keep one row")
        types[name] = _info(where, name, activity, by_person)
    vendors: dict[tuple[str, str], str] = {}
    for where, (vendor, group, key, name, _) in _rows("vendors.tsv", vendors_text, _VENDORS_HEAD):
        if name not in types:
            raise VocabularyError(f"{where}: {name!r} is no type of types.tsv; add it there or name another")
        if (vendor, f"{group}/{key}") in vendors:
            raise VocabularyError(f"{where}: {vendor} {group}/{key} stands there twice; keep one row")
        vendors[vendor, f"{group}/{key}"] = name
    return Vocabulary(types, vendors)


@functools.cache
def load() -> Vocabulary:
    """The committed vocabulary."""
    return parse(schemas.text("vocabulary/types.tsv"), schemas.text("vocabulary/vendors.tsv"))


def _rows(table: str, text: str, head: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each row's place and cells, padded to the columns of `head`."""
    first, _, rest = text.partition("\n")
    if first.split("\t") != head:
        raise VocabularyError(f"{table} line 1: columns are {first.split(chr(9))}; they must be {head}")
    for number, line in enumerate(rest.rstrip("\n").split("\n"), start=2):
        where = f"{table} line {number}"
        cells = line.split("\t")
        cells += [""] * (len(head) - len(cells)) if len(cells) == len(head) - 1 else []
        if len(cells) != len(head):
            raise VocabularyError(f"{where}: {len(cells)} columns; there must be {len(head)}: {', '.join(head)}")
        if not all(cells[:-1]):
            raise VocabularyError(f"{where}: {head[cells.index('')]} is empty")
        yield where, cells


def _info(where: str, name: str, activity: str, by_person: str) -> TypeInfo:
    prefix, _, verb = name.partition("_")
    if prefix not in _PREFIXES or not verb:
        raise VocabularyError(f"{where}: {name!r} must be <prefix>_<verb>, its prefix one of {sorted(_PREFIXES)}")
    for column, said in (("activity", activity), ("by_person", by_person)):
        if said not in ("yes", "no"):
            raise VocabularyError(f"{where}: {column} of {name!r} is {said!r}; it must be yes or no")
    channel = prefix if prefix in CHANNELS else ""
    return TypeInfo(name, f"events.{prefix}", channel, verb, activity == "yes", by_person == "yes")
