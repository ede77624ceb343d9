"""A member with a name that the broker fences: by itself, behind a broken connection, or by another process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.group import Commit, Member, Reading
from connectors.kafka_faults import KafkaAway, PartitionLost
from connectors.local.keeper import Keeper
from pipeline.settings import load
from tests.torture.broker import Broker

TOPIC = "fenced"
NAME = "sink-1"
JOIN_SECONDS = 60.0  # a broker that was killed, and a group whose members are not known to it any more


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    keeper = Keeper()
    made = Broker(tmp_path_factory.mktemp("broker"), keeper)
    made.start()
    try:
        admin = AdminClient({"bootstrap.servers": made.address})
        admin.create_topics([NewTopic(TOPIC, 2)])[TOPIC].result(30)
        yield made
    finally:
        made.stop()
        keeper.close()


@pytest.fixture
def member(broker: Broker, tmp_path: Path) -> Iterator[Member]:
    """In a group of its own, with both partitions."""
    settings = load({"home": str(tmp_path), "kafka.bootstrap_servers": broker.address})
    with closing(Member(settings, Reading("sink", f"g{secrets.token_hex(4)}", "", TOPIC, name=NAME))) as made:
        made.open()
        _served(made, lambda: len(made.assigned) == 2)
        yield made


def _served(member: Member, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"assigned: {member.assigned}"
        try:
            member.poll(0.1)
        except KafkaAway:
            time.sleep(0.1)


def _joined_by_another(member: Member, broker: Broker) -> None:
    """Somebody joins under the same name, has the partitions and is gone without leaving."""
    group = member._reading.group_id
    asked = {"bootstrap.servers": broker.address, "group.id": group, "group.instance.id": NAME}
    mine: list[int] = []
    with closing(Consumer(asked | {"partition.assignment.strategy": "range"})) as other:
        other.subscribe([TOPIC], on_assign=lambda _, places: mine.extend(place.partition for place in places))
        deadline = time.monotonic() + JOIN_SECONDS
        while not mine:
            assert time.monotonic() < deadline
            other.poll(0.1)


def test_a_member_fenced_by_its_own_former_self_joins_anew_and_commits(member: Member, broker: Broker) -> None:
    broker.kill()
    _served(member, lambda: not _answers(member))
    broker.start()
    _served(member, lambda: _is_committed(member))
    before = member.rebalances
    _joined_by_another(member, broker)
    _served(member, lambda: member.rebalances > before and len(member.assigned) == 2 and _is_committed(member))
    assert member.committed(0) == Commit(0, "said")


def _answers(member: Member) -> bool:
    try:
        member.poll(0.1)
    except KafkaAway:
        return False
    return True


def _is_committed(member: Member) -> bool:
    try:
        member.commit({0: Commit(0, "said")})
    except (KafkaAway, PartitionLost):
        return False
    return True


def test_a_member_whose_name_another_process_took_ends(member: Member, broker: Broker) -> None:
    _joined_by_another(member, broker)
    with pytest.raises(KafkaException) as ended:
        _served(member, lambda: False)
    assert ended.value.args[0].code() == KafkaError._FATAL
