-- Why a vendor's uniques are not ours. Variables as in 0001_tables.sql; a block `-- ${NAME} is` ... `-- end` is text that
-- several statements share.
--
-- A unique is one person's open of one message, or click on one link of it (on viber: on any link), as in
-- unique_reconciliation. The events of each say which part of the difference it is:
--   ours is 1 where there is a raw event or a vendor's; the vendor's is the number of its events.
--   No vendor's event: 1 - 0 is unreported. Else 1 - n is the events of a profile beyond its first (repeated) and the
--   profiles of the person beyond the first (merged). No raw event: the vendor's made ours, which is no difference.
-- Ours is counted under the campaign of the event that is the first one. Of several at the same instant the identity
-- decides, which these rows do not have: where they name different campaigns, what was counted says which it was.

-- ${TOUCHES} is what opens or clicks, compared by type so that the key of events is used.
    e.type IN (
        'email_opened', 'email_unique_opened', 'email_proxy_opened', 'email_clicked', 'email_unique_clicked',
        'sms_clicked', 'sms_unique_clicked',
        'push_opened', 'push_unique_opened', 'push_clicked', 'push_unique_clicked',
        'telegram_opened', 'telegram_unique_opened', 'telegram_clicked', 'telegram_unique_clicked',
        'whatsapp_opened', 'whatsapp_unique_opened', 'whatsapp_clicked', 'whatsapp_unique_clicked',
        'viber_opened', 'viber_unique_opened', 'viber_clicked', 'viber_unique_clicked',
        'popup_opened', 'popup_clicked',
        'web_opened', 'web_clicked'
    )
-- end

CREATE OR REPLACE VIEW ${DB}.unique_differences ${ON_CLUSTER}
(
    account_id  LowCardinality(String) COMMENT 'Tenant.',
    campaign_id String                 COMMENT 'Campaign; empty where there is none.',
    channel     LowCardinality(String) COMMENT 'Channel.',
    kind        String                 COMMENT 'open or click.',
    class       String                 COMMENT 'unreported, repeated, merged, incomplete, other_campaign, other; and raw_missing and machine, which explain no difference.',
    events      Int64                  COMMENT 'Signed part of the difference, ours less the vendor''s: the classes add up to that of unique_reconciliation.',
    evidence    UInt64                 COMMENT 'Uniques of the class; of raw_missing and machine those that we count on the vendor''s word alone.'
)
AS
SELECT
    account_id,
    campaign_id,
    channel,
    kind,
    part.1 AS class,
    part.2 AS events,
    part.3 AS evidence
