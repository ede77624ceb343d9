"""Why an event is not counted: the enums that label rejects and duplicates in metrics, journal, tables and docs."""

from enum import StrEnum


class Reject(StrEnum):
    """Reason of a reject; the event's bytes are kept in the dead letters."""

    NOT_FRAMED = "not_framed"  # no Confluent frame (magic byte 0 and schema id), or no value at all
    UNKNOWN_SCHEMA = "unknown_schema"
    OVERSIZED = "oversized"
    UNDECODABLE = "undecodable"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TOPIC = "wrong_topic"
    MISSING_FIELD = "missing_field"
    IMPOSSIBLE_FIELD = "impossible_field"
    NOBODY = "nobody"
    MERGE_WITH_ITSELF = "merge_with_itself"
    PROFILE_NAMED_TWICE = "profile_named_twice"
    TOO_LATE = "too_late"
    IN_THE_FUTURE = "in_the_future"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    TOO_MANY_PROFILES = "too_many_profiles"


class Duplicate(StrEnum):
    """Where the first copy of a duplicate was met."""

    SAME_BATCH = "same_batch"
    REMEMBERED = "remembered"
