"""The webhook: what is answered decides what is sent again, when, and what is parked; a kill repeats no receipt."""

from __future__ import annotations

import itertools
import signal
import time

import pytest

from pipeline.failpoints import Failpoint
from pipeline.topics import RECEIPTS
from tests.integration.notify_receiver import HANG_SECONDS, Receiver, Reply
from tests.integration.notify_world import SECRET, World, ready, receiving
from tests.integration.sink_world import await_that
from tests.torture.process import Crash, last_words

P = Failpoint
DELIVERY = (P.NOTIFY_BEFORE_REQUEST, P.NOTIFY_ANSWERED, P.NOTIFY_RECEIPTS_SENT, P.NOTIFY_AFTER_RECEIPTS)
RETRY_AFTER_SECONDS = 3


world = pytest.fixture(ready)
receiver = pytest.fixture(receiving)


def test_errors_are_retried_later_each_time_until_the_endpoint_takes_it(world: World, receiver: Receiver) -> None:
    receiver.reply = lambda _id, nth: Reply(500) if nth <= 3 else Reply()
    world.append(2)
    with world.notify(receiver.url):
        world.await_states(delivered=world.total)
    assert world.assert_delivered(receiver) == 0
    for receipt, _ in world.receipts().values():
        assert receipt.attempts == 4
        times = [met.at for met in receiver.met if met.id == receipt.id]
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert all(wait >= 0.1 * 2**n for n, wait in enumerate(waits)), waits  # 200 ms, less the jitter's half


