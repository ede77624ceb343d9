"""Seeded traffic for the analysts' questions: campaigns, contacts who answer them, and all that goes wrong on the way.

Three accounts that share the ids of contacts and campaigns, on two partitions, over eleven weeks. Reactions to a
message come within days of it, so that no unique is ever forgotten.
"""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field
from typing import Any

from tests.events import Event, event, frame, merge, plan, split, topic_of
from tests.oracle.history import DAY, MINUTE
from tests.property.running import Sent

SECOND, HOUR = 1_000_000, 60 * MINUTE
BEGIN = 20_458 * DAY  # 2026-01-05, a Monday
DAYS = 75
MOMENT = BEGIN + 46 * DAY + 9 * HOUR + 30 * MINUTE  # 2026-02-20 09:30
PARTITIONS = {0: ("acme", "beta"), 1: ("gamma",)}
ALLOWANCES = {"acme": 200, "beta": 90}  # gamma has no plan
SOURCES = {"acme": "brevo", "beta": "altcraft", "gamma": "own"}
CONTACTS = tuple(f"p{n:02}" for n in range(24))
VISITORS = tuple(f"visitor-{n}" for n in range(8))
ASLEEP = CONTACTS[-4:]  # they answer nothing
LINKS = ("https://shop.example/a", "https://shop.example/b", "https://shop.example/c")
REASONS = {"soft": (" mailbox full", "greylisted", ""), "hard": ("550 5.1.1 user unknown", "domain not found", "")}
PRODUCTS = ("shoes", "hat", "scarf")
REFUSED = (
    ("unknown_type", "event: 'email_swiped' is no key of this vendor"),
    ("unknown_type", "event: 'sms_read' is no key of this vendor"),
    ("missing_field", "profile_id: it has no /customer/id: see --field"),
)

# Campaign: channel, its messages (None: the source gives no message id), days on which it goes out.
CAMPAIGNS: dict[str, tuple[str, tuple[str | None, ...], tuple[int, ...]]] = {
    "welcome": ("email", ("welcome-1", "welcome-2"), (2, 9)),
    "spring-sale": ("email", ("sale-1",), (23, 24)),
    "newsletter": ("email", (None,), (37,)),
    "last-call": ("email", ("call-a", "call-b"), (51, 52)),
    "viber-deal": ("viber", ("vd-1",), (30,)),
    "app-news": ("push", ("push-1",), (44,)),
    "text": ("sms", ("sms-1",), (58,)),
}


