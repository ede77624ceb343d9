"""The rows of the views on uniques that a vendor reports, as the oracle's verdict says them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.oracle.differences import differences
from tests.oracle.history import Event
from tests.oracle.verdict import Verdict
from tests.oracle.vocabulary import TYPES

Row = dict[str, Any]

# By view: the columns that name a row.
RECONCILED: dict[str, tuple[str, ...]] = {
    "unique_reconciliation": ("account_id", "campaign_id", "channel"),
    "unique_differences": ("account_id", "campaign_id", "channel", "kind", "class"),
}


def reconciliation(told: list[Event], verdict: Verdict) -> list[Row]:
    """Clicks as the vendor counts them: per link, on viber once per message."""
    groups: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for n in verdict.accepted:
        kind = TYPES[told[n]["type"]]
        if kind.channel and not told[n]["is_test"]:
            groups[told[n]["account_id"], told[n]["campaign_id"] or "", kind.channel][kind.verb] += 1
    for n, unique in verdict.uniques:
        channel = TYPES[told[n]["type"]].channel
        groups[told[n]["account_id"], told[n]["campaign_id"] or "", channel][unique] += 1
    rows = []
    for (account, campaign, channel), counts in groups.items():
        vendor = counts["unique_opened"], counts["unique_clicked"]
        ours = counts["unique_open"], counts["unique_click" if channel == "viber" else "unique_link_click"]
        row: Row = {"account_id": account, "campaign_id": campaign, "channel": channel}
        row |= {"our_opens": ours[0], "vendor_opens": vendor[0], "opens_difference": ours[0] - vendor[0]}
        row |= {"our_clicks": ours[1], "vendor_clicks": vendor[1], "clicks_difference": ours[1] - vendor[1]}
        rows += [row] if any(vendor) else []
    return rows


def classified(told: list[Event], verdict: Verdict, reconciled: list[Row]) -> list[Row]:
    """Of the campaigns whose differences are published."""
    signed, about = differences(told, verdict.accepted, verdict.persons, verdict.uniques)
    columns = RECONCILED["unique_differences"]
    of = {(row["account_id"], row["campaign_id"], row["channel"]) for row in reconciled}
    return [
        dict(zip(columns, name, strict=True)) | {"events": signed[name], "evidence": about[name]}
        for name in {*signed, *about}
        if name[:3] in of and (signed[name] or about[name])
    ]
