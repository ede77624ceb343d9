"""A million damaged Avro bodies through decode, decide and fold: no exception, no hang, exactly one fate for each.

They come in worlds, each a partition from its empty state on, each of its own number of the run's seed.
"""

from __future__ import annotations

import faulthandler
import random
import sys
from collections.abc import Iterator
from time import process_time

import pytest

from pipeline.core.decode import payload, read, why_undecodable
from pipeline.core.reasons import Reject
from tests.events import NOON_MS, NOON_US, SCHEMA_IDS, SCHEMAS, body, kind_of, slab, topic_of
from tests.fuzz.bodies import Storm, Value, bombs, events, pattern
from tests.fuzz.storms import World, smallest
from tests.property.budget import TIMES
from tests.property.test_decode import in_words, rows_of

VALUES = 1_000_000  # times TALLY_EXAMPLES
WORLDS = 20
BATCHES = (1, 40, 700, 4000, 4000, 4000)  # values: single ones, and as many as a worker takes at once
DAYS_MS = 20 * 86_400_000  # of a world's stream: facts, identities, cycles and plans are forgotten on the way
ACCEPTED_MIN = 0.2  # of a world: the stages behind decode get their share, or this fuzzes only a decoder
BATCH_S_MAX = 10.0  # of the processor, forty times what 4000 values take
WORLD_S_MAX = 180  # a world takes 4 s on an idle core
HANG_S = 240  # ends the process, also inside a decoder that never returns
COMPARED = 12_000  # values decoded one by one as well
SHOWN = 5  # values of a reproduction


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    faulthandler.dump_traceback_later(HANG_S, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


def in_hex(values: list[Value]) -> list[tuple[str, str | None]]:
    """The first of them, for a report."""
    return [(topic, None if value is None else value.hex()) for topic, value in values[:SHOWN]]


def test_the_pieces_of_an_event_are_its_body_however_its_blocks_are_written() -> None:
    for one in events(random.Random(0)):
        whole = b"".join(pattern(one, "whole").parts)
        assert whole == body(one)
        for blocks in ("sized", "single"):
            again = b"".join(pattern(one, blocks).parts)
            assert payload(SCHEMAS[SCHEMA_IDS[kind_of(topic_of(one["type"]))]], again) == one


@pytest.mark.timeout(WORLD_S_MAX)
@pytest.mark.parametrize("number", range(WORLDS * TIMES))
def test_every_value_of_a_storm_has_one_fate(number: int, seed: int) -> None:
    dice = random.Random(f"{seed} fuzz {number}")
    storm, world, sent, slowest = Storm(dice), World(), 0, 0.0
    while sent < VALUES // WORLDS:
        size = min(dice.choice(BATCHES), VALUES // WORLDS - sent)
        now_ms = NOON_MS + DAYS_MS * sent * WORLDS // VALUES
        values, began = storm.values(size, now_ms * 1000), process_time()
        try:
            world.send(values, now_ms)
        except Exception as error:
            few = smallest(values, now_ms)
            said = f"{len(few)} of {size} values that came behind {sent}, at {now_ms}: {in_hex(few)}"
            raise AssertionError(f"world {number} of seed {seed}: {error!r} for {said}") from error
        sent, slowest = sent + size, max(slowest, process_time() - began)
    assert world.fates.total() == sent
    assert world.is_the_fold()
    assert world.fates["accepted"] > ACCEPTED_MIN * sent
    assert {reason for reason in Reject if not world.fates[reason]} == {Reject.OVERSIZED}
    assert slowest < BATCH_S_MAX


def test_bodies_as_large_as_may_be_have_one_fate_each() -> None:
    world = World()
    for value in bombs():
        began = process_time()
        world.send([value], NOON_MS)
        assert process_time() - began < BATCH_S_MAX
    # Operations among them name more profiles than one may.
    assert world.fates == {"accepted": 2, "duplicate": 0, "oversized": 6, "impossible_field": 4}
    assert world.is_the_fold()


def test_a_value_is_decoded_alone_as_among_others_and_as_the_reference_does(seed: int) -> None:
    values = [v for v in Storm(random.Random(f"{seed} fuzz decode")).values(COMPARED, NOON_US) if v.value is not None]
    by_topic: dict[str, list[bytes]] = {}
    for topic, value in values:
        by_topic.setdefault(topic, []).append(value or b"")
    for topic, found in by_topic.items():
        together = read([slab(topic, 0, *found)], SCHEMAS)
        rows, faults = rows_of(together), {fault.seq: fault for fault in together.faults}
        assert sorted([*rows, *faults]) == list(range(len(found)))
        for seq, value in enumerate(found):
            alone = read([slab(topic, 0, value)], SCHEMAS)
            assert [f._replace(seq=seq) for f in alone.faults] == ([faults[seq]] if seq in faults else []), value.hex()
            if seq in rows:
                schema = alone.groups[0].schema
                assert why_undecodable(schema, value[5:]) is None, value.hex()
                assert in_words(rows[seq]) == in_words(payload(schema, value[5:])), value.hex()
