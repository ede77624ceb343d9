"""The columns of the rows that the sink inserts: what the core and ClickHouse's `events` agree on."""

from __future__ import annotations

import pyarrow as pa

UTC_US, UTC_MS, UTC_S = pa.timestamp("us", "UTC"), pa.timestamp("ms", "UTC"), pa.timestamp("s", "UTC")
_MAP = pa.map_(pa.string(), pa.field("value", pa.string(), nullable=False))  # as the decoder gives it

# Same names as the columns of ClickHouse's `events`; the sink adds journal_partition and journal_offset.
# Null strings mean: the source gave none. person_id is null where the profile stands for itself.
EVENTS = pa.schema(
    [
        ("account_id", pa.string()),
        ("channel", pa.string()),  # empty for profile, account and crm events
        ("type", pa.string()),
        ("source", pa.string()),
        ("vendor_type", pa.string()),
        ("profile_id", pa.string()),
        ("person_id", pa.string()),
        ("message_id", pa.string()),
        ("campaign_id", pa.string()),
        ("link", pa.string()),
        ("identity", pa.uint64()),  # identity hash where ties of contact state need it, else 0
        ("occurred_at", UTC_US),
        ("arrived_at", UTC_MS),
        ("is_test", pa.bool_()),
        ("hits", pa.uint8()),  # 1 an event, 0 a correction
        ("unique_open", pa.int8()),
        ("unique_click", pa.int8()),
        ("unique_link_click", pa.int8()),
        ("activity", pa.uint8()),
        ("cycle_start", UTC_S),  # null where the event is no activity
        ("corrects", pa.uint64()),  # identity hash of the corrected event; 0 for an event
        ("properties", _MAP),
        ("attributes", _MAP),
        ("origin_topic", pa.string()),
        ("origin_offset", pa.uint64()),
    ]
)
