-- The materialized views, which fill the rollups at every insert into events and person_map.
-- Names of results never hide the columns that they are made of: columns are written with the table's alias.
-- A row's deduplication token names range and view, so two views may fill one table.

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.engagement_mv ${ON_CLUSTER} TO ${DB}.engagement
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    day               Date                   COMMENT 'UTC day of occurred_at.',
    channel           LowCardinality(String) COMMENT 'Channel; empty for profile, account and crm events.',
    campaign_id       String                 COMMENT 'Campaign; empty where there is none.',
    type              LowCardinality(String) COMMENT 'Canonical type.',
    topic             LowCardinality(String) COMMENT 'Source topic; empty on corrections.',
    partition         UInt16                 COMMENT 'Source partition.',
    accepted          UInt64                 COMMENT 'Events, tests included: for conservation.',
    hits              UInt64                 COMMENT 'Events, tests excluded.',
    unique_open       Int64                  COMMENT 'Unique opens, corrections included.',
    unique_click      Int64                  COMMENT 'Unique clicks, corrections included.',
    unique_link_click Int64                  COMMENT 'Unique link clicks, corrections included.',
    activities        UInt64                 COMMENT 'Events that use up the allowance.'
)
AS
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

-- The first list: types that types.tsv calls by_person.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.profile_seen_mv ${ON_CLUSTER} TO ${DB}.profile_seen
(
    account_id   LowCardinality(String) COMMENT 'Tenant.',
    profile_id   String                 COMMENT 'Profile that an event named.',
    channel      LowCardinality(String) COMMENT 'Channel; empty for profile, account and crm events.',
    first_at     DateTime64(6, 'UTC')   COMMENT 'First event.',
    last_at      DateTime64(6, 'UTC')   COMMENT 'Last event.',
    active_at    DateTime64(6, 'UTC')   COMMENT 'Last event of a type that the person did itself; 1970-01-01 without any.',
    delivered_at UInt128                COMMENT 'Moment (see profile_state) of the last email or SMS delivered; 0 without any.'
)
AS
SELECT
    e.account_id AS account_id,
    e.profile_id AS profile_id,
    e.channel AS channel,
    min(e.occurred_at) AS first_at,
    max(e.occurred_at) AS last_at,
    maxIf(e.occurred_at, e.type IN (
        'email_opened', 'email_unique_opened', 'email_clicked', 'email_unique_clicked', 'email_replied',
        'email_complained', 'email_subscribed', 'email_unsubscribed', 'email_read', 'email_skimmed', 'email_glanced',
        'email_confirmed',
        'sms_clicked', 'sms_unique_clicked', 'sms_replied', 'sms_complained', 'sms_subscribed', 'sms_unsubscribed',
        'push_opened', 'push_unique_opened', 'push_clicked', 'push_unique_clicked', 'push_complained',
        'push_subscribed', 'push_unsubscribed', 'push_closed',
        'telegram_opened', 'telegram_unique_opened', 'telegram_clicked', 'telegram_unique_clicked', 'telegram_replied',
        'telegram_complained', 'telegram_subscribed', 'telegram_unsubscribed',
        'whatsapp_opened', 'whatsapp_unique_opened', 'whatsapp_clicked', 'whatsapp_unique_clicked', 'whatsapp_replied',
        'whatsapp_complained', 'whatsapp_subscribed', 'whatsapp_unsubscribed',
        'viber_opened', 'viber_unique_opened', 'viber_clicked', 'viber_unique_clicked', 'viber_replied',
        'viber_complained', 'viber_subscribed', 'viber_unsubscribed',
        'popup_clicked', 'popup_closed', 'popup_submitted', 'popup_submit_failed', 'popup_custom',
        'web_opened', 'web_clicked', 'web_link_followed', 'web_form_submitted', 'web_page_visited',
        'web_session_started', 'web_pixel_loaded', 'web_logged_in', 'web_registered', 'web_searched',
        'web_product_visited', 'web_product_searched',
        'profile_identified',
        'crm_custom', 'crm_cart_product_added', 'crm_cart_product_removed', 'crm_cart_updated', 'crm_purchase',
        'crm_promocode_activated', 'crm_wallet_pass_installed', 'crm_wallet_pass_downloaded',
        'crm_wallet_optin_updated', 'crm_wallet_status_changed', 'crm_wallet_enrolled', 'crm_wallet_redeem_failed',
        'crm_wallet_redeemed', 'crm_wallet_pass_uninstalled', 'crm_wallet_activated_from_share',
        'crm_wallet_pass_shared', 'crm_conversation_started', 'crm_sales_email_clicked', 'crm_sales_email_opened',
        'crm_meeting_canceled', 'crm_payment_completed', 'crm_voucher_redeemed', 'crm_loyalty_joined'
    )) AS active_at,
    maxIf(
        bitShiftLeft(toUInt128(toUnixTimestamp64Micro(e.occurred_at)), 64) + e.identity,
        e.type IN ('email_delivered', 'sms_delivered')
    ) AS delivered_at