@dataclass
class _Maker:
    """Events of one partition in the making, each with its arrival."""

    dice: random.Random
    accounts: tuple[str, ...]
    sent: list[Sent] = field(default_factory=list)
    number: int = 0

    def say(self, type_name: str, at: int, account: str, **fields: Any) -> Sent:
        """An event, arriving soon after it, or late."""
        one = event(type_name, **self._common(at, account), **fields)
        return self.arrive(one, at + self._lag())

    def arrive(self, one: Event, arrived_at: int) -> Sent:
        """An event at the broker."""
        made = Sent(topic_of(one["type"]), arrived_at // 1000, frame(one), one)
        self.sent.append(made)
        return made

    def operate(self, make: Any, at: int, account: str, *what: Any) -> None:
        """A merge, a split or a plan."""
        common = self._common(at, account)
        source = common.pop("source")
        self.arrive(make(*what, **common) | {"source": source}, at + self.dice.randrange(MINUTE))

    def chance(self, share: float) -> bool:
        """True in so many cases."""
        return self.dice.random() < share

    def soon(self, mean_hours: float) -> int:
        """A time to wait: minutes to days, five days at most."""
        return min(int(self.dice.expovariate(1 / mean_hours) * HOUR), 5 * DAY)

    def _common(self, at: int, account: str) -> dict[str, Any]:
        self.number += 1
        own = f"e{self.number}" if self.chance(0.8) else None
        return {"account_id": account, "source": SOURCES[account], "event_id": own, "occurred_at": at}

    def _lag(self) -> int:
        kind = self.dice.choices(("soon", "hours", "days", "too late", "ahead"), (80, 10, 6, 3, 1))[0]
        spans = {
            "soon": (0, 30 * SECOND),
            "hours": (HOUR, 10 * HOUR),
            "days": (DAY, 6 * DAY),
            "too late": (8 * DAY, 9 * DAY),
            "ahead": (-2 * HOUR, -HOUR),
        }
        return self.dice.randrange(*spans[kind])


def traffic(seed: int) -> dict[int, list[Sent]]:
    """What reaches each partition, in the order of arrival."""
    return {number: _partition(random.Random(f"{seed} {number}"), who) for number, who in PARTITIONS.items()}


def _partition(dice: random.Random, accounts: tuple[str, ...]) -> list[Sent]:
    made = _Maker(dice, accounts)
    for account in accounts:
        _contacts(made, account)
        for name in CAMPAIGNS:
            _campaign(made, account, name)
        _visits(made, account)
        _on_the_dot(made, account)
        _operations(made, account)
    _nonsense(made)
    _copies(made)
    _refusals(made)
    return sorted(made.sent, key=lambda sent: sent.arrived_ms)


def _contacts(made: _Maker, account: str) -> None:
    """Plans, contacts' fields, subscriptions, segments."""
    if account in ALLOWANCES:
        zone, anchor = ("Europe/Berlin", 10) if account == "acme" else ("America/Sao_Paulo", 31)
        fields = {"anchor_day": anchor, "time_zone": zone, "thresholds": [0.2, 0.5, 1.0]}
        made.operate(lambda allowance, **more: plan(allowance, **fields, **more), BEGIN, account, ALLOWANCES[account])
    for number, profile in enumerate(CONTACTS):
        at = BEGIN + made.dice.randrange(40 * DAY)
        name = {0: "same", 3: "same", 6: "same", 1: "twin", 4: "twin"}.get(number, profile)
        email = f"{name}@{('one', 'Two')[number % 3 == 1]}.example"
        attributes = {"email": email.upper() if number == 3 else email, "first_name": profile.upper()}
        made.say("profile_created", at, account, profile_id=profile, attributes=attributes)
        if profile not in ASLEEP and made.chance(0.8):
            made.say("email_subscribed", at + HOUR, account, profile_id=profile, is_test=made.chance(0.1))
        if profile not in ASLEEP and made.chance(0.2):
            made.say("email_unsubscribed", at + made.dice.randrange(30) * DAY, account, profile_id=profile)
        for segment, likely, later in (("vip", 0.4, 0), ("new", 0.7, MINUTE)):
            about = {"profile_id": profile, "properties": {"segment": segment}}
            if made.chance(likely):
                made.say("profile_entered_segment", at + later, account, **about)
            if made.chance(0.2):
                made.say("profile_exited_segment", at + 9 * DAY + later, account, **about)
        if made.chance(0.3):
            fields = {"attributes": {"points": str(made.dice.randrange(500))}, "profile_id": profile}
            made.say("profile_updated", at + 3 * DAY, account, **fields)


def _campaign(made: _Maker, account: str, name: str) -> None:
    channel, messages, days = CAMPAIGNS[name]
    for day, message in zip(days, (*messages, messages[-1]), strict=False):
        hour = made.dice.choice((8, 17, 23))
        for profile in made.dice.sample(CONTACTS, made.dice.randrange(8, 17)):
            at = BEGIN + day * DAY + hour * HOUR + made.dice.randrange(HOUR)
            about = {"profile_id": profile, "campaign_id": name, "message_id": message}
            _message(made, account, channel, at, about)


def _message(made: _Maker, account: str, channel: str, at: int, about: dict[str, Any]) -> None:
    """One recipient's message, and what becomes of it."""
    about = about | {"is_test": made.chance(0.1)}
    if made.chance(0.95):
        made.say(f"{channel}_sent", at, account, **about)
    if made.chance(0.15):
        kind = made.dice.choice(("soft", "soft", "hard"))
        said = made.dice.choice(REASONS[kind])
        properties = {"reason": said} if said else {}
        for attempt in range(made.dice.choice((1, 1, 3))):
            said_at = at + MINUTE + attempt * HOUR
            made.say(f"{channel}_{kind}_bounced", said_at, account, **about, properties=properties)
        return
    delivered = at + made.dice.randrange(1, 90) * SECOND
    made.say(f"{channel}_delivered", delivered, account, **about)
    if about["profile_id"] in ASLEEP:
        return
    if channel == "email" and made.chance(0.2):
        made.say("email_proxy_opened", at + MINUTE, account, **about)
    for _ in range(made.dice.choice((0, 0, 1, 1, 2, 3))):
        opened = at + made.soon(6) if made.chance(0.9) else delivered
        made.say(f"{channel}_opened" if channel != "sms" else "sms_replied", opened, account, **about)
    if SOURCES[account] == "altcraft" and channel != "sms" and made.chance(0.4):
        made.say(f"{channel}_unique_opened", at + made.soon(6), account, **about)
    _clicks(made, account, channel, at, about)


def _clicks(made: _Maker, account: str, channel: str, at: int, about: dict[str, Any]) -> None:
    for _ in range(made.dice.choice((0, 0, 0, 1, 1, 2, 4))):
        link = made.dice.choice((*LINKS, LINKS[0], None))
        clicked = at + made.soon(10)
        made.say(f"{channel}_clicked", clicked, account, **about, link=link)
        if SOURCES[account] == "altcraft" and made.chance(0.5):
            made.say(f"{channel}_unique_clicked", clicked, account, **about, link=link)
        if made.chance(0.25):
            value = f"{made.dice.randrange(900, 9000) / 100:.2f}"
            properties = {"value": value, "product_ids": made.dice.choice(PRODUCTS)}
            fields = {"profile_id": about["profile_id"], "properties": properties}
            made.say("crm_purchase", clicked + made.soon(30), account, **fields)
    if made.chance(0.06):
        made.say(f"{channel}_unsubscribed", at + made.soon(8), account, **about)
    if made.chance(0.03):
        made.say(f"{channel}_complained", at + made.soon(8), account, **about)


def _visits(made: _Maker, account: str) -> None:
    """Visitors of the site, some of whom are contacts, and what nobody did: clicks in a group, and whatever else."""
    for profile in (*VISITORS, *made.dice.sample(CONTACTS[: -len(ASLEEP)], 8)):
        for _ in range(made.dice.randrange(1, 5)):
            at = BEGIN + made.dice.randrange(DAYS * DAY)
            made.say("web_page_visited", at, account, profile_id=profile)
            if made.chance(0.2):
                made.say("crm_cart_product_added", at, account, profile_id=profile, properties={"product_id": "hat"})
            if made.chance(0.3):
                made.say("crm_purchase", at, account, profile_id=profile, properties={"value": "12.5"})
    for n in range(10):
        at = BEGIN + 30 * DAY + made.dice.randrange(DAY)
        about = {"profile_id": None, "campaign_id": "viber-deal", "message_id": "vd-1", "is_test": n > 7}
        made.say("telegram_clicked", at, account, **about, link=LINKS[0])
    for n, verb in enumerate(("sent", "delivered", "opened", "clicked", "soft_bounced") * 4):
        at = BEGIN + 9 * DAY + 20 * HOUR + n * MINUTE
        about = {"profile_id": None, "campaign_id": "welcome", "message_id": "welcome-2"}
        made.say(f"email_{verb}", at, account, **about)
        made.say("web_page_visited", at, account, profile_id=None)
        made.say("crm_purchase", at, account, profile_id=None)


def _on_the_dot(made: _Maker, account: str) -> None:
    """What lies on a boundary: moments to the second, an amount to the cent; and twins who are one person."""
    reads = (("p01", 0), ("p01", 5 * DAY), ("p02", 3 * DAY), ("p04", 3 * DAY + SECOND))
    for profile, ago in reads:
        _at_once(made, account, "email_read", MOMENT - ago, profile_id=profile)
    for twin in ("twin-1", "twin-2"):
        about = {"profile_id": twin, "campaign_id": "welcome", "message_id": "welcome-1"}
        _at_once(made, account, "sms_soft_bounced", MOMENT - 9 * DAY, **about, properties={"reason": "full"})
        _at_once(made, account, "email_opened", MOMENT - 9 * DAY, **about, is_test=True)
        _at_once(made, account, "crm_purchase", MOMENT - 3 * DAY, profile_id=twin, properties={"value": "30"})
    made.operate(merge, MOMENT, account, ["twin-2"], "twin-1")


def _at_once(made: _Maker, account: str, type_name: str, at: int, **fields: Any) -> None:
    one = event(type_name, account_id=account, source=SOURCES[account], occurred_at=at, **fields)
    made.arrive(one, at)


def _operations(made: _Maker, account: str) -> None:
    """Visitors become known, contacts are found to be one, a merge is undone."""
    for visitor in made.dice.sample(VISITORS, 4):
        at = BEGIN + made.dice.randrange(10, DAYS) * DAY
        made.operate(merge, at, account, [visitor], made.dice.choice(CONTACTS))
    for day in (33, 47, 55):
        first, second, third = made.dice.sample(CONTACTS, 3)
        made.operate(merge, BEGIN + day * DAY, account, [first, second], third)
        if made.chance(0.5):
            made.operate(split, BEGIN + (day + 6) * DAY, account, third, {third: [second], first: []})


def _nonsense(made: _Maker) -> None:
    """What is no event, or none that may count."""
    for account in made.accounts:
        for _ in range(6):
            at = BEGIN + made.dice.randrange(DAYS * DAY)
            made.say("email_exploded" if made.chance(0.5) else "email_opened", at, account, profile_id="null")
        made.operate(merge, BEGIN + 20 * DAY, account, ["p01", "p02"], "p02")
    for value, reason in ((None, "not_framed"), (b"\x01\x00\x00\x00\x01", "not_framed")):
        arrived_ms = (BEGIN + made.dice.randrange(DAYS * DAY)) // 1000
        made.sent.append(Sent("events.email", arrived_ms, value, None, reason))


def _copies(made: _Maker) -> None:
    """Vendors send again what they have sent, some of it changed."""
    for sent in made.dice.sample(made.sent, len(made.sent) // 15):
        later = sent.arrived_ms + made.dice.randrange(DAY // 1000)
        again = sent._replace(arrived_ms=later)
        if sent.event is not None and sent.event["event_id"] and made.chance(0.2):
            one = sent.event | {"vendor_type": "changed"}
            again = again._replace(event=one, value=frame(one))
        made.sent.append(again)


def _refusals(made: _Maker) -> None:
    """What a collector could not translate at two endpoints of each account, much of it for the same words."""
    for account in made.accounts:
        for n in range(12):
            reason, words = made.dice.choice(REFUSED)
            raw = json.dumps({"n": n}).encode()
            where = f"{SOURCES[account]} endpoint {SOURCES[account]}-{account}{n % 2}"
            said = {"reason": reason, "detail": f"{where}: {words}", "raw": base64.b64encode(raw).decode()}
            at = BEGIN + made.dice.randrange(DAYS * DAY)
            made.say("account_delivery_refused", at, account, properties=said | {"size": str(len(raw))})
