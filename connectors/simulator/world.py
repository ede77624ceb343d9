"""Who takes part: accounts with their source, plan, campaigns and contacts; all of it follows from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.simulator.settings import (
    ACTIVITY_SHARE,
    ALLOWANCE_RATIOS,
    CAMPAIGNS,
    CONTACTS_PER_ACCOUNT,
    NAMES,
    PERSON_PROFILES,
    PRODUCTS,
    SOURCES,
    ZONES,
    Traffic,
)

_FIRST = ("Anna", "Boris", "Chloé", "Dmitri", "Elif", "Felix", "Gita", "Hugo", "Ines", "Jonas", "Kenji", "Lea")
_LAST = ("Adler", "Berg", "Costa", "Dubois", "Eriksen", "Fuchs", "Garcia", "Hansen", "Ivanova", "Jansen", "Kaya")
_LOW_ALLOWANCE = 10
_DEFAULT_EVENTS = 20_000  # what allowances are sized by where a run has no end


@dataclass
class Account:
    """A tenant. `profiles` counts those of each contact's person, of which there may be `profiles_max`."""

    name: str
    source: str
    share: float
    plan: dict[str, Any] | None
    contacts: list[str]
    profiles_max: int
    visitors: list[str] = field(default_factory=list)
    profiles: dict[str, int] = field(default_factory=dict)
    merged: list[tuple[str, str]] = field(default_factory=list)  # (visitor, contact)

    def has_room(self, contact: str) -> bool:
        """Whether the contact's person may take one more profile."""
        return self.profiles.get(contact, 1) < self.profiles_max


def accounts(traffic: Traffic) -> list[Account]:
    """The accounts, largest first; shares fall like 1/n."""
    rng = random.Random(traffic.seed)
    weights = [1 / (number + 1) for number in range(traffic.accounts)]
    return [_account(traffic, rng, number, weight / sum(weights)) for number, weight in enumerate(weights)]


def _account(traffic: Traffic, rng: random.Random, number: int, share: float) -> Account:
    again, place = divmod(number, len(NAMES))
    name = NAMES[place] + (f"-{again + 1}" if again else "")
    source = SOURCES[number % len(SOURCES)]
    contacts = [_contact_id(rng, source, name, who) for who in range(CONTACTS_PER_ACCOUNT)]
    profiles_max = min(PERSON_PROFILES, traffic.rules.person_profiles_max)
    return Account(name, source, share, _plan(traffic, number, share), contacts, profiles_max)


def _contact_id(rng: random.Random, source: str, account: str, who: int) -> str:
    """As the source names contacts: Brevo by email address, the others by ids of their own. Seeds share none."""
    some = rng.getrandbits(64)
    if source == "brevo":
        return f"{person(who)['first_name'].lower()}.{some:x}@{account}.example".replace("é", "e")
    return str(some % 10**12) if source == "altcraft" else f"{some:016x}"


def person(who: int) -> dict[str, str]:
    """Attributes of a contact."""
    first, last = _FIRST[who % len(_FIRST)], _LAST[who // len(_FIRST) % len(_LAST)]
    return {
        "date_of_birth": f"{1950 + who % 55}-{who % 12 + 1:02}-{who % 28 + 1:02}",
        "email": f"{first}.{last}.{who}@mail.example".lower().replace("é", "e"),
        "first_name": first,
        "last_name": last,
        "mobile_phone": f"+4915{who:08}",
    }


def _plan(traffic: Traffic, number: int, share: float) -> dict[str, Any] | None:
    """The account's plan; its cycle turns about two weeks away from `start`, so that a run stays within one."""
    ratio = ALLOWANCE_RATIOS[number % len(ALLOWANCE_RATIOS)]
    if ratio is None:
        return None
    expected = (traffic.events or _DEFAULT_EVENTS) * share * ACTIVITY_SHARE
    today = datetime.fromtimestamp(traffic.start // 1_000_000, UTC).day
    return {
        "allowance": max(_LOW_ALLOWANCE, int(expected * ratio)),
        "anchor_day": (today + 11 + number % 4) % 28 + 1,
        "time_zone": ZONES[number % len(ZONES)],
        "thresholds": [0.8, 0.9, 1.0] if number % 2 == 0 else [0.5, 0.8, 0.9, 1.0],
        "activities": None,
    }


def campaign(rng: random.Random, channel: str) -> tuple[str, str]:
    """A campaign and its message on a channel."""
    name = rng.choice(CAMPAIGNS)
    return name, f"{name}-{channel}-{rng.randrange(1, 3)}"


def product(rng: random.Random) -> str:
    """A product's page, the first ones most often."""
    return f"https://shop.example/p/{int(rng.random() ** 2 * PRODUCTS)}"
