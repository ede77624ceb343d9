-- The promised views: correct at any time without FINAL, ahead by at most one range while an insert is open.
-- A verb is what follows the channel in the type, compared whole: proxy_opened is no opened, undelivered no delivered.

CREATE OR REPLACE VIEW ${DB}.engagement_daily ${ON_CLUSTER}
(
    account_id          LowCardinality(String) COMMENT 'Tenant.',
    campaign_id         String                 COMMENT 'Campaign; empty where there is none.',
    channel             LowCardinality(String) COMMENT 'Channel.',
    day                 Date                   COMMENT 'UTC day of occurred_at.',
    sent                UInt64                 COMMENT 'Messages handed over for delivery.',
    delivered           UInt64                 COMMENT 'Messages delivered.',
    opened              UInt64                 COMMENT 'Opens, repeats included; machine opens are none.',
    unique_opened       Int64                  COMMENT 'Persons'' first opens of a message, each on the day of the earliest.',
    clicked             UInt64                 COMMENT 'Clicks, repeats included.',
    unique_clicked      Int64                  COMMENT 'Persons'' first clicks in a message, on any link.',
    unique_link_clicked Int64                  COMMENT 'Persons'' first clicks on each link of a message.',
    bounced             UInt64                 COMMENT 'Soft and hard bounces.',
    unsubscribed        UInt64                 COMMENT 'Unsubscriptions.',
    complained          UInt64                 COMMENT 'Reports as spam.',
    events              UInt64                 COMMENT 'All events of the channel, tests aside.'
)
AS
SELECT
    e.account_id AS account_id,
    e.campaign_id AS campaign_id,
    e.channel AS channel,
    e.day AS day,
    sumIf(e.hits, e.verb = 'sent') AS sent,
    sumIf(e.hits, e.verb = 'delivered') AS delivered,
    sumIf(e.hits, e.verb = 'opened') AS opened,
    sum(e.unique_open) AS unique_opened,
    sumIf(e.hits, e.verb = 'clicked') AS clicked,
    sum(e.unique_click) AS unique_clicked,
    sum(e.unique_link_click) AS unique_link_clicked,
    sumIf(e.hits, e.verb IN ('soft_bounced', 'hard_bounced')) AS bounced,
    sumIf(e.hits, e.verb = 'unsubscribed') AS unsubscribed,
    sumIf(e.hits, e.verb = 'complained') AS complained,
    sum(e.hits) AS events
FROM (SELECT *, substring(type, length(channel) + 2) AS verb FROM ${DB}.engagement WHERE channel != '') AS e
GROUP BY account_id, campaign_id, channel, day
HAVING events > 0 OR unique_opened != 0 OR unique_clicked != 0 OR unique_link_clicked != 0
COMMENT 'One row for account, campaign, channel and UTC day of occurred_at. Tests are not in it.';

CREATE OR REPLACE VIEW ${DB}.campaign_engagement ${ON_CLUSTER}
(
    account_id          LowCardinality(String) COMMENT 'Tenant.',
    campaign_id         String                 COMMENT 'Campaign; empty where there is none.',
    channel             LowCardinality(String) COMMENT 'Channel.',
    sent                UInt64                 COMMENT 'Messages handed over for delivery.',
    delivered           UInt64                 COMMENT 'Messages delivered.',
    opened              UInt64                 COMMENT 'Opens, repeats included; machine opens are none.',
    unique_opened       Int64                  COMMENT 'Persons'' first opens of a message, each on the day of the earliest.',
    clicked             UInt64                 COMMENT 'Clicks, repeats included.',
    unique_clicked      Int64                  COMMENT 'Persons'' first clicks in a message, on any link.',
    unique_link_clicked Int64                  COMMENT 'Persons'' first clicks on each link of a message.',
    bounced             UInt64                 COMMENT 'Soft and hard bounces.',
    unsubscribed        UInt64                 COMMENT 'Unsubscriptions.',
    complained          UInt64                 COMMENT 'Reports as spam.',
    events              UInt64                 COMMENT 'All events of the channel, tests aside.',
    open_rate           Nullable(Float64)      COMMENT 'Unique opens per delivered; null where nothing was delivered.',
    click_rate          Nullable(Float64)      COMMENT 'Unique clicks per delivered; null where nothing was delivered.',
    click_to_open_rate  Nullable(Float64)      COMMENT 'Unique clicks per unique open; null where nothing was opened.'
)
AS
SELECT
    d.account_id AS account_id,
    d.campaign_id AS campaign_id,
    d.channel AS channel,
    sum(d.sent) AS sent,
    sum(d.delivered) AS delivered,
    sum(d.opened) AS opened,
    sum(d.unique_opened) AS unique_opened,
    sum(d.clicked) AS clicked,
    sum(d.unique_clicked) AS unique_clicked,
    sum(d.unique_link_clicked) AS unique_link_clicked,
    sum(d.bounced) AS bounced,
    sum(d.unsubscribed) AS unsubscribed,
    sum(d.complained) AS complained,
    sum(d.events) AS events,
    if(delivered > 0, unique_opened / delivered, NULL) AS open_rate,
    if(delivered > 0, unique_clicked / delivered, NULL) AS click_rate,
    if(unique_opened > 0, unique_clicked / unique_opened, NULL) AS click_to_open_rate
