"""What decisions need besides state and batch."""

from __future__ import annotations

from pipeline import topics
from pipeline.core.context import TOPIC_NUMBER, WriterSchema, fingerprint
from pipeline.core.vocabulary import TOPICS
from tests.events import SCHEMAS

FROZEN = 3036213880542628992


def test_topics_keep_their_numbers_for_ever() -> None:
    assert TOPICS == (
        "events.email", "events.sms", "events.push", "events.telegram", "events.whatsapp", "events.viber",
        "events.popup", "events.web", "events.profile", "events.account", "events.crm",
    )  # fmt: skip
    assert topics.SOURCE_TOPICS == TOPICS
    assert [TOPIC_NUMBER[topic] for topic in TOPICS] == list(range(11))


def test_a_fingerprint_tells_seeds_apart_and_never_changes() -> None:
    assert fingerprint(0) != fingerprint(1)
    assert fingerprint(0x7A11) == FROZEN


def test_the_plain_schema_has_no_logical_types_at_any_depth() -> None:
    for schema in SCHEMAS.values():
        assert "logicalType" not in str(schema.plain)
    nested = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "t", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]}],
    }
    assert "logicalType" not in str(WriterSchema.of("channel", nested).plain)
    assert "logicalType" in WriterSchema.of("channel", nested).text
