"""The promised views as ClickHouse describes them, for the table of docs/analysts.md."""

from __future__ import annotations

import re

from connectors.clickhouse.service import Service

# How each is asked; what stands behind a view's name is an example of its arguments.
VIEWS = {
    "engagement_daily": "account, campaign, channel and UTC day",
    "campaign_engagement": "account, campaign and channel, over all days",
    "unique_reconciliation": "account, campaign and channel whose source reports uniques of its own",
    "unique_differences": "the same, kind (open or click) and class: why they are not ours",
    "contact_activity": "accepted event, tests marked",
    "persons": "profile: the person that it stands for today",
    "contacts": "person: its sheet",
    "contact_sheet(account = 'a', person = 'p')": "the same, of one person, fast",
    "contact_timeline(account = 'a', person = 'p')": "accepted event of one person, newest first, fast",
    "contact_ranks(account = 'a')": "person of one account: first and last seen, last active, fast",
    "allowance_cycles": "account and billing cycle, with its last forecast",
    "allowance_burn": "account, billing cycle, campaign, channel and type: what it used",
    "allowance_plans": "plan that was set",
    "allowance_alerts": "alert",
    "ingestion_warnings": "account, reason and UTC day of arrival",
    "dead_letters": "rejected event",
    "conservation": "topic and partition",
}
_PLAIN = re.compile(r"(?:LowCardinality|SimpleAggregateFunction)\((?:\w+, )?((?:[^()]|\([^()]*\))*)\)")


def table(service: Service) -> str:
    """The table in Markdown: each view, what a row of it is, its columns with their types."""
    lines = ["| view | one row for | columns |", "|---|---|---|"]
    before: dict[str, str] = {}
    for view, row in VIEWS.items():
        described = service.query(f"DESCRIBE TABLE (SELECT * FROM {view})").rows
        columns = ", ".join(f"`{name}` {_type(kind)}" for name, kind, *_ in described)
        shown = re.sub(r" = '\w+'", "", view)
        same = before.setdefault(columns, shown)
        lines.append(f"| `{shown}` | {row} | {columns if same == shown else f'those of `{same}`'} |")
    return "\n".join(lines)


def _type(kind: str) -> str:
    """A column's type without what only concerns storage."""
    return _PLAIN.sub(lambda found: found[1], kind)