FROM ${DB}.engagement_daily AS d
GROUP BY account_id, campaign_id, channel
COMMENT 'One row for account, campaign and channel, over all days. Rates: unique opens and clicks per delivered, clicks per open; null where nothing was delivered or opened.';

CREATE OR REPLACE VIEW ${DB}.unique_reconciliation ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    campaign_id       String                 COMMENT 'Campaign; empty where there is none.',
    channel           LowCardinality(String) COMMENT 'Channel.',
    our_opens         Int64                  COMMENT 'Unique opens as we count them.',
    vendor_opens      Int64                  COMMENT 'Unique opens that the vendor reports.',
    opens_difference  Int64                  COMMENT 'Ours less the vendor''s.',
    our_clicks        Int64                  COMMENT 'Unique clicks counted in the vendor''s way: per link, on viber per message.',
    vendor_clicks     Int64                  COMMENT 'Unique clicks that the vendor reports.',
    clicks_difference Int64                  COMMENT 'Ours less the vendor''s.'
)
AS
SELECT
    e.account_id AS account_id,
    e.campaign_id AS campaign_id,
    e.channel AS channel,
    sum(e.unique_open) AS our_opens,
    toInt64(sumIf(e.hits, e.verb = 'unique_opened')) AS vendor_opens,
    our_opens - vendor_opens AS opens_difference,
    sum(if(e.channel = 'viber', e.unique_click, e.unique_link_click)) AS our_clicks,
    toInt64(sumIf(e.hits, e.verb = 'unique_clicked')) AS vendor_clicks,
    our_clicks - vendor_clicks AS clicks_difference
FROM (SELECT *, substring(type, length(channel) + 2) AS verb FROM ${DB}.engagement WHERE channel != '') AS e
GROUP BY account_id, campaign_id, channel
HAVING vendor_opens > 0 OR vendor_clicks > 0
COMMENT 'One row for account, campaign and channel whose source reports uniques of its own. Clicks are compared as the vendor counts them: per link, on viber once per message.';

CREATE OR REPLACE VIEW ${DB}.allowance_cycles ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    cycle_start       DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    cycle_end         DateTime('UTC')        COMMENT 'First instant after it.',
    allowance         Nullable(UInt64)       COMMENT 'Activities that the plan grants; null without a plan.',
    used_as_closed    UInt64                 COMMENT 'Activities of the cycle that had arrived before its end.',
    used_as_corrected UInt64                 COMMENT 'All activities of the cycle so far.',
    remaining         Nullable(Int64)        COMMENT 'Allowance less used as corrected, negative beyond it; null without a plan.',
    ratio             Nullable(Float64)      COMMENT 'Used as corrected per allowance; null without a plan or with an allowance of 0.'
)
AS
SELECT
    account_id,
    cycle_start,
    tupleElement(last, 1) AS cycle_end,
    tupleElement(last, 2) AS allowance,
    tupleElement(last, 3) AS used_as_closed,
    tupleElement(last, 4) AS used_as_corrected,
    toInt64(allowance) - toInt64(used_as_corrected) AS remaining,
    if(allowance > 0, used_as_corrected / allowance, NULL) AS ratio
FROM
(
    SELECT
        a.account_id AS account_id,
        a.cycle_start AS cycle_start,
        argMax(tuple(a.cycle_end, a.allowance, a.used_as_closed, a.used), a.version) AS last
    FROM ${DB}.allowance AS a
    GROUP BY account_id, cycle_start
)
COMMENT 'One row for account and billing cycle. allowance, remaining and ratio are null without a plan; remaining is negative where more was used than granted.';