FROM
(
    SELECT
        s.account_id AS account_id,
        s.campaign_id AS campaign_id,
        s.channel AS channel,
        s.kind AS kind,
        sumIf(s.n, s.what = 'unreported') AS unreported,
        -sumIf(s.n, s.what = 'repeated') AS repeated,
        -sumIf(s.n, s.what = 'merged') AS merged,
        -sumIf(s.n, s.what = 'incomplete') AS incomplete,
        sumIf(s.n, s.what = 'ours') AS ours,
        sumIf(s.n, s.what = 'first here') AS firsts,
        sumIf(s.n, s.what = 'one of the firsts here') AS firsts_or_not,
        firsts + greatest(0, least(ours - firsts, firsts_or_not)) - sumIf(s.n, s.what = 'expected here') AS other_campaign,
        ours - sumIf(s.n, s.what = 'vendor') - (unreported + repeated + merged + incomplete + other_campaign) AS other,
        [
            ('unreported', unreported, toUInt64(abs(unreported))),
            ('repeated', repeated, toUInt64(abs(repeated))),
            ('merged', merged, toUInt64(abs(merged))),
            ('incomplete', incomplete, toUInt64(abs(incomplete))),
            ('other_campaign', other_campaign, toUInt64(abs(other_campaign))),
            ('other', other, toUInt64(abs(other))),
            ('raw_missing', toInt64(0), toUInt64(sumIf(s.n, s.what = 'raw_missing'))),
            ('machine', toInt64(0), toUInt64(sumIf(s.n, s.what = 'machine')))
        ] AS parts
    FROM
    (
        SELECT account_id, campaign_id, channel, said.1 AS kind, said.2 AS what, said.3 AS n
        FROM
        (
            SELECT
                account_id,
                campaign_id,
                channel,
                substring(type, length(channel) + 2) AS verb,
                toInt64(if(verb = 'unique_opened', hits, 0)) AS vendor_opens,
                toInt64(if(verb = 'unique_clicked', hits, 0)) AS vendor_clicks,
                [
                    ('open', 'ours', unique_open),
                    ('open', 'vendor', vendor_opens),
                    ('open', 'any', vendor_opens + vendor_clicks),
                    ('click', 'ours', if(channel = 'viber', unique_click, unique_link_click)),
                    ('click', 'vendor', vendor_clicks),
                    ('click', 'any', vendor_opens + vendor_clicks)
                ] AS sayings
            FROM ${DB}.engagement
            WHERE channel != ''
        )
        ARRAY JOIN sayings AS said
        UNION ALL
        SELECT
            e.account_id AS account_id,
            e.campaign_id AS campaign_id,
            e.channel AS channel,
            if(endsWith(e.type, '_clicked'), 'click', 'open') AS kind,
            'incomplete' AS what,
            toInt64(1) AS n
        FROM ${DB}.events AS e
        WHERE ${TOUCHES} AND e.hits = 1 AND NOT e.is_test AND position(e.type, '_unique_') > 0
            AND (e.profile_id = '' OR (e.message_id = '' AND e.campaign_id = '') OR (e.link = '' AND kind = 'click' AND e.channel != 'viber'))
        UNION ALL
        SELECT account_id, said.1 AS campaign_id, channel, kind, said.2 AS what, toInt64(said.3) AS n
        FROM
        (
            SELECT
                account_id,
                channel,
                kind,
                arraySort(groupArray(tuple(first_at, campaign_id, profile_id, role, n))) AS touches,
                arrayFilter(x -> x.4 = 'raw', touches) AS raw,
                arrayFilter(x -> x.4 = 'vendor', touches) AS reports,
                arrayEnumerateUniq(arrayMap(x -> x.3, reports)) AS of_profile,
                if(empty(raw), reports, raw) AS decisive,
                arrayDistinct(arrayMap(x -> x.2, arrayFilter(x -> x.1 = decisive[1].1, decisive))) AS campaigns,
                if(empty(reports), campaigns[1], reports[1].2) AS expected,
                arrayConcat(
                    arrayMap(c -> (c, if(length(campaigns) = 1, 'first here', 'one of the firsts here'), 1), campaigns),
                    arrayMap((x, i) -> (x.2, 'repeated', x.5 - (i = 1)), reports, of_profile),
                    arrayMap(x -> (x.2, 'merged', 1), arrayPopFront(arrayFilter((x, i) -> i = 1, reports, of_profile))),
                    if(empty(decisive), [], [(expected, 'expected here', 1)]),
                    if(empty(reports) AND notEmpty(raw), [(expected, 'unreported', 1)], []),
                    if(empty(raw) AND notEmpty(reports), [(expected, if(length(touches) > length(reports), 'machine', 'raw_missing'), 1)], [])
                ) AS sayings
            FROM
            (
                SELECT
                    t.account_id AS account_id,
                    t.channel AS channel,
                    t.kind AS kind,
                    t.message AS message,
                    t.link_of AS link,
                    if(m.person_id = '', t.profile_id, m.person_id) AS person_id,
                    t.profile_id AS profile_id,
                    t.campaign_id AS campaign_id,
                    t.role AS role,
                    t.first_at AS first_at,
                    t.n AS n
                FROM
                (
                    SELECT
                        e.account_id AS account_id,
                        e.channel AS channel,
                        e.campaign_id AS campaign_id,
                        e.profile_id AS profile_id,
                        if(endsWith(e.type, '_clicked'), 'click', 'open') AS kind,
                        multiIf(position(e.type, '_unique_') > 0, 'vendor', position(e.type, '_proxy_') > 0, 'machine', 'raw') AS role,
                        if(e.message_id = '', e.campaign_id, e.message_id) AS message,
                        if(kind = 'open' OR e.channel = 'viber', '', e.link) AS link_of,
                        min(e.occurred_at) AS first_at,
                        toInt64(count()) AS n
                    FROM ${DB}.events AS e
                    WHERE ${TOUCHES} AND e.hits = 1 AND NOT e.is_test AND e.profile_id != '' AND message != ''
                        AND (link_of != '' OR kind = 'open' OR e.channel = 'viber')
                        AND (e.account_id, e.channel) IN
                        (
                            SELECT account_id, channel FROM ${DB}.engagement
                            WHERE substring(type, length(channel) + 2) IN ('unique_opened', 'unique_clicked')
                        )
                    GROUP BY account_id, channel, campaign_id, profile_id, kind, role, message, link_of
                ) AS t
                LEFT JOIN ${DB}.person_now AS m ON t.account_id = m.account_id AND t.profile_id = m.profile_id
            )
            GROUP BY account_id, channel, kind, message, link, person_id
        )
        ARRAY JOIN sayings AS said
    ) AS s
    GROUP BY account_id, campaign_id, channel, kind
    HAVING sumIf(s.n, s.what = 'any') > 0
)
ARRAY JOIN parts AS part
WHERE events != 0 OR evidence != 0
COMMENT 'One row for account, campaign, channel, kind and class: why the vendor''s uniques are not ours. The events of all classes add up to the differences of unique_reconciliation; a class without a row is none.';
