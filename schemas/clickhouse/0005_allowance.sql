-- Plans, forecasts, and which campaigns used the allowance. Variables as in 0001_tables.sql.

CREATE TABLE IF NOT EXISTS ${DB}.plans ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    occurred_at       DateTime64(6, 'UTC')   COMMENT 'When it was set: of two plans the later one holds.',
    plan              UInt64                 COMMENT 'Identity hash of its event.',
    allowance         UInt64                 COMMENT 'Activities that it grants for each cycle.',
    anchor_day        UInt8                  COMMENT 'Day of the month on which a cycle begins.',
    time_zone         LowCardinality(String) COMMENT 'IANA zone of that day.',
    thresholds        Array(Float64)         COMMENT 'Shares of the allowance that alert.',
    own_activities    Bool                   COMMENT 'Whether it names the types that are activities itself.',
    activities        Array(String)          COMMENT 'Those types; empty where the default list counts.',
    journal_partition UInt16                 COMMENT 'Journal partition.',
    journal_offset    UInt64                 COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}MergeTree
ORDER BY (account_id, occurred_at, plan)
SETTINGS ${WINDOW}
COMMENT 'Every plan that became known, once.';

CREATE TABLE IF NOT EXISTS ${DB}.forecasts ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    cycle_start       DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    made_at           DateTime('UTC')        COMMENT 'First instant of the day of the stream that it was made for.',
    used              UInt64                 COMMENT 'Activities of the cycle then.',
    low               UInt64                 COMMENT 'Activities at the cycle''s end, low bound of the 80 % band.',
    expected          UInt64                 COMMENT 'Activities at the cycle''s end.',
    high              UInt64                 COMMENT 'Activities at the cycle''s end, high bound of the 80 % band.',
    confident         Bool                   COMMENT 'A tenth of the cycle and three days with activities have passed.',
    version           UInt64                 COMMENT 'journal_offset * 65536 + number within the record: the highest holds.',
    journal_partition UInt16                 COMMENT 'Journal partition.',
    journal_offset    UInt64                 COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}MergeTree
ORDER BY (account_id, cycle_start, made_at)
SETTINGS ${WINDOW}
COMMENT 'Every forecast, one a day for each cycle under way. The last one holds: argMax by version.';

CREATE TABLE IF NOT EXISTS ${DB}.burn ${ON_CLUSTER}
(
    account_id  LowCardinality(String)               COMMENT 'Tenant.',
    cycle_start DateTime('UTC')                      COMMENT 'First instant of the billing cycle.',
    campaign_id String                 CODEC(ZSTD(1)) COMMENT 'Campaign; empty where there is none.',
    channel     LowCardinality(String)               COMMENT 'Channel; empty for profile, account and crm events.',
    type        LowCardinality(String)               COMMENT 'Canonical type.',
    used        UInt64                               COMMENT 'Activities.'
)
ENGINE = ${REPLICATED}SummingMergeTree((used))
ORDER BY (account_id, cycle_start, campaign_id, channel, type)
SETTINGS ${WINDOW}
COMMENT 'What used up the allowance, summed while parts merge: several rows a key until then. Read it through the view.';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.burn_mv ${ON_CLUSTER} TO ${DB}.burn
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    cycle_start DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    campaign_id String                 COMMENT 'Campaign; empty where there is none.',
    channel     LowCardinality(String) COMMENT 'Channel; empty for profile, account and crm events.',
    type        LowCardinality(String) COMMENT 'Canonical type.',
    used        UInt64                 COMMENT 'Activities.'
)
AS
SELECT
    e.account_id AS account_id,
    e.cycle_start AS cycle_start,
    e.campaign_id AS campaign_id,
    e.channel AS channel,
    e.type AS type,
    sum(e.activity) AS used
FROM ${DB}.events AS e
WHERE e.activity = 1
GROUP BY account_id, cycle_start, campaign_id, channel, type
COMMENT 'Fills burn.';

CREATE OR REPLACE VIEW ${DB}.allowance_burn ${ON_CLUSTER}
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    cycle_start DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    campaign_id String                 COMMENT 'Campaign; empty where there is none.',
    channel     LowCardinality(String) COMMENT 'Channel; empty for profile, account and crm events.',
    type        LowCardinality(String) COMMENT 'Canonical type.',
    used        UInt64                 COMMENT 'Activities of the cycle, late ones included: they add up to used_as_corrected.'
)
AS
SELECT
    b.account_id AS account_id,
    b.cycle_start AS cycle_start,
    b.campaign_id AS campaign_id,
    b.channel AS channel,
    b.type AS type,
    sum(b.used) AS used
FROM ${DB}.burn AS b
GROUP BY account_id, cycle_start, campaign_id, channel, type
COMMENT 'One row for account, billing cycle, campaign, channel and type: how much of the allowance it used.';

CREATE OR REPLACE VIEW ${DB}.allowance_plans ${ON_CLUSTER}
(
    account_id LowCardinality(String) COMMENT 'Tenant.',
    set_at     DateTime64(6, 'UTC')   COMMENT 'When it was set: of two plans the later one holds.',
    allowance  UInt64                 COMMENT 'Activities that it grants for each cycle.',
    anchor_day UInt8                  COMMENT 'Day of the month on which a cycle begins.',
    time_zone  LowCardinality(String) COMMENT 'IANA zone of that day.',
    thresholds Array(Float64)         COMMENT 'Shares of the allowance that alert.',
    activities Array(String)          COMMENT 'Types that are activities; empty where the default list counts.',
    own_activities Bool               COMMENT 'Whether the plan names the types itself.',
    plan       UInt64                 COMMENT 'Identity hash of its event.'
)
AS
SELECT account_id, occurred_at AS set_at, allowance, anchor_day, time_zone, thresholds, activities, own_activities, plan
FROM ${DB}.plans
COMMENT 'One row for a plan that was set.';

