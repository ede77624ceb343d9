-- The tables. Variables: ${DB}, ${ON_CLUSTER}, ${REPLICATED} (empty or Replicated), ${WINDOW} (the deduplication window).
-- Every table has the window, the targets of materialized views too: a range that is inserted twice must be absorbed everywhere.
-- merge_selector_base, min_parts_to_merge_at_once, min_bytes_for_wide_part: merges are the sink's greatest cost; these halve it.

-- One row a partition once parts are merged, however many ranges there were: asked at the start of every partition.
CREATE TABLE IF NOT EXISTS ${DB}.ranges ${ON_CLUSTER}
(
    partition UInt16                               COMMENT 'Journal partition.',
    end       SimpleAggregateFunction(max, UInt64) COMMENT 'One past the last journal record of which rows are here.'
)
ENGINE = ${REPLICATED}AggregatingMergeTree
ORDER BY partition
SETTINGS ${WINDOW}
COMMENT 'How far journal partitions are inserted. Inserted first: what a sink compares with its offsets when it begins.';

CREATE TABLE IF NOT EXISTS ${DB}.events ${ON_CLUSTER}
(
    account_id        LowCardinality(String)                    COMMENT 'Tenant.',
    channel           LowCardinality(String)                    COMMENT 'email, sms, push, telegram, whatsapp, viber, popup, web; empty for profile, account and crm events.',
    type              LowCardinality(String)                    COMMENT 'Canonical type; for a channel <channel>_<verb>.',
    source            LowCardinality(String)                    COMMENT 'altcraft, brevo, connectif, mindbox or a producer''s own name.',
    vendor_type       LowCardinality(String)                    COMMENT 'The source''s own key, kept as evidence.',
    profile_id        String                   CODEC(ZSTD(1))   COMMENT 'Contact as its source names it, immutable; empty where the source names nobody.',
    person_id         String                   CODEC(ZSTD(1))   COMMENT 'Person when the event was decided; empty: the profile itself. Today''s person: the views persons and contact_activity.',
    message_id        String                   CODEC(ZSTD(1))   COMMENT 'Message; empty where the source gives none.',
    campaign_id       String                   CODEC(ZSTD(1))   COMMENT 'Campaign; empty where there is none.',
    link              String                   CODEC(ZSTD(1))   COMMENT 'Link clicked, as the source names it.',
    identity          UInt64                   CODEC(ZSTD(1))   COMMENT 'Identity hash, which settles ties of contact state; 0 on types that say nothing about a contact.',
    occurred_at       DateTime64(6, 'UTC')     CODEC(Delta(8), ZSTD(1)) COMMENT 'Source''s time: decides day, cycle and order.',
    arrived_at        DateTime64(3, 'UTC')     CODEC(Delta(8), ZSTD(1)) COMMENT 'Broker''s time (LogAppendTime).',
    is_test           Bool                     CODEC(ZSTD(1))   COMMENT 'Stored and marked, never counted.',
    hits              UInt8                    CODEC(ZSTD(1))   COMMENT '1 an event, 0 a correction.',
    unique_open       Int8                     CODEC(ZSTD(1))   COMMENT 'Signed: sum it.',
    unique_click      Int8                     CODEC(ZSTD(1))   COMMENT 'Signed: sum it.',
    unique_link_click Int8                     CODEC(ZSTD(1))   COMMENT 'Signed: sum it.',
    activity          UInt8                    CODEC(ZSTD(1))   COMMENT '1 if it uses up the allowance.',
    cycle_start       DateTime('UTC')          CODEC(ZSTD(1))   COMMENT 'Start of the billing cycle of occurred_at; 1970-01-01 where the event is no activity.',
    corrects          UInt64                   CODEC(ZSTD(1))   COMMENT 'Identity hash of the event that a correction corrects; 0 for an event.',
    properties        Map(String, String)      CODEC(ZSTD(1))   COMMENT 'Whatever else the source says.',
    attributes        Map(String, String)      CODEC(ZSTD(1))   COMMENT 'Contact fields of profile events.',
    origin_topic      LowCardinality(String)                    COMMENT 'Source topic without the deployment''s prefix; empty on a correction.',
    origin_partition  UInt16                   CODEC(ZSTD(1))   COMMENT 'Source partition; the same as the journal''s.',
    origin_offset     UInt64                   CODEC(Delta(8), ZSTD(1)) COMMENT 'Source offset; 0 on a correction.',
    journal_partition UInt16                   CODEC(ZSTD(1))   COMMENT 'Journal partition.',
    journal_offset    UInt64                   CODEC(Delta(8), ZSTD(1)) COMMENT 'Journal record that decided this row.',
    INDEX profile_idx profile_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ${REPLICATED}MergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (account_id, type, toDate(occurred_at), profile_id)
SETTINGS ${WINDOW}, min_bytes_for_wide_part = 134217728, merge_selector_base = 32, min_parts_to_merge_at_once = 16
COMMENT 'Every accepted event once (hits = 1) and every correction (hits = 0). Sum the columns; never count rows.';

CREATE TABLE IF NOT EXISTS ${DB}.engagement ${ON_CLUSTER}
(
    account_id        LowCardinality(String)            COMMENT 'Tenant.',
    day               Date                              COMMENT 'UTC day of occurred_at.',
    channel           LowCardinality(String)            COMMENT 'Channel; empty for profile, account and crm events.',
    campaign_id       String             CODEC(ZSTD(1)) COMMENT 'Campaign; empty where there is none.',
    type              LowCardinality(String)            COMMENT 'Canonical type.',
    topic             LowCardinality(String)            COMMENT 'Source topic; empty on corrections.',
    partition         UInt16                            COMMENT 'Source partition.',
    accepted          UInt64                            COMMENT 'Events, tests included: for conservation.',
    hits              UInt64                            COMMENT 'Events, tests excluded.',
    unique_open       Int64                             COMMENT 'Unique opens, corrections included.',
    unique_click      Int64                             COMMENT 'Unique clicks, corrections included.',
    unique_link_click Int64                             COMMENT 'Unique link clicks, corrections included.',
    activities        UInt64                            COMMENT 'Events that use up the allowance.'
)
ENGINE = ${REPLICATED}SummingMergeTree((accepted, hits, unique_open, unique_click, unique_link_click, activities))
PARTITION BY toYYYYMM(day)
ORDER BY (account_id, day, channel, campaign_id, type, topic, partition)
SETTINGS ${WINDOW}, merge_selector_base = 32, min_parts_to_merge_at_once = 16
COMMENT 'Rollup of events, summed while parts merge: several rows a key until then. Read it through the views.';

CREATE TABLE IF NOT EXISTS ${DB}.profile_seen ${ON_CLUSTER}
(
    account_id   LowCardinality(String)                                                             COMMENT 'Tenant.',
    profile_id   String                                             CODEC(ZSTD(1))                  COMMENT 'Profile that an event named.',
    channel      LowCardinality(String)                                                             COMMENT 'Channel; empty for profile, account and crm events.',
    first_at     SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta(8), ZSTD(1))        COMMENT 'First event.',
    last_at      SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta(8), ZSTD(1))        COMMENT 'Last event.',
    active_at    SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(ZSTD(1))                  COMMENT 'Last event of a type that the person did itself; 1970-01-01 without any.',
    delivered_at SimpleAggregateFunction(max, UInt128)              CODEC(ZSTD(1))                  COMMENT 'Moment (see profile_state) of the last email or SMS delivered; 0 without any.'
)
ENGINE = ${REPLICATED}AggregatingMergeTree
ORDER BY (account_id, profile_id, channel)
SETTINGS ${WINDOW}, merge_selector_base = 32, min_parts_to_merge_at_once = 16
COMMENT 'Profiles that events named, tests aside, by channel. The ones that persons lists without a merge or split of theirs.';

