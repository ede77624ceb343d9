"""The questions to ClickHouse, over the promised views and `events`. Pure text; parameters are named where they stand.

Instants are asked for as Unix seconds, those of plans and alerts as microseconds. Names are of the connection's
database.
"""

from __future__ import annotations

from enum import StrEnum

HISTORY_MAX = 1_000  # plans of an account, cycles of it: as many plans as the core keeps
BURN_MAX = 10_000  # campaigns, channels and types of one cycle
CAMPAIGNS_MAX = 100_000  # of an account, among which like ones are looked for

_PLAN = (
    "account_id, allowance, anchor_day, time_zone, thresholds, activities, own_activities, "
    "toUnixTimestamp64Micro(set_at) AS set_us, plan"
)
_CYCLE = (
    "account_id, toUnixTimestamp(cycle_start) AS start, toUnixTimestamp(cycle_end) AS end, allowance, used_as_closed, "
    "used_as_corrected, remaining, ratio, toUnixTimestamp(forecast_at) AS foreseen_at, forecast, forecast_low, "
    "forecast_high, forecast_ratio, low_confidence, toUnixTimestamp(exhausted_at) AS exhausted, "
    "toUnixTimestamp(exhausted_earliest) AS earliest, toUnixTimestamp(exhausted_latest) AS latest"
)


class Sort(StrEnum):
    """What `tally top` puts first."""

    RATIO = "ratio"
    USED = "used"
    FORECAST = "forecast"
    EXHAUSTION = "exhaustion"
    BURN = "burn"


_ORDER = {
    Sort.RATIO: "c.ratio DESC NULLS LAST",
    Sort.USED: "c.used_as_corrected DESC",
    Sort.FORECAST: "c.forecast_ratio DESC NULLS LAST",
    Sort.EXHAUSTION: "ifNull(c.remaining <= 0, 0) DESC, c.exhausted ASC NULLS LAST, c.ratio DESC NULLS LAST",
    Sort.BURN: "b.burnt DESC",
}

PLANS = f"""SELECT {_PLAN} FROM allowance_plans WHERE account_id = {{account:String}}
ORDER BY set_us DESC, plan DESC LIMIT {HISTORY_MAX}"""

CYCLES = f"""SELECT {_CYCLE} FROM allowance_cycles WHERE account_id = {{account:String}}
ORDER BY start DESC LIMIT {HISTORY_MAX}"""

ALERTS = f"""SELECT toUnixTimestamp(cycle_start) AS start, kind, threshold, used, allowance,
    toUnixTimestamp64Micro(occurred_at) AS at
FROM allowance_alerts WHERE account_id = {{account:String}}
ORDER BY start DESC, at, threshold LIMIT {HISTORY_MAX}"""

BURN = f"""SELECT campaign_id, channel, type, used FROM allowance_burn
WHERE account_id = {{account:String}} AND cycle_start = toDateTime({{start:UInt32}}, 'UTC')
ORDER BY used DESC, campaign_id, channel, type LIMIT {BURN_MAX}"""

# The last forecast as it was made: the line that allowance_cycles draws.
LINE = """SELECT toUnixTimestamp(last.1) AS made_at, last.2 AS used, last.3 AS low, last.4 AS expected, last.5 AS high
FROM (
    SELECT argMax(tuple(made_at, used, low, expected, high), version) AS last
    FROM forecasts
    WHERE account_id = {account:String} AND cycle_start = toDateTime({start:UInt32}, 'UTC')
    GROUP BY account_id, cycle_start
)"""

CAMPAIGNS = f"""SELECT campaign_id, sum(if(sent > 0, sent, delivered)) AS recipients
FROM campaign_engagement WHERE account_id = {{account:String}} AND campaign_id != ''
GROUP BY campaign_id ORDER BY campaign_id LIMIT {CAMPAIGNS_MAX}"""


def _sent(condition: str) -> str:
    return f"""SELECT e.campaign_id AS campaign_id, toUnixTimestamp(min(e.occurred_at)) AS began,
    toUnixTimestamp(max(e.occurred_at)) AS sent_until
FROM events AS e
WHERE e.account_id = {{account:String}} AND {condition} AND e.hits = 1 AND NOT e.is_test
    AND substring(e.type, length(e.channel) + 2) IN ('sent', 'delivered')
GROUP BY e.campaign_id"""


# Of all campaigns: the names that a pattern means may be more than a request takes.
_ANY = "e.campaign_id != ''"
SENT = f"{_sent(_ANY)} ORDER BY began DESC, campaign_id LIMIT {CAMPAIGNS_MAX}"

_CHOSEN = "e.campaign_id IN {campaigns:Array(String)}"

# `types`: what uses up the allowance today, whatever was counted then.
CURVES = f"""SELECT e.campaign_id AS campaign_id, e.type AS type,
    greatest(intDiv(toInt64(toUnixTimestamp(e.occurred_at)) - toInt64(s.began), 86400), 0) AS age, sum(e.hits) AS used
FROM events AS e
INNER JOIN ({_sent(_CHOSEN)}) AS s ON e.campaign_id = s.campaign_id
WHERE e.account_id = {{account:String}} AND {_CHOSEN} AND e.hits = 1
    AND NOT e.is_test AND e.type IN {{types:Array(String)}}
GROUP BY campaign_id, type, age
ORDER BY campaign_id, type, age"""