CREATE OR REPLACE VIEW ${DB}.allowance_alerts ${ON_CLUSTER}
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    cycle_start DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    kind        LowCardinality(String) COMMENT 'threshold or forecast.',
    threshold   Float64                COMMENT 'Share of the allowance that was crossed.',
    used        UInt64                 COMMENT 'Activities at that moment.',
    allowance   UInt64                 COMMENT 'Activities that the plan grants.',
    occurred_at DateTime64(6, 'UTC')   COMMENT 'Time of the event that crossed it.'
)
AS
SELECT account_id, cycle_start, kind, threshold, used, allowance, occurred_at
FROM ${DB}.alerts
COMMENT 'One row for an alert. kind is threshold or forecast.';

CREATE OR REPLACE VIEW ${DB}.persons ${ON_CLUSTER}
(
    account_id LowCardinality(String) COMMENT 'Tenant.',
    profile_id String                 COMMENT 'Profile as its source names it.',
    person_id  String                 COMMENT 'Person that it stands for today; itself where it was never merged.'
)
AS
SELECT
    p.account_id AS account_id,
    p.profile_id AS profile_id,
    if(max(p.moved), argMaxIf(p.person_id, p.version, p.moved), profile_id) AS person_id
FROM
(
    SELECT account_id, profile_id, '' AS person_id, toUInt64(0) AS version, false AS moved FROM ${DB}.profile_seen
    UNION ALL
    SELECT account_id, profile_id, person_id, version, true AS moved FROM ${DB}.person_map
) AS p
GROUP BY account_id, profile_id
COMMENT 'One row for a profile that an event, a merge or a split named: the person that it stands for today.';

CREATE OR REPLACE VIEW ${DB}.contact_activity ${ON_CLUSTER}
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    person_id   String                 COMMENT 'Person that the profile stands for today.',
    profile_id  String                 COMMENT 'Profile that the event names.',
    type        LowCardinality(String) COMMENT 'Canonical type.',
    channel     LowCardinality(String) COMMENT 'Channel; empty for profile, account and crm events.',
    campaign_id String                 COMMENT 'Campaign; empty where there is none.',
    message_id  String                 COMMENT 'Message; empty where the source gives none.',
    link        String                 COMMENT 'Link clicked, as the source names it.',
    occurred_at DateTime64(6, 'UTC')   COMMENT 'Source''s time.',
    is_test     Bool                   COMMENT 'Stored and marked, never counted.',
    properties  Map(String, String)    COMMENT 'Whatever else the source says.'
)
AS
SELECT
    e.account_id AS account_id,
    if(m.person_id = '', e.profile_id, m.person_id) AS person_id,
    e.profile_id AS profile_id,
    e.type AS type,
    e.channel AS channel,
    e.campaign_id AS campaign_id,
    e.message_id AS message_id,
    e.link AS link,
    e.occurred_at AS occurred_at,
    e.is_test AS is_test,
    e.properties AS properties
FROM ${DB}.events AS e
LEFT JOIN
(
    SELECT p.account_id AS account_id, p.profile_id AS profile_id, argMax(p.person_id, p.version) AS person_id
    FROM ${DB}.person_map AS p
    GROUP BY account_id, profile_id
) AS m ON e.account_id = m.account_id AND e.profile_id = m.profile_id
WHERE e.hits = 1
COMMENT 'One row for an accepted event, tests marked, with the person that its profile stands for today.';

CREATE OR REPLACE VIEW ${DB}.dead_letters ${ON_CLUSTER}
(
    account_id String                 COMMENT 'Tenant; empty where it could not be read.',
    topic      LowCardinality(String) COMMENT 'Source topic without the deployment''s prefix.',
    partition  UInt16                 COMMENT 'Source partition.',
    offset     UInt64                 COMMENT 'Source offset.',
    reason     LowCardinality(String) COMMENT 'Why it was not counted.',
    detail     String                 COMMENT 'For people: the field, or both coordinates.',
    arrived_at DateTime64(3, 'UTC')   COMMENT 'Broker''s time.',
    size       UInt64                 COMMENT 'Bytes of the whole record.',
    raw        String                 COMMENT 'The record''s bytes, or their head; a client may show them as hex.',
    raw_base64 String                 COMMENT 'The same as text.'
)
AS
SELECT account_id, topic, partition, offset, reason, detail, arrived_at, size, raw, base64Encode(raw) AS raw_base64
FROM ${DB}.rejects
COMMENT 'One row for a rejected event. raw are its bytes (a client may show them as hex), raw_base64 the same as text; size counts the whole record where raw is its head.';