-- A moment is a pair (occurred_at, identity hash) as one number that sorts like it: microseconds * 2^64 + identity.
CREATE TABLE IF NOT EXISTS ${DB}.profile_state ${ON_CLUSTER}
(
    account_id LowCardinality(String)                                                                 COMMENT 'Tenant.',
    profile_id String                                                                  CODEC(ZSTD(1)) COMMENT 'Profile that it is said of: today''s person takes it along.',
    kind       LowCardinality(String)                                                                 COMMENT 'What it is about: an attribute (email, first_name, ...), email_flag, email_hard, email_soft, newsletter, points, cart, product, segment, ...',
    item       String                                                                  CODEC(ZSTD(1)) COMMENT 'Which segment or product; empty elsewhere.',
    last       SimpleAggregateFunction(max, Tuple(moment UInt128, value String))       CODEC(ZSTD(1)) COMMENT 'The last event about it, and what it says.',
    three      AggregateFunction(groupArraySorted(3), Int128)                          CODEC(ZSTD(1)) COMMENT 'Of soft bounces the moments of the three latest, negative; empty elsewhere.',
    times      SimpleAggregateFunction(sum, UInt64)                                    CODEC(ZSTD(1)) COMMENT 'Of purchases how many; 0 elsewhere.',
    amount     SimpleAggregateFunction(sum, Decimal(38, 4))                            CODEC(ZSTD(1)) COMMENT 'Of purchases their values'' sum; 0 elsewhere.'
)
ENGINE = ${REPLICATED}AggregatingMergeTree
ORDER BY (account_id, profile_id, kind, item)
SETTINGS ${WINDOW}, merge_selector_base = 32, min_parts_to_merge_at_once = 16
COMMENT 'What events say about a contact, by profile, whatever their order of arrival. Read it through contacts.';

