"""The alerts' service on real Kafka, with a real receiver: the journal's alerts, each once, whoever dies."""

from __future__ import annotations

import signal
import time

import pytest

from pipeline.failpoints import Failpoint
from pipeline.topics import ALERTS, JOURNAL
from tests.integration.notify_receiver import Receiver, Reply
from tests.integration.notify_world import SECRET, World, ready, receiving, sleep_random
from tests.integration.sink_journal import RULES
from tests.integration.sink_values import chained
from tests.integration.sink_world import await_that
from tests.torture.process import Crash, last_words

KILLS = 5
P = Failpoint
PROJECTION = (P.NOTIFY_BEGUN, P.NOTIFY_BEFORE_ALERTS, P.NOTIFY_ALERTS_SENT, P.NOTIFY_AFTER_ALERTS)


world = pytest.fixture(ready)
receiver = pytest.fixture(receiving)


def await_projected(world: World) -> None:
    await_that(world.is_projected, lambda: f"{world.total} alerts, there are {world.alerts()}")


def test_the_topic_has_the_journals_alerts_and_the_receiver_gets_each_once(world: World, receiver: Receiver) -> None:
    world.append(20)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        world.append(5)
        world.await_states(delivered=world.total)
        assert running.stop() == 0, running.log
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0
    body = {met.id: met.body for met in receiver.met}
    for alert in (alert for of in world.expected.values() for alert in of):
        said = body[alert.id]
        forecast = alert.kind == "forecast"
        assert said["type"] == ("allowance.forecast" if forecast else "allowance.threshold_crossed")
        assert said["data"]["account_id"] == alert.account_id
        assert said["data"]["journal"]["record"] == alert.journal_record
    assert SECRET not in running.log
    assert "/hook/path" not in running.log


def test_without_an_address_alerts_go_to_the_topic_alone(world: World) -> None:
    world.append(10)
    with world.notify() as running:
        await_projected(world)
        assert running.stop() == 0
    assert {row["state"] for row in world.listed()} == {"waiting"}
    world.assert_projected()


def test_killed_at_any_point_it_repeats_and_misses_none(world: World, receiver: Receiver) -> None:
    receiver.reply = lambda _id, nth: Reply() if nth > 1 or world.dice.random() < 0.7 else Reply(503)
    for _ in range(KILLS):
        world.append(6)
        with world.notify(receiver.url) as running:
            running.await_line("reading the journal's alerts")
            sleep_random(world.dice, 4.0)
            running.kill()
    world.append(6)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        assert running.stop() == 0, running.log
    world.assert_projected()
    world.assert_delivered(receiver)


@pytest.mark.parametrize("point", PROJECTION, ids=lambda point: point.label)
def test_killed_between_two_effects_it_repeats_and_misses_none(world: World, point: Failpoint) -> None:
    world.append(6)
    with world.notify(crashes=[Crash(point, 2)]) as running:
        await_that(lambda: running.process.poll() is not None or world.is_projected(), lambda: running.log)
        world.append(6)
        assert running.process.wait(30) == -signal.SIGKILL, running.log
        assert last_words(point) in running.log
    with world.notify() as running:
        await_projected(world)
    world.assert_projected()


def test_offsets_that_expired_or_were_set_back_repeat_none(world: World, receiver: Receiver) -> None:
    world.append(10)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        assert running.stop() == 0
    world.forget_offsets()
    world.append(3)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        assert running.stop() == 0
    world.set_back(world.name, JOURNAL, 0)
    world.set_back(f"{world.name}-webhook", ALERTS, 0)
    world.append(3)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        running.await_line("does not fit the last alert")
        assert running.stop() == 0
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0


def test_one_that_slept_while_another_took_over_writes_nothing_and_wakes_up_well(
    world: World, receiver: Receiver
) -> None:
    world.append(6)
    with world.notify(receiver.url) as first:
        world.await_states(delivered=world.total)
        first.process.send_signal(signal.SIGSTOP)
        world.append(6)
        with world.notify(receiver.url) as second:
            world.await_states(delivered=world.total)
            first.process.send_signal(signal.SIGCONT)
            world.append(6)
            world.await_states(delivered=world.total)
            first.await_line("partitions now: none")
            world.append(3)
            world.await_states(delivered=world.total)
            assert (first.stop(), second.stop()) == (0, 0)
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0


def test_two_share_the_partitions_and_hand_them_over_without_a_repetition(world: World, receiver: Receiver) -> None:
    receiver.reply = lambda _id, _nth: (time.sleep(0.05), Reply())[1]
    world.append(20)
    with world.notify(receiver.url) as first, world.notify(receiver.url) as second:
        first.await_line("sending alerts of partitions")
        second.await_line("sending alerts of partitions")
        world.append(20)
        sleep_random(world.dice, 2.0)
        assert first.stop() == 0, first.log
        world.append(5)
        world.await_states(delivered=world.total)
        assert second.stop() == 0, second.log
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0, f"{first.log}\n{second.log}"


def test_a_journal_replaced_behind_it_is_refused_with_the_way_out(world: World) -> None:
    world.append(10)
    with world.notify() as running:
        await_projected(world)
        assert running.stop() == 0
    world.delete_topics(JOURNAL)
    world.make_topics()
    from pipeline.core import record as journal

    others = [journal.Record(RULES, n, []) for n in range(30)]
    for partition in range(2):
        world.append_journal(partition, chained(others, world.dice))
    with world.notify() as running:
        running.await_line("is refused")
        assert "truncated or replaced. To begin anew with this journal" in running.log
        assert running.stop() == 0
    assert world.alerts() == world.expected


def test_a_topic_made_anew_is_filled_again_and_nothing_is_sent_again(world: World, receiver: Receiver) -> None:
    world.append(10)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        assert running.stop() == 0
    world.delete_topics(ALERTS)
    world.make_topics()
    world.append(3)
    with world.notify(receiver.url) as running:
        world.await_states(delivered=world.total)
        assert running.stop() == 0
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0
