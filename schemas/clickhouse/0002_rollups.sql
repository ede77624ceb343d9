-- The materialized views, which fill engagement and profile_seen at every insert into events.
-- Names of results never hide the columns that they are made of: columns are written with the table's alias.

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.engagement_mv ${ON_CLUSTER} TO ${DB}.engagement AS
SELECT
    e.account_id AS account_id,
    toDate(e.occurred_at) AS day,
    e.channel AS channel,
    e.campaign_id AS campaign_id,
    e.type AS type,
    e.origin_topic AS topic,
    e.origin_partition AS partition,
    sum(e.hits) AS accepted,
    sumIf(e.hits, NOT e.is_test) AS hits,
    sum(e.unique_open) AS unique_open,
    sum(e.unique_click) AS unique_click,
    sum(e.unique_link_click) AS unique_link_click,
    sum(e.activity) AS activities
FROM ${DB}.events AS e
GROUP BY account_id, day, channel, campaign_id, type, topic, partition
COMMENT 'Fills engagement.';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.profile_seen_mv ${ON_CLUSTER} TO ${DB}.profile_seen AS
SELECT
    e.account_id AS account_id,
    e.profile_id AS profile_id,
    e.channel AS channel,
    min(toDateTime(e.occurred_at, 'UTC')) AS first_at,
    max(toDateTime(e.occurred_at, 'UTC')) AS last_at
FROM ${DB}.events AS e
WHERE e.hits = 1 AND NOT e.is_test AND e.profile_id != ''
GROUP BY account_id, profile_id, channel
COMMENT 'Fills profile_seen.';