_UNDER_WAY = "cycle_start <= toDateTime({now:UInt32}, 'UTC') AND cycle_end > toDateTime({now:UInt32}, 'UTC')"

# What an account used within 24 hours and 7 days, of the accounts that are shown.
RECENT = """SELECT account_id, sumIf(activity, occurred_at > now_at - INTERVAL 1 DAY) AS day, sum(activity) AS week
FROM events
WHERE account_id IN {accounts:Array(String)} AND activity = 1
    AND occurred_at > (toDateTime({now:UInt32}, 'UTC') AS now_at) - INTERVAL 7 DAY AND occurred_at <= now_at
GROUP BY account_id"""

_BURNT = """LEFT JOIN (
    SELECT account_id, sum(activity) AS burnt
    FROM events
    WHERE activity = 1 AND occurred_at > toDateTime({now:UInt32}, 'UTC') - INTERVAL 1 DAY
        AND occurred_at <= toDateTime({now:UInt32}, 'UTC')
    GROUP BY account_id
) AS b ON c.account_id = b.account_id"""


# Accounts with several cycles under way, as plans moved the boundaries: starts, anchor day and zone of the last plan.
OVERLAPPING = f"""SELECT c.account_id, c.starts, p.anchor_day, p.time_zone
FROM (
    SELECT account_id, groupArray(toUnixTimestamp(cycle_start)) AS starts
    FROM allowance_cycles
    WHERE account_id LIKE {{account:String}} AND {_UNDER_WAY}
    GROUP BY account_id
    HAVING count() > 1
) AS c
LEFT JOIN (
    SELECT account_id, argMax(anchor_day, (set_at, plan)) AS anchor_day, argMax(time_zone, (set_at, plan)) AS time_zone
    FROM allowance_plans
    GROUP BY account_id
) AS p ON c.account_id = p.account_id"""


def standing(sort: Sort) -> str:
    """The accounts' cycles under way, the first ones of a sort; parameters now, account (LIKE), limit, left.

    `left`: cycles that count no more, each as its start, a blank, the account.

    Only where it sorts, what all accounts burnt within 24 hours is asked for: that reads a day of `events`.
    """
    return f"""SELECT c.*, count() OVER () AS accounts
FROM (
    SELECT {_CYCLE} FROM allowance_cycles
    WHERE account_id LIKE {{account:String}} AND {_UNDER_WAY}
        AND concat(toString(toUnixTimestamp(cycle_start)), ' ', account_id) NOT IN {{left:Array(String)}}
) AS c
{_BURNT if sort is Sort.BURN else ""}
ORDER BY {_ORDER[sort]}, c.account_id LIMIT {{limit:UInt32}}"""


def plan_list(planned: bool | None, zone: bool) -> str:
    """Accounts with the plan that holds; `plans` is 0 where there is none.

    Parameters account (LIKE), zone where asked for, limit.
    """
    conditions = [] if planned is None else ["plans > 0" if planned else "plans = 0"]
    conditions += ["time_zone = {zone:String} AND plans > 0"] if zone else []
    return f"""SELECT account_id, tupleElement(last, 1) AS allowance, tupleElement(last, 2) AS anchor_day,
    tupleElement(last, 3) AS time_zone, tupleElement(last, 4) AS thresholds, tupleElement(last, 5) AS activities,
    tupleElement(last, 6) AS own_activities, tupleElement(last, 7) AS set_us, tupleElement(last, 8) AS plan,
    plans, count() OVER () AS accounts
FROM (
    SELECT account_id, sum(known) AS plans, argMax(
        tuple(allowance, anchor_day, time_zone, thresholds, activities, own_activities, set_us, plan), (set_us, plan)
    ) AS last
    FROM (
        SELECT {_PLAN}, 1 AS known FROM allowance_plans WHERE account_id LIKE {{account:String}}
        UNION ALL
        SELECT DISTINCT account_id, 0, 0, '', [], [], false, -1, 0, 0
        FROM allowance_cycles WHERE account_id LIKE {{account:String}}
    )
    GROUP BY account_id
)
{"WHERE " + " AND ".join(conditions) if conditions else ""}
ORDER BY account_id LIMIT {{limit:UInt32}}"""


ACCOUNTS = f"""SELECT DISTINCT account_id FROM (
    SELECT account_id FROM allowance_plans UNION ALL SELECT account_id FROM allowance_cycles
) ORDER BY account_id LIMIT {CAMPAIGNS_MAX}"""


def like(glob: str) -> str:
    """The LIKE pattern of a glob of `*` and `?`; all other characters stand for themselves."""
    wild = {"*": "%", "?": "_"}
    return "".join(wild.get(c) or (f"\\{c}" if c in "%_\\" else c) for c in glob)
