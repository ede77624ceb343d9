-- The contact sheet: what events say about a person, put together from its profiles of today. The rules stand in
-- docs/decisions/contact-state.md. contacts answers anything about an account, slowly; the views with parameters, which
-- are called like functions, are the fast paths to a sheet, a page of sheets and a timeline.
-- A block `-- ${NAME} is` ... `-- end` is text that several statements share.

-- ${EVIDENCE} is all that the tables hold about profiles, as rows of several kinds.
    (
        SELECT
            account_id, profile_id, toString(kind) AS kind, item, last, three, times, amount,
            toDateTime64(0, 6, 'UTC') AS first_at, toDateTime64(0, 6, 'UTC') AS last_at, toDateTime64(0, 6, 'UTC') AS active_at,
            toUInt128(0) AS delivered_at
        FROM ${DB}.profile_state
        UNION ALL
        SELECT
            account_id, profile_id, 'seen', toString(channel), tuple(toUInt128(0), ''), arrayReduce('groupArraySortedState(3)', CAST([], 'Array(Int128)')), 0, 0,
            first_at, last_at, active_at,
            delivered_at
        FROM ${DB}.profile_seen
        UNION ALL
        SELECT
            account_id, profile_id, 'named', '', tuple(toUInt128(0), ''), arrayReduce('groupArraySortedState(3)', CAST([], 'Array(Int128)')), 0, 0,
            toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'),
            toUInt128(0)
        FROM ${DB}.person_map
    )
-- end

-- ${STATES} is what the evidence x of a person comes to.
        maxMapIf(map(x.kind, x.last), x.item = '') AS says,
        maxMapIf(map(x.item, x.last), x.kind = 'product') AS products,
        maxMapIf(map(x.item, x.last), x.kind = 'segment') AS entries,
        groupArraySortedMergeIf(3)(x.three, x.kind = 'email_soft') AS email_soft,
        groupArraySortedMergeIf(3)(x.three, x.kind = 'mobile_soft') AS mobile_soft,
        maxIf(x.delivered_at, x.item = 'email') AS email_delivered,
        maxIf(x.delivered_at, x.item = 'sms') AS mobile_delivered,
        sum(x.times) AS purchases,
        sum(x.amount) AS purchases_value,
        minOrNullIf(x.first_at, x.kind = 'seen') AS first_seen,
        maxOrNullIf(x.last_at, x.kind = 'seen') AS last_seen,
        maxOrNullIf(x.active_at, x.kind = 'seen' AND x.active_at > 0) AS last_active,
        mapSort(maxMapIf(map(x.item, x.last_at), x.kind = 'seen' AND x.item != '')) AS last_by_channel,
        arraySort(groupUniqArrayIf(x.profile_id, x.kind IN ('seen', 'named'))) AS profiles
-- end

-- ${SHEET} is what the states say.
    account_id,
    person_id,
    says['email'].2 AS email,
    says['first_name'].2 AS first_name,
    says['last_name'].2 AS last_name,
    says['date_of_birth'].2 AS date_of_birth,
    says['mobile_phone'].2 AS mobile_phone,
    multiIf(
        says['email_flag'].2 = 'email_blocked', 'blocked',
        says['email_flag'].2 = 'email_paused', 'paused',
        greatest(says['email_hard'].1, toUInt128(-email_soft[3])) > email_delivered, 'bounced',
        'active'
    ) AS email_status,
    multiIf(says['newsletter'].2 = '', 'not_subscribed', says['newsletter'].2 = 'email_subscribed', 'subscribed', 'unsubscribed') AS newsletter_status,
    multiIf(
        says['mobile_flag'].2 = 'sms_paused', 'paused',
        greatest(says['mobile_hard'].1, toUInt128(-mobile_soft[3])) > mobile_delivered, 'bounced',
        'active'
    ) AS mobile_status,
    multiIf(says['sms'].2 = '', 'not_subscribed', says['sms'].2 = 'sms_subscribed', 'subscribed', 'unsubscribed') AS sms_status,
    toBool(says['web_push'].2 IN ('push_subscribed', 'push_subscription_refreshed', 'push_subscription_migrated')) AS web_push,
    toDecimal128OrNull(says['points'].2, 4) AS points,
    if(points IS NULL, NULL, fromUnixTimestamp64Micro(toInt64(bitShiftRight(says['points'].1, 64)), 'UTC')) AS points_updated_at,
    purchases,
    purchases_value,
    if(purchases = 0, NULL, fromUnixTimestamp64Micro(toInt64(bitShiftRight(says['purchase'].1, 64)), 'UTC')) AS last_purchase_at,
    arraySort(arrayDistinct(arrayConcat(
        mapKeys(mapFilter((id, last) -> last.2 = 'crm_cart_product_added' AND last.1 > says['cart'].1, products)),
        arrayFilter(id -> id != '' AND products[id].1 < says['cart'].1, splitByChar(',', says['cart'].2))
    ))) AS cart,
    arraySort(mapKeys(mapFilter((id, last) -> last.2 = 'profile_entered_segment', entries))) AS segments,
    first_seen,
    last_seen,
    last_active,
    last_by_channel,
    profiles
