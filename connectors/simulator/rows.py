"""The realistic traffic: sends and what follows them, visits, purchases, profiles; one event after the other.

In:   a Traffic.  Out: Items in the order in which they are to be sent, each with its fate.
Time: `Traffic.time` of an event's number; nothing reads a clock, so one seed and start give one stream.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterator
from typing import Any

from connectors.simulator import settings as odds
from connectors.simulator.settings import DAY_US, Traffic
from connectors.simulator.truth import ACCEPTED, DUPLICATE, Item
from connectors.simulator.world import Account, accounts, campaign, person, product
from connectors.simulator.wrong import Wrongs
from pipeline.core.reasons import Reject
from pipeline.core.vocabulary import Vocabulary

_HOUR_US = 3_600_000_000
_JITTER_US = 2_000_000  # from a source's clock to the collector's
_VISITOR_SHARE = 0.6  # of visits, by those whom nobody knows yet

_Base = dict[str, Any]


class Story:
    """One stream of traffic."""

    def __init__(self, traffic: Traffic, vocabulary: Vocabulary, oversized: bool = True) -> None:
        """`oversized` False: without values that an uncompressed topic would not take."""
        self._traffic, self._rng = traffic, random.Random(traffic.seed + 1)
        self._types = vocabulary.types
        self._keys = {(vendor, type_): key for (vendor, key), type_ in vocabulary.vendors.items()}
        self._accounts = accounts(traffic)
        self._weights = [account.share for account in self._accounts]
        self._wrongs = Wrongs(self._rng, traffic.rules.person_profiles_max, oversized)
        self._due: list[tuple[int, int, Account, str, _Base]] = []
        self._recent: deque[Item] = deque(maxlen=odds.RECENT)
        self._roots = {
            "send": self._send,
            "visit": self._visit,
            "popup": self._popup,
            "profile": self._profile,
            "merge": self._merge,
            "split": self._split,
            "group_click": self._group_click,
            "account": self._account_event,
        }
        self._number = 0

    def items(self) -> Iterator[Item]:
        """The stream; ends after `events`, else never."""
        events = self._traffic.events
        first = [account for account in self._accounts if account.plan is not None]
        while events is None or self._number < events:
            if first:
                yield self._plan(first.pop(0))
            elif events is not None and self._number == events // 2:
                yield self._upgrade(self._accounts[0])
            else:
                yield self._next()
            self._number += 1

    def _next(self) -> Item:
        rng = self._rng
        chance = rng.random()
        if chance < odds.COPY and self._recent:
            return rng.choice(self._recent)._replace(fate=DUPLICATE)
        if chance < odds.COPY + odds.CONFLICT and self._recent:
            return self._conflict(rng.choice(self._recent))
        account = rng.choices(self._accounts, self._weights)[0]
        if chance < odds.COPY + odds.CONFLICT + odds.WRONG:
            return self._wrongs.one(account, self._header(account, "", {}))
        if self._due and self._due[0][0] <= self._number:
            _, _, account, verb, base = heapq.heappop(self._due)
            return self._react(account, verb, base)
        root = rng.choices(list(odds.ROOTS), list(odds.ROOTS.values()))[0]
        return self._roots[root](account)

    def _conflict(self, item: Item) -> Item:
        """The same identity with another payload. Who gives no event id has no such thing: its copy is a new event."""
        assert item.event is not None
        if item.event["event_id"] is None:
            return item._replace(fate=DUPLICATE)
        properties = {**item.event.get("properties", {}), "attempt": "2"}
        return item._replace(event={**item.event, "properties": properties}, fate=Reject.CONFLICTING_DUPLICATE)

    # ---- one event ------------------------------------------------------------------------------------------

    def _header(self, account: Account, type_: str, base: _Base) -> dict[str, Any]:
        """What every event has. Altcraft's hooks carry no event id: a number of the sending tells them apart."""
        rng = self._rng
        event_id = None if account.source == "altcraft" else f"{rng.getrandbits(128):032x}"
        key = self._keys.get((account.source, type_))
        properties = {**base.get("properties", {}), "sending": f"{self._number}"}
        occurred_at = self._traffic.time(self._number) - int(rng.random() * _JITTER_US)
        return {
            "account_id": account.name,
            "source": account.source,
            "event_id": event_id,
            "type": type_,
            "occurred_at": occurred_at,
            "is_test": base.get("is_test", False),
            "vendor_type": None if key is None else key.split("/")[-1],
            "properties": properties,
        }

    def _item(self, account: Account, type_: str, base: _Base, plain: bool = False) -> Item:
        """An event as it is sent: most are in time. `plain`: this one must be accepted, others rest on it."""
        event = {**base, **self._header(account, type_, base)}
        fate = ACCEPTED if plain else self._delay(event)
        item = Item(self._types[type_].topic, account.name, event, fate)
        if fate == ACCEPTED:
            self._recent.append(item)
        return item

    def _delay(self, event: dict[str, Any]) -> str:
        rng, rules = self._rng, self._traffic.rules
        now = max(self._traffic.start, self._traffic.time(self._number))
        chance = rng.random()
        if chance < odds.LATE:
            event["occurred_at"] -= int(rng.random() * rules.window_days * DAY_US / odds.SPAN_PARTS)
        elif chance < odds.LATE + odds.TOO_LATE:
            event["occurred_at"] = now - int((rules.window_days + 1 + 2 * rng.random()) * DAY_US)
            return Reject.TOO_LATE
        elif chance < odds.LATE + odds.TOO_LATE + odds.FUTURE:
            event["occurred_at"] = now + rules.future_minutes_max * 60_000_000 + int((1 + 9 * rng.random()) * _HOUR_US)
            return Reject.IN_THE_FUTURE
        return ACCEPTED

    def _later(self, mean: int, account: Account, verb: str, base: _Base) -> None:
        due = self._number + 1 + int(self._rng.expovariate(1 / mean))
        heapq.heappush(self._due, (due, self._rng.getrandbits(63), account, verb, base))

    def _contact(self, account: Account) -> str:
        return account.contacts[int(self._rng.random() ** 1.5 * len(account.contacts))]

    # ---- messages ---------------------------------------------------------------------------------------------

    def _send(self, account: Account) -> Item:
        rng = self._rng
        channel = rng.choices(list(odds.SEND_CHANNELS), list(odds.SEND_CHANNELS.values()))[0]
        campaign_id, message_id = campaign(rng, channel)
        base = {
            "profile_id": self._contact(account),
            "campaign_id": campaign_id,
            "message_id": message_id,
            "link": None,
            "is_test": rng.random() < odds.TEST,
            "properties": {"variant": rng.choice("AB"), "country": rng.choice(("DE", "FR", "US", "PL"))},
            "channel": channel,
        }
        return self._react(account, "sent", base)

    def _react(self, account: Account, verb: str, base: _Base) -> Item:
        """The event of a message, and what will follow it."""
        if verb == "visit":
            return self._visit(account, base["profile_id"])
        channel, verb = base["channel"], "clicked" if verb == "clicked_unopened" else verb
        for follower, chance, mean in odds.REACTIONS.get(verb, ()):
            known = follower not in odds.UNKNOWN_VERBS.get(channel, ())
            if known and self._rng.random() < chance:
                self._later(mean, account, follower, base)
                if verb == "sent":
                    break
        unique, chance = odds.VENDOR_UNIQUES.get(verb, ("", 0.0))
        if account.source in odds.SOURCES_WITH_UNIQUES and self._rng.random() < chance:
            self._later(5, account, unique, base)
        link = product(self._rng) if verb in ("clicked", "unique_clicked") else None
        event = {name: value for name, value in base.items() if name != "channel"} | {"link": link}
        type_ = f"{channel}_{verb}"
        if type_ not in self._types:  # proxy_opened is email's alone
            type_ = f"{channel}_delivered"
        return self._item(account, type_, event)

    def _popup(self, account: Account) -> Item:
        rng = self._rng
        type_ = rng.choices(("popup_opened", "popup_clicked", "popup_closed", "popup_submitted"), (5, 2, 3, 1))[0]
        base = {"profile_id": self._visitor(account), "campaign_id": "newsletter-popup", "message_id": None}
        return self._item(account, type_, base | {"link": product(rng) if type_ == "popup_clicked" else None})

    def _group_click(self, account: Account) -> Item:
        """A click in a Telegram group: the source names nobody."""
        campaign_id, message_id = campaign(self._rng, "telegram")
        base = {"profile_id": None, "campaign_id": campaign_id, "message_id": message_id}
        return self._item(account, "telegram_clicked", base | {"link": product(self._rng)})

    # ---- visits and purchases -----------------------------------------------------------------------------------

    def _visitor(self, account: Account) -> str:
        """Somebody on the site: an anonymous visitor, new or met before, or a contact."""
        rng = self._rng
        if rng.random() > _VISITOR_SHARE:
            return self._contact(account)
        if account.visitors and rng.random() < 0.7:
            return rng.choice(account.visitors)
        account.visitors.append(f"visitor-{rng.getrandbits(48):012x}")
        return account.visitors[-1]

    def _visit(self, account: Account, profile: str | None = None) -> Item:
        rng = self._rng
        profile = profile or self._visitor(account)
        types = (
            "web_session_started",
            "web_page_visited",
            "web_product_visited",
            "web_searched",
            "crm_cart_product_added",
        )
        type_ = rng.choices((*types, "crm_purchase"), (10, 50, 25, 5, 6, 4))[0]
        page = product(rng)
        if type_ == "crm_purchase":
            properties = {
                "order": f"o-{self._number}",
                "value": f"{rng.randrange(900, 20_000) / 100:.2f}",
                "currency": "EUR",
            }
            return self._item(account, type_, {"profile_id": profile, "properties": properties})
        if type_ == "crm_cart_product_added":
            return self._item(account, type_, {"profile_id": profile, "properties": {"product": page}})
        base = {
            "profile_id": profile,
            "campaign_id": None,
            "message_id": None,
            "link": None,
            "properties": {"page": page},
        }
        return self._item(account, type_, base)

    # ---- profiles and accounts ------------------------------------------------------------------------------------

    def _profile(self, account: Account) -> Item:
        rng = self._rng
        profile = self._contact(account)
        types = ("profile_created", "profile_updated", "profile_identified", "profile_entered_segment")
        type_ = rng.choices(types, (3, 4, 2, 1))[0]
        segment = type_ == "profile_entered_segment"
        attributes = {} if segment else person(account.contacts.index(profile))
        properties = {"segment": rng.choice(("vip", "asleep", "new"))} if segment else {}
        return self._item(account, type_, {"profile_id": profile, "attributes": attributes, "properties": properties})

    def _merge(self, account: Account) -> Item:
        """A visitor becomes known."""
        contact = self._contact(account)
        if not account.visitors or not account.has_room(contact):
            return self._profile(account)
        visitor = account.visitors.pop(self._rng.randrange(len(account.visitors)))
        account.profiles[contact] = account.profiles.get(contact, 1) + 1
        account.merged.append((visitor, contact))
        return self._item(
            account, "profile_merged", {"profile_id": contact, "sources": [visitor], "target": contact}, True
        )

    def _split(self, account: Account) -> Item:
        """A merge was wrong: the visitor's history goes to a profile of its own."""
        if not account.merged:
            return self._profile(account)
        visitor, contact = account.merged.pop(self._rng.randrange(len(account.merged)))
        apart = f"apart-{self._rng.getrandbits(48):012x}"
        parts = [{"target": contact, "members": []}, {"target": apart, "members": [visitor]}]
        return self._item(
            account, "profile_split", {"profile_id": contact, "split_source": contact, "parts": parts}, True
        )

    def _account_event(self, account: Account) -> Item:
        rng = self._rng
        properties = {"campaign": campaign(rng, "email")[0]}
        return self._item(account, "account_campaign_launched", {"plan": None, "properties": properties})

    def _plan(self, account: Account) -> Item:
        return self._item(account, "account_plan_set", {"plan": account.plan}, True)

    def _upgrade(self, account: Account) -> Item:
        """The account buys more: what it has used is judged by the new allowance."""
        assert account.plan is not None
        account.plan = account.plan | {"allowance": int(account.plan["allowance"] * odds.UPGRADE)}
        return self._plan(account)