FROM ${DB}.events AS e
WHERE e.hits = 1 AND NOT e.is_test AND e.profile_id != ''
GROUP BY account_id, profile_id, channel
COMMENT 'Fills profile_seen.';

-- profile_state has two views, since most events that say something are bounces, and say one thing: through the second
-- view a bounce would cost 5 µs, through this one 1. Columns that a view lacks are the table's defaults.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.profile_state_mv ${ON_CLUSTER} TO ${DB}.profile_state
(
    account_id LowCardinality(String)                         COMMENT 'Tenant.',
    profile_id String                                         COMMENT 'Profile that it is said of: today''s person takes it along.',
    kind       LowCardinality(String)                         COMMENT 'What it is about: an attribute (email, first_name, ...), email_flag, email_hard, email_soft, newsletter, points, cart, product, segment, ...',
    last       Tuple(UInt128, String)                         COMMENT 'The last event about it, and what it says.',
    three      AggregateFunction(groupArraySorted(3), Int128) COMMENT 'Of soft bounces the moments of the three latest, negative; empty elsewhere.'
)
AS
SELECT
    s.account_id AS account_id,
    s.profile_id AS profile_id,
    s.kind AS kind,
    maxIf(tuple(s.moment, s.value), s.kind NOT IN ('email_soft', 'mobile_soft')) AS last,
    groupArraySortedStateIf(3)(-toInt128(s.moment), s.kind IN ('email_soft', 'mobile_soft')) AS three
FROM
(
    SELECT
        e.account_id AS account_id,
        e.profile_id AS profile_id,
        bitShiftLeft(toUInt128(toUnixTimestamp64Micro(e.occurred_at)), 64) + e.identity AS moment,
        toString(e.type) AS value,
        transform(
            e.type,
            [
                'email_subscribed', 'email_unsubscribed',
                'email_blocked', 'email_unblocked', 'email_paused', 'email_resumed',
                'email_hard_bounced', 'email_soft_bounced',
                'sms_subscribed', 'sms_unsubscribed',
                'sms_paused', 'sms_resumed',
                'sms_hard_bounced', 'sms_soft_bounced',
                'push_subscribed', 'push_unsubscribed', 'push_subscription_refreshed', 'push_subscription_migrated'
            ],
            [
                'newsletter', 'newsletter',
                'email_flag', 'email_flag', 'email_flag', 'email_flag',
                'email_hard', 'email_soft',
                'sms', 'sms',
                'mobile_flag', 'mobile_flag',
                'mobile_hard', 'mobile_soft',
                'web_push', 'web_push', 'web_push', 'web_push'
            ],
            ''
        ) AS kind
    FROM ${DB}.events AS e
    WHERE kind != '' AND e.hits = 1 AND NOT e.is_test AND e.profile_id != ''
) AS s
GROUP BY account_id, profile_id, kind
COMMENT 'Fills profile_state with what events of channels say.';

-- Each event says several things: rows of (profile, kind, item, value). Who loses a migrated web push is another profile.
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
    FROM ${DB}.events AS e
    WHERE ((e.channel = '' AND e.profile_id != '') OR e.type = 'push_subscription_migrated') AND e.hits = 1 AND NOT e.is_test
) AS s
GROUP BY account_id, profile_id, kind, item
COMMENT 'Fills profile_state with what events of profiles and of commerce say, and with who loses a web push.';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DB}.person_members_mv ${ON_CLUSTER} TO ${DB}.person_members
(
    account_id LowCardinality(String) COMMENT 'Tenant.',
    person_id  String                 COMMENT 'Person.',
    profile_id String                 COMMENT 'Profile that stood for it at some time; person_map says whether it still does.'
)
AS
SELECT p.account_id AS account_id, p.person_id AS person_id, p.profile_id AS profile_id
FROM ${DB}.person_map AS p
COMMENT 'Fills person_members.';