-- end

CREATE OR REPLACE VIEW ${DB}.person_now ${ON_CLUSTER}
(
    account_id LowCardinality(String) COMMENT 'Tenant.',
    profile_id String                 COMMENT 'Profile that a merge or split touched.',
    person_id  String                 COMMENT 'Person that it stands for today.'
)
AS
SELECT p.account_id AS account_id, p.profile_id AS profile_id, argMax(p.person_id, p.version) AS person_id
FROM ${DB}.person_map AS p
GROUP BY account_id, profile_id
COMMENT 'One row for a profile that a merge or a split touched: the person that it stands for today.';

CREATE OR REPLACE VIEW ${DB}.contacts ${ON_CLUSTER}
(
    account_id        LowCardinality(String)            COMMENT 'Tenant.',
    person_id         String                            COMMENT 'Person: one of its profiles.',
    email             String                            COMMENT 'Email address; empty: none said, or emptied.',
    first_name        String                            COMMENT 'First name; empty: none said, or emptied.',
    last_name         String                            COMMENT 'Last name; empty: none said, or emptied.',
    date_of_birth     String                            COMMENT 'Date of birth, as the source writes it; empty: none said, or emptied.',
    mobile_phone      String                            COMMENT 'Mobile phone, as the source writes it; empty: none said, or emptied.',
    email_status      String                            COMMENT 'active, bounced, paused or blocked.',
    newsletter_status String                            COMMENT 'subscribed, unsubscribed or not_subscribed.',
    mobile_status     String                            COMMENT 'active, bounced or paused.',
    sms_status        String                            COMMENT 'subscribed, unsubscribed or not_subscribed.',
    web_push          Bool                              COMMENT 'Whether web push reaches the person.',
    points            Nullable(Decimal(38, 4))          COMMENT 'Points; null where no event told any.',
    points_updated_at Nullable(DateTime64(6, 'UTC'))    COMMENT 'When the points were told last; null without any.',
    purchases         UInt64                            COMMENT 'Number of purchases.',
    purchases_value   Decimal(38, 4)                    COMMENT 'Sum of their values; currencies are not converted.',
    last_purchase_at  Nullable(DateTime64(6, 'UTC'))    COMMENT 'The last purchase; null without any.',
    cart              Array(String)                     COMMENT 'Ids of the products in the cart, sorted.',
    segments          Array(String)                     COMMENT 'Segments that the person is in, sorted.',
    first_seen        Nullable(DateTime64(6, 'UTC'))    COMMENT 'First event; null where no event names the person.',
    last_seen         Nullable(DateTime64(6, 'UTC'))    COMMENT 'Last event; null where no event names the person.',
    last_active       Nullable(DateTime64(6, 'UTC'))    COMMENT 'Last thing that the person did itself; null without any.',
    last_by_channel   Map(String, DateTime64(6, 'UTC')) COMMENT 'Last event of each channel that has one.',
    profiles          Array(String)                     COMMENT 'Profiles that stand for the person, sorted.'
)
AS
SELECT
${SHEET}
FROM
(
    SELECT
        x.account_id AS account_id,
        if(m.person_id = '', x.profile_id, m.person_id) AS person_id,
${STATES}
    FROM
${EVIDENCE}
    AS x
    LEFT JOIN ${DB}.person_now AS m ON x.account_id = m.account_id AND x.profile_id = m.profile_id
    GROUP BY account_id, person_id
)
WHERE notEmpty(profiles)
COMMENT 'One row for a person: its contact sheet. For one person or a page of them use contact_sheet and contact_sheets.';

-- moved: today's persons of all profiles that ever stood for the ones asked for.
CREATE OR REPLACE VIEW ${DB}.contact_sheets ${ON_CLUSTER} AS
WITH
    (
        SELECT tuple(groupArray(profile_id), groupArray(person_id))
        FROM
        (
            SELECT p.profile_id AS profile_id, argMax(p.person_id, p.version) AS person_id
            FROM ${DB}.person_map AS p
            WHERE p.account_id = {account:String} AND p.profile_id IN
            (
                SELECT profile_id FROM ${DB}.person_members WHERE account_id = {account:String} AND person_id IN {people:Array(String)}
                UNION ALL
                SELECT arrayJoin({people:Array(String)})
            )
            GROUP BY profile_id
        )
    ) AS moved