CREATE OR REPLACE VIEW ${DB}.ingestion_warnings ${ON_CLUSTER}
(
    account_id String                 COMMENT 'Tenant; empty where it could not be read.',
    reason     LowCardinality(String) COMMENT 'Why events were not counted.',
    day        Date                   COMMENT 'UTC day of arrival.',
    events     UInt64                 COMMENT 'Rejected events.',
    sample     String                 COMMENT 'Detail of the day''s last one.'
)
AS
SELECT
    r.account_id AS account_id,
    r.reason AS reason,
    toDate(r.arrived_at) AS day,
    count() AS events,
    argMax(r.detail, tuple(r.arrived_at, r.topic, r.partition, r.offset)) AS sample
FROM ${DB}.rejects AS r
GROUP BY account_id, reason, day
COMMENT 'One row for account, reason and UTC day of arrival: rejected events and the latest one''s detail.';

CREATE OR REPLACE VIEW ${DB}.conservation ${ON_CLUSTER}
(
    topic      LowCardinality(String) COMMENT 'Source topic without the deployment''s prefix.',
    partition  UInt16                 COMMENT 'Source partition.',
    read       UInt64                 COMMENT 'Events read.',
    accepted   UInt64                 COMMENT 'Of these accepted.',
    duplicates UInt64                 COMMENT 'Of these duplicates.',
    rejected   UInt64                 COMMENT 'Of these rejected.'
)
AS
SELECT
    i.topic AS topic,
    i.partition AS partition,
    sum(i.read) AS read,
    sum(i.accepted) AS accepted,
    sum(i.duplicates) AS duplicates,
    sum(i.rejected) AS rejected
FROM ${DB}.intake AS i
GROUP BY topic, partition
COMMENT 'One row for topic and partition: events read = accepted + duplicates + rejected, as the journal says.';

CREATE OR REPLACE VIEW ${DB}.conservation_audit ${ON_CLUSTER}
(
    topic              LowCardinality(String) COMMENT 'Source topic without the deployment''s prefix.',
    partition          UInt16                 COMMENT 'Source partition.',
    read               UInt64                 COMMENT 'Events read, as the journal says.',
    journal_accepted   UInt64                 COMMENT 'Of these accepted, as the journal says.',
    events_accepted    UInt64                 COMMENT 'Events in the table events.',
    rollup_accepted    UInt64                 COMMENT 'Events in the rollup engagement.',
    journal_duplicates UInt64                 COMMENT 'Duplicates, as the journal says.',
    counted_duplicates UInt64                 COMMENT 'Duplicates in the table duplicates.',
    journal_rejected   UInt64                 COMMENT 'Rejected events, as the journal says.',
    dead_letters       UInt64                 COMMENT 'Events in the table rejects.'
)
AS
SELECT
    a.topic AS topic,
    a.partition AS partition,
    sum(a.read) AS read,
    sum(a.accepted) AS journal_accepted,
    sum(a.events) AS events_accepted,
    sum(a.rollup) AS rollup_accepted,
    sum(a.duplicates) AS journal_duplicates,
    sum(a.counted) AS counted_duplicates,
    sum(a.rejected) AS journal_rejected,
    sum(a.letters) AS dead_letters
FROM
(
    SELECT topic, partition, read, accepted, 0 AS events, 0 AS rollup, duplicates, 0 AS counted, rejected, 0 AS letters FROM ${DB}.intake
    UNION ALL
    SELECT origin_topic, origin_partition, 0, 0, 1, 0, 0, 0, 0, 0 FROM ${DB}.events WHERE hits = 1
    UNION ALL
    SELECT topic, partition, 0, 0, 0, accepted, 0, 0, 0, 0 FROM ${DB}.engagement WHERE topic != ''
    UNION ALL
    SELECT topic, partition, 0, 0, 0, 0, 0, events, 0, 0 FROM ${DB}.duplicates
    UNION ALL
    SELECT topic, partition, 0, 0, 0, 0, 0, 0, 0, 1 FROM ${DB}.rejects
) AS a
GROUP BY topic, partition
COMMENT 'One row for topic and partition: what the journal says beside what the tables hold.';