CREATE TABLE IF NOT EXISTS ${DB}.person_map ${ON_CLUSTER}
(
    account_id        LowCardinality(String)            COMMENT 'Tenant.',
    profile_id        String             CODEC(ZSTD(1)) COMMENT 'Profile that a merge or split touched.',
    person_id         String             CODEC(ZSTD(1)) COMMENT 'Person that it stands for since then.',
    version           UInt64                            COMMENT 'journal_offset * 65536 + number within the record: the highest holds.',
    journal_partition UInt16                            COMMENT 'Journal partition.',
    journal_offset    UInt64             CODEC(Delta(8), ZSTD(1)) COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(version)
ORDER BY (account_id, profile_id)
SETTINGS ${WINDOW}
COMMENT 'Whom a profile stands for; profiles never merged or split are absent. Always argMax(person_id, version): merging parts only saves space.';

CREATE TABLE IF NOT EXISTS ${DB}.person_members ${ON_CLUSTER}
(
    account_id LowCardinality(String)                COMMENT 'Tenant.',
    person_id  String                 CODEC(ZSTD(1)) COMMENT 'Person.',
    profile_id String                 CODEC(ZSTD(1)) COMMENT 'Profile that stood for it at some time; person_map says whether it still does.'
)
ENGINE = ${REPLICATED}ReplacingMergeTree
ORDER BY (account_id, person_id, profile_id)
SETTINGS ${WINDOW}
COMMENT 'The way back from a person to its profiles: candidates, for person_map to confirm.';

CREATE TABLE IF NOT EXISTS ${DB}.allowance ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    cycle_start       DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    cycle_end         DateTime('UTC')        COMMENT 'First instant after it.',
    allowance         Nullable(UInt64)       COMMENT 'Activities that the plan grants; null without a plan.',
    used              UInt64                 COMMENT 'As corrected: all activities of the cycle so far.',
    used_as_closed    UInt64                 COMMENT 'Those that had arrived before the cycle''s end.',
    version           UInt64                 COMMENT 'journal_offset * 65536 + number within the record: the highest holds.',
    journal_partition UInt16                 COMMENT 'Journal partition.',
    journal_offset    UInt64                 COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(version)
ORDER BY (account_id, cycle_start)
SETTINGS ${WINDOW}
COMMENT 'Absolute numbers of a cycle after a journal record. Always argMax by version: merging parts only saves space.';

CREATE TABLE IF NOT EXISTS ${DB}.alerts ${ON_CLUSTER}
(
    account_id        LowCardinality(String) COMMENT 'Tenant.',
    cycle_start       DateTime('UTC')        COMMENT 'First instant of the billing cycle.',
    kind              LowCardinality(String) COMMENT 'threshold or forecast.',
    threshold         Float64                COMMENT 'Share of the allowance that was crossed.',
    used              UInt64                 COMMENT 'Activities at that moment.',
    allowance         UInt64                 COMMENT 'Activities that the plan grants.',
    occurred_at       DateTime64(6, 'UTC')   COMMENT 'Of the event that crossed it.',
    plan              UInt64                 COMMENT 'Identity hash of the plan''s event.',
    journal_partition UInt16                 COMMENT 'Journal partition.',
    journal_offset    UInt64                 COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}MergeTree
ORDER BY (account_id, cycle_start, kind, threshold)
SETTINGS ${WINDOW}
COMMENT 'Every alert, once.';

CREATE TABLE IF NOT EXISTS ${DB}.rejects ${ON_CLUSTER}
(
    account_id        String             CODEC(ZSTD(1)) COMMENT 'Tenant; empty where it could not be read.',
    reason            LowCardinality(String)            COMMENT 'Why it was not counted.',
    detail            String             CODEC(ZSTD(1)) COMMENT 'For people: the field, or both coordinates.',
    arrived_at        DateTime64(3, 'UTC')              COMMENT 'Broker''s time.',
    topic             LowCardinality(String)            COMMENT 'Source topic without the deployment''s prefix.',
    partition         UInt16                            COMMENT 'Source partition.',
    offset            UInt64                            COMMENT 'Source offset.',
    raw               String             CODEC(ZSTD(3)) COMMENT 'The record''s bytes, not text; the head of a large one.',
    size              UInt64                            COMMENT 'Bytes of the whole record.',
    journal_partition UInt16                            COMMENT 'Journal partition.',
    journal_offset    UInt64                            COMMENT 'Journal record that decided this row.'
)
ENGINE = ${REPLICATED}MergeTree
PARTITION BY toYYYYMM(arrived_at)
ORDER BY (account_id, reason, arrived_at)
SETTINGS ${WINDOW}
COMMENT 'Every rejected event, with its bytes.';

CREATE TABLE IF NOT EXISTS ${DB}.duplicates ${ON_CLUSTER}
(
    topic     LowCardinality(String)            COMMENT 'Source topic without the deployment''s prefix.',
    partition UInt16                            COMMENT 'Source partition.',
    source    String             CODEC(ZSTD(1)) COMMENT 'Who sent them.',
    reason    LowCardinality(String)            COMMENT 'Where the first copy was met.',
    events    UInt64                            COMMENT 'Duplicates.'
)
ENGINE = ${REPLICATED}SummingMergeTree((events))
ORDER BY (topic, partition, source, reason)
SETTINGS ${WINDOW}
COMMENT 'Duplicates counted, summed while parts merge. Sum it.';

CREATE TABLE IF NOT EXISTS ${DB}.intake ${ON_CLUSTER}
(
    topic      LowCardinality(String) COMMENT 'Source topic without the deployment''s prefix.',
    partition  UInt16                 COMMENT 'Source partition.',
    read       UInt64                 COMMENT 'Events read.',
    accepted   UInt64                 COMMENT 'Of these accepted.',
    duplicates UInt64                 COMMENT 'Of these duplicates.',
    rejected   UInt64                 COMMENT 'Of these rejected.'
)
ENGINE = ${REPLICATED}SummingMergeTree((read, accepted, duplicates, rejected))
ORDER BY (topic, partition)
SETTINGS ${WINDOW}
COMMENT 'What the journal says of every source partition, summed while parts merge. Inserted last: the mark that a range is complete.';