SELECT
${SHEET}
FROM
(
    SELECT
        x.account_id AS account_id,
        transform(x.profile_id, arrayPushBack(moved.1, ''), arrayPushBack(moved.2, ''), x.profile_id) AS person_id,
${STATES}
    FROM
${EVIDENCE}
    AS x
    WHERE x.account_id = {account:String} AND x.profile_id IN arrayConcat({people:Array(String)}, moved.1)
    GROUP BY account_id, person_id
)
WHERE notEmpty(profiles) AND person_id IN {people:Array(String)}
COMMENT 'contact_sheets(account, people): the rows of contacts of these people, a page of them at once.';

CREATE OR REPLACE VIEW ${DB}.contact_sheet ${ON_CLUSTER} AS
WITH
    (
        SELECT tuple(groupArray(profile_id), groupArray(person_id))
        FROM
        (
            SELECT p.profile_id AS profile_id, argMax(p.person_id, p.version) AS person_id
            FROM ${DB}.person_map AS p
            WHERE p.account_id = {account:String} AND p.profile_id IN
            (
                SELECT profile_id FROM ${DB}.person_members WHERE account_id = {account:String} AND person_id IN [{person:String}]
                UNION ALL
                SELECT arrayJoin([{person:String}])
            )
            GROUP BY profile_id
        )
    ) AS moved
SELECT
${SHEET}
FROM
(
    SELECT
        x.account_id AS account_id,
        transform(x.profile_id, arrayPushBack(moved.1, ''), arrayPushBack(moved.2, ''), x.profile_id) AS person_id,
${STATES}
    FROM
${EVIDENCE}
    AS x
    WHERE x.account_id = {account:String} AND x.profile_id IN arrayConcat([{person:String}], moved.1)
    GROUP BY account_id, person_id
)
WHERE notEmpty(profiles) AND person_id IN [{person:String}]
COMMENT 'contact_sheet(account, person): the row of contacts of one person; none where there is no such person today.';

CREATE OR REPLACE VIEW ${DB}.contact_timeline ${ON_CLUSTER} AS
SELECT
    e.account_id AS account_id,
    {person:String} AS person_id,
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
WHERE e.account_id = {account:String} AND e.hits = 1 AND e.profile_id IN
(
    SELECT p.profile_id
    FROM
    (
        SELECT {person:String} AS profile_id, {person:String} AS person_id, tuple(false, toUInt64(0)) AS version
        UNION ALL
        SELECT profile_id, person_id, tuple(true, version) FROM ${DB}.person_map
        WHERE account_id = {account:String} AND profile_id IN
        (
            SELECT profile_id FROM ${DB}.person_members WHERE account_id = {account:String} AND person_id = {person:String}
            UNION ALL
            SELECT {person:String}
        )
    ) AS p
    GROUP BY p.profile_id
    HAVING argMax(p.person_id, p.version) = {person:String}
)
ORDER BY occurred_at DESC, e.journal_offset DESC, e.origin_topic DESC, e.origin_offset DESC
COMMENT 'contact_timeline(account, person): the rows of contact_activity of one person, newest first. Filter by type as you like.';

CREATE OR REPLACE VIEW ${DB}.contact_ranks ${ON_CLUSTER} AS
SELECT
    if(m.person_id = '', x.profile_id, m.person_id) AS person_id,
    minOrNullIf(x.first_at, x.seen) AS first_seen,
    maxOrNullIf(x.last_at, x.seen) AS last_seen,
    maxOrNullIf(x.active_at, x.active_at > 0) AS last_active
FROM
(
    SELECT profile_id, first_at, last_at, active_at, true AS seen FROM ${DB}.profile_seen WHERE account_id = {account:String}
    UNION ALL
    SELECT profile_id, toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), false AS seen
    FROM ${DB}.person_map WHERE account_id = {account:String}
) AS x
LEFT JOIN (SELECT profile_id, person_id FROM ${DB}.person_now WHERE account_id = {account:String}) AS m ON x.profile_id = m.profile_id
GROUP BY person_id
COMMENT 'contact_ranks(account): everybody in contacts with first_seen, last_seen and last_active, to order a page of people by; contact_sheets has the page.';
