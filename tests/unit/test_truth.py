"""The broker's topics against the journal's: every message says what, why it matters and what to do."""

from __future__ import annotations

import pytest

from pipeline.journal.ports import Described
from pipeline.refusal import Refused
from pipeline.state.truth import require_partitions, require_same, require_topics
from tests.contract.worlds import EMAIL, SMS

ALL = (EMAIL, SMS, "journal")
WAITS = "Nothing was skipped: what was decided stays counted, what was published meanwhile waits in the topics. "
ANEW = "begin anew under another TALLY_TOPICS__PREFIX (`tally topics apply` makes its topics) and publish there again"


def found(**counts: int) -> dict[str, Described]:
    """All topics with their ids, 4 partitions each or as given."""
    return {topic: Described(f"id-{topic}", counts.get(topic.rpartition(".")[2], 4)) for topic in ALL}


def refusal(partition: int, began: int, **counts: int) -> str:
    with pytest.raises(Refused) as error:
        require_partitions(partition, began, found(**counts))
    return str(error.value)


def test_topics_that_are_the_ones_that_were_read_are_right() -> None:
    require_topics(ALL, found())
    require_same({EMAIL: f"id-{EMAIL}"}, {EMAIL: 5}, found())
    for partition in range(4):
        require_partitions(partition, 4, found())


def test_a_topic_that_is_gone_is_told() -> None:
    with pytest.raises(Refused) as error:
        require_topics(ALL, {EMAIL: Described("a", 1)})
    assert str(error.value).startswith(f"there is no topic {SMS}, journal: it was deleted, and without it nobody knows")
    assert WAITS in str(error.value)
    assert "Where it was never read, make it with `tally topics apply`. Else a topic made anew is another" in str(
        error.value
    )


def test_topics_made_anew_are_told_with_both_ids_and_positions() -> None:
    with pytest.raises(Refused) as error:
        require_same({EMAIL: "old", SMS: "older"}, {EMAIL: 5}, found())
    assert str(error.value) == (
        "events.email was deleted and made anew: the journal has read the one of id old up to offset 5, the broker "
        "has one of id id-events.email; events.sms was deleted and made anew: the journal has read the one of id older "
        "up to offset 0, the broker has one of id id-events.sms. At the same offsets are other events now, so going on "
        f"would skip or recount some. {WAITS}To go on, {ANEW}, or delete all topics and the journal and make them anew "
        "together"
    )


def test_a_broker_without_topic_ids_is_believed() -> None:
    require_same({EMAIL: "old"}, {EMAIL: 5}, {EMAIL: Described("", 4)})


@pytest.mark.parametrize("counts", [{"sms": 8}, {"email": 8, "sms": 8, "journal": 8}, {"sms": 12, "email": 8}])
def test_with_a_multiple_the_old_partition_numbers_go_on_and_the_new_ones_are_refused(counts: dict[str, int]) -> None:
    for partition in range(4):
        require_partitions(partition, 4, found(**counts))
    for partition in (4, 7):
        said = refusal(partition, 4, **counts)
        assert (
            f"partition {partition} was added, and what comes to it has its history in partition {partition % 4}"
            in said
        )
        assert f"The partitions 0 to 3 go on. {WAITS}Kafka takes no partition away, so to count that, {ANEW}" in said


def test_with_no_multiple_every_partition_is_refused() -> None:
    for partition in range(6):
        said = refusal(partition, 4, sms=6)
        assert said.startswith("events.sms has 6 partitions; the journal began with 4. The number decides in which")
        assert "6 is no multiple of 4, so accounts of every partition went elsewhere, and this one would count" in said
        assert f"{WAITS}Kafka takes no partition away" in said


def test_fewer_partitions_are_no_multiple() -> None:
    assert refusal(0, 4, email=2, sms=2, journal=2).startswith(
        "every topic has 2 partitions; the journal began with 4."
    )


def test_counts_are_told_by_the_topics_that_have_them() -> None:
    assert refusal(5, 4, sms=8, email=8).startswith("each of events.email, events.sms has 8 partitions; the journal")
    assert refusal(5, 4, sms=12, email=8).startswith("events.email has 8 partitions; events.sms has 12 partitions; the")
