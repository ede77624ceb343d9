"""The promised views as the oracle's verdicts say them: plain rows by view, every column of it.

Times are UTC microseconds, days UTC days, bytes hex. Nothing of it comes from the product but `details`: the words that
dead letters are told in, which no rule fixes.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.e2e.arrival import Arrived, Coordinates, Told
from tests.e2e.reconciled import RECONCILED, Row, classified, reconciliation
from tests.oracle.allowance import Usage
from tests.oracle.contacts import Contact
from tests.oracle.fates import is_refusal
from tests.oracle.history import DAY
from tests.oracle.verdict import Verdict
from tests.oracle.vocabulary import TYPES

# By view: the columns that name a row. Where several rows may be alike, all columns do.
KEYS: dict[str, tuple[str, ...]] = {
    "engagement_daily": ("account_id", "campaign_id", "channel", "day"),
    "campaign_engagement": ("account_id", "campaign_id", "channel"),
    **RECONCILED,
    "allowance_cycles": ("account_id", "cycle_start"),
    "allowance_burn": ("account_id", "cycle_start", "campaign_id", "channel", "type"),
    "allowance_plans": ("account_id", "set_at", "plan"),
    "allowance_alerts": ("account_id", "cycle_start", "kind", "threshold", "used", "allowance", "occurred_at"),
    "persons": ("account_id", "profile_id"),
    "contacts": ("account_id", "person_id"),
    "contact_activity": (
        "account_id", "person_id", "profile_id", "type", "channel", "campaign_id", "message_id", "link", "occurred_at",
        "is_test", "properties",
    ),
    "ingestion_warnings": ("account_id", "reason", "day"),
    "dead_letters": ("topic", "partition", "offset"),
    "conservation": ("topic", "partition"),
}  # fmt: skip

RAW_BYTES_MAX = 64 * 1024
_FORECAST = (
    *("forecast_at", "forecast", "forecast_low", "forecast_high", "forecast_ratio", "low_confidence"),
    *("exhausted_at", "exhausted_earliest", "exhausted_latest"),
)
_UNIQUES = ("unique_open", "unique_click", "unique_link_click")


class Judged(NamedTuple):
    """A partition: what arrived in the order of decision, as the oracle was told it, and its verdict."""

    number: int
    arrived: list[Arrived]
    told: list[Told]
    verdict: Verdict


def promised(judged: Iterable[Judged], details: Mapping[Coordinates, str]) -> dict[str, list[Row]]:
    """The rows of every view."""
    found: dict[str, list[Row]] = {view: [] for view in KEYS}
    for one in judged:
        daily = _daily(one.verdict)
        found["engagement_daily"] += daily
        found["campaign_engagement"] += _campaigns(daily)
        reconciled = reconciliation(one.told, one.verdict)
        found["unique_reconciliation"] += reconciled
        found["unique_differences"] += classified(one.told, one.verdict, reconciled)
        found["allowance_cycles"] += _cycles(one.verdict)
        found["allowance_burn"] += _burn(one.verdict)
        found["allowance_plans"] += _plans(one.verdict)
        found["allowance_alerts"] += _alerts(one.verdict)
        found["persons"] += _persons(one.verdict)
        found["contacts"] += [_sheet(*who, contact) for who, contact in one.verdict.contacts.items()]
        found["contact_activity"] += [_activity(one.told[n], one.verdict) for n in one.verdict.accepted]
        found["dead_letters"] += _letters(one, details)
        found["conservation"] += _conservation(one)
    found["ingestion_warnings"] += _warnings(found["dead_letters"])
    return found


def _daily(verdict: Verdict) -> list[Row]:
    found = []
    for (account, campaign, channel, day), counts in verdict.engagement.items():
        if channel:
            row = {"account_id": account, "campaign_id": campaign or "", "channel": channel, "day": day}
            found.append(row | _numbers(counts))
    return found


def _numbers(counts: Mapping[str, int]) -> dict[str, int]:
    counts = Counter(counts)
    return {
        "sent": counts["sent"],
        "delivered": counts["delivered"],
        "opened": counts["opened"],
        "unique_opened": counts["unique_open"],
        "clicked": counts["clicked"],
        "unique_clicked": counts["unique_click"],
        "unique_link_clicked": counts["unique_link_click"],
        "bounced": counts["soft_bounced"] + counts["hard_bounced"],
        "unsubscribed": counts["unsubscribed"],
        "complained": counts["complained"],
        "events": sum(n for verb, n in counts.items() if verb not in _UNIQUES),
    }


def _campaigns(daily: list[Row]) -> list[Row]:
    found: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    keys = KEYS["campaign_engagement"]
    for row in daily:
        found[tuple(row[key] for key in keys)].update({k: n for k, n in row.items() if k not in (*keys, "day")})
    rows = []
    for key, sums in found.items():
        rates = {
            "open_rate": _ratio(sums["unique_opened"], sums["delivered"]),
            "click_rate": _ratio(sums["unique_clicked"], sums["delivered"]),
            "click_to_open_rate": _ratio(sums["unique_clicked"], sums["unique_opened"]),
        }
        rows.append(dict(zip(keys, key, strict=True)) | sums | rates)
    return rows


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _cycles(verdict: Verdict) -> list[Row]:
    return [
        {
            "account_id": account,
            "cycle_start": start,
            "cycle_end": used.end,
            "allowance": used.allowance,
            "used_as_closed": used.as_closed,
            "used_as_corrected": used.as_corrected,
            "remaining": None if used.allowance is None else used.allowance - used.as_corrected,
            "ratio": None if used.allowance is None else used.as_corrected / used.allowance,
            **_forecast(used),
        }
        for (account, start), used in verdict.usage.items()
    ]


def _forecast(used: Usage) -> Row:
    """What was foreseen, as of now: never less than is used by now."""
    made, allowance = used.forecast, used.allowance
    if made is None or allowance is None:
        return dict.fromkeys(_FORECAST)
    low, middle, high = (max(used.as_corrected, bound) for bound in (made.low, made.expected, made.high))
    return {
        "forecast_at": made.made_at,
        "forecast": middle,
        "forecast_low": low,
        "forecast_high": high,
        "forecast_ratio": middle / allowance if allowance else None,
        "low_confidence": not made.confident,
        "exhausted_at": used.met_at(made.expected),
        "exhausted_earliest": used.met_at(made.high),
        "exhausted_latest": used.met_at(made.low),
    }


def _burn(verdict: Verdict) -> list[Row]:
    columns = KEYS["allowance_burn"]
    return [dict(zip(columns, key, strict=True)) | {"used": used} for key, used in verdict.burnt.items()]


def _plans(verdict: Verdict) -> list[Row]:
    return [
        {
            "account_id": event["account_id"],
            "set_at": event["occurred_at"],
            "allowance": event["plan"]["allowance"],
            "anchor_day": event["plan"]["anchor_day"],
            "time_zone": event["plan"]["time_zone"],
            "thresholds": sorted(set(event["plan"]["thresholds"])),
            "activities": list(event["plan"]["activities"] or ()),
            "own_activities": event["plan"]["activities"] is not None,
            "plan": event["rank"],
        }
        for event in verdict.plans
    ]


def _alerts(verdict: Verdict) -> list[Row]:
    columns = KEYS["allowance_alerts"]
    return [{c: getattr(a, c) for c in columns} for a in verdict.alerts]


def _persons(verdict: Verdict) -> list[Row]:
    return [
        {"account_id": account, "profile_id": profile, "person_id": person}
        for (account, person), contact in verdict.contacts.items()
        for profile in contact.profiles
    ]


def _sheet(account: str, person: str, contact: Contact) -> Row:
    return {"account_id": account, "person_id": person, **contact._asdict()}


def _activity(event: Told, verdict: Verdict) -> Row:
    account, profile = event["account_id"], event.get("profile_id") or ""
    return {
        "account_id": account,
        "person_id": verdict.persons.get((account, profile), profile),
        "profile_id": profile,
        "type": event["type"],
        "channel": TYPES[event["type"]].channel,
        **{name: event.get(name) or "" for name in ("campaign_id", "message_id", "link")},
        "occurred_at": event["occurred_at"],
        "is_test": event["is_test"],
        "properties": event["properties"],
    }


def _letters(judged: Judged, details: Mapping[Coordinates, str]) -> list[Row]:
    found = []
    for arrived, event, fate in zip(judged.arrived, judged.told, judged.verdict.fates, strict=True):
        if fate.word != "rejected":
            continue
        raw = _bytes_of(event) or arrived.value or b""
        head = raw[:RAW_BYTES_MAX].hex()
        found.append(
            {
                "account_id": event.get("account_id", ""),
                "topic": arrived.topic,
                "partition": judged.number,
                "offset": arrived.offset,
                "reason": fate.reason,
                "detail": details.get((arrived.topic, judged.number, arrived.offset), "none"),
                "arrived_at": event["arrived_at"],
                "size": len(raw),
                "raw": head,
                "raw_base64": head,
            }
        )
    return found


def _bytes_of(event: Told) -> bytes | None:
    """A collector's refusal keeps the bytes of the delivery, not its own."""
    return base64.b64decode(event["properties"]["raw"]) if is_refusal(event) else None


def _warnings(letters: list[Row]) -> list[Row]:
    """The sample is the latest one's detail."""
    groups: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for row in letters:
        groups[row["account_id"], row["reason"], row["arrived_at"] // DAY].append(row)
    found = []
    for (account, reason, day), rows in groups.items():
        latest = max(rows, key=lambda row: (row["arrived_at"], row["topic"], row["partition"], row["offset"]))
        events = {"events": len(rows), "sample": latest["detail"]}
        found.append({"account_id": account, "reason": reason, "day": day} | events)
    return found


def _conservation(judged: Judged) -> list[Row]:
    words = {"accepted": "accepted", "duplicate": "duplicates", "rejected": "rejected"}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for event, fate in zip(judged.told, judged.verdict.fates, strict=True):
        counts[event["topic"]].update(["read", words[fate.word]])
    return [
        {"topic": topic, "partition": judged.number, **{name: count[name] for name in ("read", *words.values())}}
        for topic, count in counts.items()
    ]