def test_an_endpoint_that_asks_to_wait_is_waited_for(world: World, receiver: Receiver) -> None:
    later = Reply(429, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    receiver.reply = lambda _id, nth: later if nth == 1 else Reply()
    world.append(1, most=1)
    world.append(1)
    with world.notify(receiver.url):
        world.await_states(delivered=world.total)
    for id_ in receiver.taken():
        first, second = (met.at for met in receiver.met if met.id == id_)
        assert second - first >= RETRY_AFTER_SECONDS


def test_what_is_gone_or_fails_for_the_last_time_is_parked_listed_and_sent_again_when_asked(
    world: World, receiver: Receiver
) -> None:
    world.append(4)
    ids = [alert.id for of in world.expected.values() for alert in of]
    gone = set(ids[: len(ids) // 2])
    receiver.reply = lambda id_, _nth: Reply(410) if id_ in gone else Reply(500)
    with world.notify(receiver.url, TALLY_NOTIFY__ATTEMPTS_MAX="2") as running:
        world.await_states(parked=world.total)
        parked = {row["id"]: row for row in world.listed("--state", "parked")}
        assert {id_: row["attempts"] for id_, row in parked.items()} == {i: 1 if i in gone else 2 for i in ids}
        assert "it is gone" in parked[ids[0]]["error"]
        assert "last of 2 tries" in parked[ids[-1]]["error"]
        requests = len(receiver.met)
        dry = world.tally("alerts", "retry", "--parked", "--dry-run")
        assert (dry.returncode, f"{len(ids)} alerts would be sent again" in dry.stderr) == (0, True), dry.stderr
        receiver.reply = lambda _id, _nth: Reply()
        assert world.tally("alerts", "retry", ids[0]).returncode == 0
        world.await_states(parked=world.total - 1, delivered=1)
        again = world.tally("alerts", "retry", ids[0])
        assert again.returncode == 1
        assert "delivered at" in again.stderr
        assert "it is not sent again" in again.stderr
        assert world.tally("alerts", "retry", "0" * 32).returncode == 1
        assert world.tally("alerts", "retry").returncode == 2
        assert len(receiver.met) == requests + 1
        assert world.tally("alerts", "retry", "--parked").returncode == 0
        world.await_states(delivered=world.total)
        assert running.stop() == 0
    assert world.assert_delivered(receiver) == 0
    account = world.expected[0][0].account_id
    assert [row["account_id"] for row in world.listed("--account", account)] == [account]


def test_asked_for_while_nothing_runs_it_is_sent_by_the_next_one(world: World, receiver: Receiver) -> None:
    world.append(3)
    receiver.reply = lambda _id, _nth: Reply(410)
    with world.notify(receiver.url) as running:
        world.await_states(parked=world.total)
        assert running.stop() == 0
    assert world.tally("alerts", "retry", "--parked").returncode == 0
    world.await_states(asked=world.total)
    receiver.reply = lambda _id, _nth: Reply()
    with world.notify(receiver.url):
        world.await_states(delivered=world.total)
    assert world.assert_delivered(receiver) == 0


def test_an_endpoint_that_hangs_stops_no_projection_and_gets_everything_once_it_wakes(
    world: World, receiver: Receiver
) -> None:
    receiver.reply = lambda _id, _nth: Reply(hang=True)
    world.append(30)
    began = time.monotonic()
    with world.notify(receiver.url, TALLY_NOTIFY__TIMEOUT_SECONDS="1") as running:
        await_that(world.is_projected, lambda: f"{world.total}, there are {world.alerts()}")
        assert time.monotonic() - began < HANG_SECONDS
        await_that(lambda: "retrying" in world.states(), lambda: f"a failed try:\n{running.log}")
        assert all("no answer within 1 s" in str(receipt.error) for receipt, _ in world.receipts().values())
        receiver.reply = lambda _id, _nth: Reply()
        world.await_states(delivered=world.total)
    world.assert_projected()
    assert world.assert_delivered(receiver) == 0


def test_an_endpoint_that_is_away_is_tried_until_it_is_there(world: World, receiver: Receiver) -> None:
    world.append(3)
    receiver.close()
    with world.notify(receiver.url) as running:
        await_that(lambda: world.states()["retrying"] == world.total, lambda: running.log)
        assert {receipt.status for receipt, _ in world.receipts().values()} == {None}
    there = Receiver(SECRET)
    try:
        with world.notify(there.url):
            world.await_states(delivered=world.total)
        assert world.assert_delivered(there) == 0
    finally:
        there.close()


@pytest.mark.parametrize("point", DELIVERY, ids=lambda point: point.label)
def test_killed_around_a_request_nothing_is_sent_after_its_receipt(
    world: World, receiver: Receiver, point: Failpoint
) -> None:
    world.append(8)
    with world.notify(receiver.url, crashes=[Crash(point, 2)]) as running:
        assert running.process.wait(60) == -signal.SIGKILL, running.log
        assert last_words(point) in running.log
    with world.notify(receiver.url):
        world.await_states(delivered=world.total)
    world.assert_projected()
    twice = world.assert_delivered(receiver)
    assert twice <= 8  # what was open then; each has its id for the receiver to know it by
    if point is P.NOTIFY_AFTER_RECEIPTS:
        assert [met.id for met in receiver.met].count(receiver.met[0].id) == 1


def test_alerts_older_than_news_are_parked_when_an_endpoint_is_first_set(world: World, receiver: Receiver) -> None:
    world.append(3)
    with world.notify() as running:
        await_that(world.is_projected, lambda: running.log)
    assert world.tally("alerts", "list").returncode == 0
    old = {"TALLY_NOTIFY__FRESH_HOURS": "1"}
    world.append_old(hours=2)
    with world.notify(receiver.url, **old):
        await_that(lambda: sum(world.states().values()) == world.total, lambda: f"{world.states()}")
        world.await_states(delivered=world.total - 2, parked=2)
    assert all("which is no news" in row["error"] for row in world.listed("--state", "parked"))


def test_what_others_write_to_the_receipts_is_passed_over(world: World, receiver: Receiver) -> None:
    world.write(RECEIPTS, 0, b"stray")
    world.append(3)
    with world.notify(receiver.url) as running:
        await_that(lambda: len(receiver.taken()) == world.total, lambda: running.log)
        running.await_line("is not tally's")
        assert running.stop() == 0
    assert {row["state"] for row in world.listed()} == {"delivered"}