CREATE OR REPLACE VIEW ${DB}.allowance_cycles ${ON_CLUSTER}
(
    account_id         LowCardinality(String)    COMMENT 'Tenant.',
    cycle_start        DateTime('UTC')           COMMENT 'First instant of the billing cycle.',
    cycle_end          DateTime('UTC')           COMMENT 'First instant after it.',
    allowance          Nullable(UInt64)          COMMENT 'Activities that the plan grants; null without a plan.',
    used_as_closed     UInt64                    COMMENT 'Activities of the cycle that had arrived before its end.',
    used_as_corrected  UInt64                    COMMENT 'All activities of the cycle so far.',
    remaining          Nullable(Int64)           COMMENT 'Allowance less used as corrected, negative beyond it; null without a plan.',
    ratio              Nullable(Float64)         COMMENT 'Used as corrected per allowance; null without a plan or with an allowance of 0.',
    forecast_at        Nullable(DateTime('UTC')) COMMENT 'First instant of the UTC day that the last forecast was made for; null where none was made.',
    forecast           Nullable(UInt64)          COMMENT 'Used at the cycle''s end, as expected then; never less than is used by now.',
    forecast_low       Nullable(UInt64)          COMMENT 'Low bound of the 80 % band.',
    forecast_high      Nullable(UInt64)          COMMENT 'High bound of the 80 % band.',
    forecast_ratio     Nullable(Float64)         COMMENT 'Forecast per allowance; null without either.',
    low_confidence     Nullable(Bool)            COMMENT 'Less than a tenth of the cycle, or of three days with activities, had passed.',
    exhausted_at       Nullable(DateTime('UTC')) COMMENT 'When the forecast line meets the allowance; null where it does not within the cycle, or is used up by now.',
    exhausted_earliest Nullable(DateTime('UTC')) COMMENT 'The same of the line to the high bound.',
    exhausted_latest   Nullable(DateTime('UTC')) COMMENT 'The same of the line to the low bound.'
)
AS
WITH
    made_at > toDateTime(0, 'UTC') AS is_forecast,
    if(is_forecast AND remaining > 0, toInt64(allowance) - toInt64(used_then), NULL) AS left_then
SELECT
    account_id,
    cycle_start,
    cycle_end,
    allowance,
    used_as_closed,
    used_as_corrected,
    toInt64(allowance) - toInt64(used_as_corrected) AS remaining,
    if(allowance > 0, used_as_corrected / allowance, NULL) AS ratio,
    if(is_forecast, made_at, NULL) AS forecast_at,
    if(is_forecast, greatest(expected, used_as_corrected), NULL) AS forecast,
    if(is_forecast, greatest(low, used_as_corrected), NULL) AS forecast_low,
    if(is_forecast, greatest(high, used_as_corrected), NULL) AS forecast_high,
    if(allowance > 0, forecast / allowance, NULL) AS forecast_ratio,
    if(is_forecast, NOT confident, NULL) AS low_confidence,
    if(
        left_then > 0 AND expected - used_then > left_then,
        made_at + toUInt32(left_then / (expected - used_then) * (toUnixTimestamp(cycle_end) - toUnixTimestamp(made_at))),
        NULL
    ) AS exhausted_at,
    if(
        left_then > 0 AND high - used_then > left_then,
        made_at + toUInt32(left_then / (high - used_then) * (toUnixTimestamp(cycle_end) - toUnixTimestamp(made_at))),
        NULL
    ) AS exhausted_earliest,
    if(
        left_then > 0 AND low - used_then > left_then,
        made_at + toUInt32(left_then / (low - used_then) * (toUnixTimestamp(cycle_end) - toUnixTimestamp(made_at))),
        NULL
    ) AS exhausted_latest
FROM
(
    SELECT
        c.account_id AS account_id,
        c.cycle_start AS cycle_start,
        tupleElement(c.last, 1) AS cycle_end,
        tupleElement(c.last, 2) AS allowance,
        tupleElement(c.last, 3) AS used_as_closed,
        tupleElement(c.last, 4) AS used_as_corrected,
        tupleElement(f.last, 1) AS made_at,
        tupleElement(f.last, 2) AS used_then,
        tupleElement(f.last, 3) AS low,
        tupleElement(f.last, 4) AS expected,
        tupleElement(f.last, 5) AS high,
        tupleElement(f.last, 6) AS confident
    FROM
    (
        SELECT
            a.account_id AS account_id,
            a.cycle_start AS cycle_start,
            argMax(tuple(a.cycle_end, a.allowance, a.used_as_closed, a.used), a.version) AS last
        FROM ${DB}.allowance AS a
        GROUP BY account_id, cycle_start
    ) AS c
    LEFT JOIN
    (
        SELECT
            p.account_id AS account_id,
            p.cycle_start AS cycle_start,
            argMax(tuple(p.made_at, p.used, p.low, p.expected, p.high, p.confident), p.version) AS last
        FROM ${DB}.forecasts AS p
        GROUP BY account_id, cycle_start
    ) AS f ON c.account_id = f.account_id AND c.cycle_start = f.cycle_start
)
COMMENT 'One row for account and billing cycle. allowance, remaining and ratio are null without a plan; remaining is negative where more was used than granted. A forecast is made once a day of the stream.';
