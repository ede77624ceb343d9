-- A relay before the view with the costliest query. Variables as in 0001_tables.sql.
-- ClickHouse analyses a view's query at every insert, rows or none: 8 to 12 ms for this one, of 45 of an insert of a few
-- rows into events, and most inserts have nothing for it. A table that stores nothing takes what there is for it: a view
-- behind it is not analysed where no row comes. Between an insert and its repetition the views must stay the same: end
-- the sinks before this is applied, as they end by themselves, after the range at hand.

CREATE TABLE IF NOT EXISTS ${DB}.said_events ${ON_CLUSTER}
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    type        LowCardinality(String) COMMENT 'Canonical type.',
    profile_id  String                 COMMENT 'Contact as its source names it.',
    identity    UInt64                 COMMENT 'Identity hash, which settles ties of contact state.',
    occurred_at DateTime64(6, 'UTC')   COMMENT 'Source''s time.',
    properties  Map(String, String)    COMMENT 'Whatever else the source says.',
    attributes  Map(String, String)    COMMENT 'Contact fields of profile events.'
)
ENGINE = Null
COMMENT 'Events that say several things of a contact, on their way from events to profile_state. Always empty.';

DROP VIEW IF EXISTS ${DB}.profile_state_several_mv ${ON_CLUSTER} SYNC;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.said_events_mv ${ON_CLUSTER} TO ${DB}.said_events
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    type        LowCardinality(String) COMMENT 'Canonical type.',
    profile_id  String                 COMMENT 'Contact as its source names it.',
    identity    UInt64                 COMMENT 'Identity hash, which settles ties of contact state.',
    occurred_at DateTime64(6, 'UTC')   COMMENT 'Source''s time.',
    properties  Map(String, String)    COMMENT 'Whatever else the source says.',
    attributes  Map(String, String)    COMMENT 'Contact fields of profile events.'
)
AS
SELECT
    e.account_id AS account_id,
    e.type AS type,
    e.profile_id AS profile_id,
    e.identity AS identity,
    e.occurred_at AS occurred_at,
    e.properties AS properties,
    e.attributes AS attributes
FROM ${DB}.events AS e
WHERE ((e.channel = '' AND e.profile_id != '') OR e.type = 'push_subscription_migrated') AND e.hits = 1 AND NOT e.is_test
COMMENT 'Fills said_events.';

-- As in 0002_rollups.sql, from said_events.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.profile_state_several_mv ${ON_CLUSTER} TO ${DB}.profile_state
(
    account_id LowCardinality(String)                         COMMENT 'Tenant.',
    profile_id String                                         COMMENT 'Profile that it is said of: today''s person takes it along.',
    kind       String                                         COMMENT 'What it is about: an attribute (email, first_name, ...), email_flag, email_hard, email_soft, newsletter, points, cart, product, segment, ...',
    item       String                                         COMMENT 'Which segment or product; empty elsewhere.',
    last       Tuple(UInt128, String)                         COMMENT 'The last event about it, and what it says.',
    times      UInt64                                         COMMENT 'Of purchases how many; 0 elsewhere.',
    amount     Decimal(38, 4)                                 COMMENT 'Of purchases their values'' sum; 0 elsewhere.'
)
AS
SELECT
    s.account_id AS account_id,
    s.said.1 AS profile_id,
    s.said.2 AS kind,
    s.said.3 AS item,
    max(tuple(s.moment, s.said.4)) AS last,
    countIf(kind = 'purchase') AS times,
    sumIf(toDecimal128OrZero(extract(s.said.4, '^-?[0-9]{1,18}(?:\\.[0-9]+)?$'), 4), kind = 'purchase') AS amount
FROM
(
    SELECT
        e.account_id AS account_id,
        bitShiftLeft(toUInt128(toUnixTimestamp64Micro(e.occurred_at)), 64) + e.identity AS moment,
        multiIf(
            e.type IN ('profile_entered_segment', 'profile_exited_segment'), e.properties['segment'],
            e.type IN ('crm_cart_product_added', 'crm_cart_product_removed'), e.properties['product_id'],
            e.type = 'push_subscription_migrated', e.properties['from_profile_id'],
            ''
        ) AS id,
        if(startsWith(e.type, 'crm_'), e.properties['points'], e.attributes['points']) AS points,
        arrayJoin(arrayConcat(
            multiIf(
                e.type = 'crm_purchase', [(e.profile_id, 'cart', '', ''), (e.profile_id, 'purchase', '', e.properties['value'])],
                e.type = 'crm_cart_updated' AND mapContains(e.properties, 'product_ids'), [(e.profile_id, 'cart', '', e.properties['product_ids'])],
                id = '', [],
                e.type = 'push_subscription_migrated', [(id, 'web_push', '', 'lost')],
                startsWith(e.type, 'crm_'), [(e.profile_id, 'product', id, toString(e.type))],
                [(e.profile_id, 'segment', id, toString(e.type))]
            ),
            if(match(points, '^-?[0-9]{1,18}(\\.[0-9]+)?$'), [(e.profile_id, 'points', '', points)], []),
            arrayMap(
                key -> (e.profile_id, key, '', e.attributes[key]),
                arrayFilter(key -> key IN ('email', 'first_name', 'last_name', 'date_of_birth', 'mobile_phone'), mapKeys(e.attributes))
            )
        )) AS said
    FROM ${DB}.said_events AS e
) AS s
GROUP BY account_id, profile_id, kind, item
COMMENT 'Fills profile_state with what events of profiles and of commerce say, and with who loses a web push.';
