"""Everything that SEMANTICS says of a history of one partition."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from tests.oracle.allowance import Alert, Burnt, Cycle, Usage, usage
from tests.oracle.contacts import Contact, Person, contacts
from tests.oracle.fates import ACCEPTED, Fate, fates
from tests.oracle.history import DAY, Event, Rules
from tests.oracle.persons import Profile, is_operation, persons
from tests.oracle.uniques import Unique, has_forgotten, uniques
from tests.oracle.vocabulary import TYPES

Group = tuple[str, str | None, str, int]  # (account, campaign, channel, UTC day)


class Verdict(NamedTuple):
    """`accepted`: places in the history. `order_matters`: facts were forgotten and persons merged or split."""

    fates: list[Fate]
    accepted: list[int]
    persons: dict[Profile, str]
    uniques: set[Unique]
    engagement: dict[Group, Counter[str]]
    usage: dict[Cycle, Usage]
    alerts: list[Alert]
    plans: list[Event]
    burnt: Counter[Burnt]
    contacts: dict[Person, Contact]
    order_matters: bool


def judge(events: list[Event], rules: Rules) -> Verdict:
    """The verdict on all events that reached a partition, in the order of arrival."""
    found = fates(events, rules)
    accepted = [n for n, fate in enumerate(found) if fate == ACCEPTED]
    operations = [events[n] for n in accepted if is_operation(events[n])]
    who = persons(operations)
    firsts = uniques(events, accepted, who, rules)
    counted, ledger = usage(events, accepted)
    order_matters = bool(operations) and has_forgotten(events, accepted, rules)
    return Verdict(
        fates=found,
        accepted=accepted,
        persons=who,
        uniques=firsts,
        engagement=engagement(events, accepted, firsts),
        usage=counted,
        alerts=ledger.alerts,
        plans=[plan for plans in ledger.plans.values() for plan in plans],
        burnt=ledger.burnt,
        contacts=contacts(events, accepted, who),
        order_matters=order_matters,
    )


def engagement(events: list[Event], accepted: list[int], firsts: set[Unique]) -> dict[Group, Counter[str]]:
    """Counts by verb and of uniques; what counts nothing has no entry."""
    found: dict[Group, Counter[str]] = defaultdict(Counter)
    for n in accepted:
        if not events[n]["is_test"]:
            found[group_of(events[n])][TYPES[events[n]["type"]].verb] += 1
    for n, kind in firsts:
        found[group_of(events[n])][kind] += 1
    return dict(found)


def group_of(event: Event) -> Group:
    """Section 3: occurred_at decides the day."""
    campaign = event.get("campaign_id") or None
    return event["account_id"], campaign, TYPES[event["type"]].channel, event["occurred_at"] // DAY
