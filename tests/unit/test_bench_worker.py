"""The worker's benches: what they count, and that a wrong run has no figures."""

from __future__ import annotations

import pytest

from connectors.simulator.bulk import Block
from pipeline.core.record import Duplicates, Link, Record, Rejected, Rules, Source, encode
from tests.bench.latency_bench import MARGINAL_US, Waited, fixed
from tests.bench.paced_load import slices
from tests.bench.profile_worker import self_samples, table
from tests.bench.worker_bench import measured
from tests.bench.worker_journal import Entry, Fates, fold
from tests.bench.worker_world import Sample, used_between

RULES = Rules(1, 7, 5, 90, 50, 0)
TOPIC = "events.email"


def record(at: tuple[int, int], first: int, accepted: int, copies: int = 0, rejected: int = 0) -> bytes:
    """A record of the place `at` (id, prev) in the chain that reads a topic from `first` on."""
    source = Source(TOPIC, first, first + accepted + copies + rejected, accepted)
    rejects = [Rejected(TOPIC, first, 0, "a", "unknown_type", "", b"", 0) for _ in range(rejected)]
    return encode(
        Record(RULES, 1, [source], duplicates=[Duplicates(TOPIC, "s", "same", copies)], rejects=rejects),
        Link(*at, "w"),
    )


def test_a_journal_is_folded_by_its_chain_and_a_rivals_record_is_not_counted() -> None:
    journal = [(0, 10, record((1, 0), 0, 5)), (0, 20, record((9, 8), 5, 7)), (0, 30, record((2, 1), 5, 2, 3, 1))]
    found = fold(journal)
    assert found.fates == Fates(7, 3, 1)
    assert found.entries == [Entry(10, 0, ((TOPIC, 0, 5),), 5), Entry(30, 0, ((TOPIC, 5, 11),), 6)]


def test_a_journal_that_skips_events_has_no_figures() -> None:
    with pytest.raises(AssertionError, match="does not go on"):
        fold([(0, 10, record((1, 0), 0, 5)), (0, 30, record((2, 1), 6, 2))])


def test_a_journal_in_which_an_event_has_no_fate_has_no_figures() -> None:
    lost = Record(RULES, 1, [Source(TOPIC, 0, 5, 4)])
    with pytest.raises(AssertionError, match="not every event read has one fate"):
        fold([(0, 10, encode(lost, Link(1, 0, "w")))])


def test_the_cpu_between_two_times_is_interpolated() -> None:
    samples = [Sample(10.0, 1.0, 5.0), Sample(11.0, 2.0, 5.5), Sample(12.0, 2.5, 6.5)]
    assert used_between(samples, 10.5, 11.5) == pytest.approx((0.75, 0.75))


def test_a_backlog_is_measured_behind_its_first_third() -> None:
    entries = [Entry(1000 * second, 0, (), 100) for second in range(1, 10)]
    samples = [Sample(float(second), 0.001 * second, 0.0005 * second) for second in range(11)]
    found = measured(entries, samples, 7.0)
    assert (found.events_s, found.batch_events) == (100.0, 100.0)
    assert found.cpu_us == pytest.approx(10.0)
    assert found.broker_us == pytest.approx(5.0)


def test_a_batchs_fixed_cost_is_what_the_idle_worker_and_the_events_leave() -> None:
    bursts = Waited(0, 0, cores=0.05, broker_cores=0, batches_s=10, rate=100)
    idle = Waited(0, 0, cores=0.02, broker_cores=0, batches_s=0, rate=0)
    (cost,) = fixed([bursts], [idle]).values
    assert cost == pytest.approx((0.05 - 0.02 - 100 * MARGINAL_US / 1e6) / 10 * 1000)


def test_slices_hold_every_record_once_and_each_topic_in_order() -> None:
    topics = {topic: [{"key": b"", "value": b"%d" % n} for n in range(count)] for topic, count in (("a", 90), ("b", 7))}
    parts = list(slices([Block(topics, {})], events=10))
    assert len(parts) == 10
    for topic, records in topics.items():
        assert [one for part in parts for name, of in part if name == topic for one in of] == records


def test_samples_count_for_the_innermost_function_where_it_does_not_wait() -> None:
    stacks = [
        "main (/x/a.py:1);decide (/x/lib/python3.11/site-packages/numpy/core.py:7) 3",
        "main (/x/a.py:1);decide (/x/lib/python3.11/site-packages/numpy/core.py:9) 2",
        "main (/x/a.py:1) 5",
        "main (/x/a.py:1);EpollSelector.select (/x/lib/python3.11/selectors.py:468) 90",
    ]
    counts = self_samples(stacks)
    assert counts == {"decide (numpy/core.py)": 5, "main (/x/a.py)": 5}
    assert "| `decide (numpy/core.py)` | 50.0% |" in table(counts, "a backlog", "today")
