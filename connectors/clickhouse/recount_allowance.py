"""What used the allowance, counted again from the raw rows, as selects over a part of the data. Pure."""

from __future__ import annotations

from connectors.clickhouse.views import Scope, Select


def allowance(database: str, scope: Scope) -> Select:
    """Activities by cycle; as closed: those that had arrived before its end."""
    numbers = {"used_as_corrected": "sum(e.activity)", "used_as_closed": "sumIf(e.activity, e.arrived_at < c.end)"}
    ends = (
        f"SELECT account_id, cycle_start, cycle_end AS end FROM {database}.allowance_cycles WHERE {scope.of_accounts()}"
    )
    raw = f"""SELECT account_id, cycle_start, arrived_at, activity FROM {database}.events
    WHERE activity > 0 AND hits = 1 AND NOT is_test AND {scope.of_accounts()} AND {scope.of_journal()}"""
    rest = f"""FROM ({raw}) AS e
LEFT JOIN ({ends}) AS c ON e.account_id = c.account_id AND e.cycle_start = c.cycle_start
GROUP BY e.account_id, e.cycle_start"""
    return Select(("e.account_id", "e.cycle_start"), numbers, rest)


def burn(database: str, scope: Scope) -> Select:
    """Activities by cycle, campaign, channel and type."""
    keys = ("account_id", "cycle_start", "campaign_id", "channel", "type")
    which = f"activity > 0 AND hits = 1 AND NOT is_test AND {scope.of_accounts()} AND {scope.of_journal()}"
    rest = f"FROM {database}.events WHERE {which} GROUP BY {', '.join(keys)}"
    return Select(keys, {"used": "sum(activity)"}, rest)
