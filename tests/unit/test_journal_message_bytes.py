"""The smallest journal record that may be set holds one event or reject, whatever it says; the default an operation."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.core.decide import decide
from pipeline.core.decode import BODY_BYTES_MAX
from pipeline.core.record import RAW_BYTES_MAX, Link, Record, encode
from pipeline.core.validate import ID_BYTES_MAX, NAMED_MAX
from pipeline.journal.writer import RECORD_OVERHEAD_BYTES
from pipeline.settings import load
from pipeline.settings_faults import SettingsError
from pipeline.settings_tree import JOURNAL_MESSAGE_BYTES_MIN
from tests.events import Event, body, event, frame, slab, split
from tests.partition import Partition

WIDEST = Link((1 << 64) - 1, (1 << 64) - 1, "w" * 249)
DEFAULT = load({}, {}, Path(__file__).parent).topics.journal_message_bytes
NEARLY = 0.97  # of what is allowed
_PLAIN = [chr(code) for code in range(1, 128)]
_WIDE = [chr(code) for code in range(0x80, 0x800)]


def noise(dice: random.Random, size: int, letters: list[str] = _PLAIN) -> str:
    """Text that hardly compresses."""
    return "".join(dice.choices(letters, k=size))


def one_long_property(dice: random.Random) -> dict[str, str]:
    return {"a": noise(dice, BODY_BYTES_MAX)}


def one_long_property_of_wide_letters(dice: random.Random) -> dict[str, str]:
    return {"a": noise(dice, BODY_BYTES_MAX // 2, _WIDE)}


def many_small_properties(dice: random.Random) -> dict[str, str]:
    return {noise(dice, dice.randrange(1, 5)): noise(dice, dice.randrange(3)) for _ in range(300_000)}


def largest(properties: dict[str, str]) -> Event:
    """An event whose body is as large as an event's may be, or some bytes smaller."""
    said = dict(properties)
    while (
        size := len(body(one := event("email_sent", event_id="1", profile_id="p", properties=said)))
    ) > BODY_BYTES_MAX:
        name, value = said.popitem()
        over = size - BODY_BYTES_MAX
        if over < len(value):
            said[name] = value[: len(value) - over]
        for _ in range(min(over // 8, len(said) - 1)):
            said.popitem()
    return one


def record(value: bytes, topic: str = "events.email") -> Record:
    return Partition().send_slabs([slab(topic, 0, value)])


def message(one: Record) -> int:
    return len(encode(one, WIDEST)) + RECORD_OVERHEAD_BYTES


@pytest.mark.parametrize("properties", [one_long_property, one_long_property_of_wide_letters, many_small_properties])
def test_a_record_of_the_largest_event_fits_into_the_smallest_message(
    properties: Callable[[random.Random], dict[str, str]], seed: int
) -> None:
    value = frame(largest(properties(random.Random(seed))))
    assert len(value) > BODY_BYTES_MAX * NEARLY
    decided = record(value)
    assert decided.accepted == 1
    assert message(decided) <= JOURNAL_MESSAGE_BYTES_MIN


def test_a_record_of_the_largest_reject_fits_into_the_smallest_message(seed: int) -> None:
    decided = record(b"\x01" + random.Random(seed).randbytes(2 * BODY_BYTES_MAX))
    assert len(decided.rejects[0].raw) == RAW_BYTES_MAX
    assert message(decided) <= JOURNAL_MESSAGE_BYTES_MIN


def test_a_record_of_the_largest_operation_fits_into_the_default_message_and_its_reject_into_the_smallest(
    seed: int,
) -> None:
    dice = random.Random(seed)
    room = BODY_BYTES_MAX // NAMED_MAX - 4
    names = [f"{number:05}{noise(dice, room - 5)}" for number in range(NAMED_MAX - 1)]
    parts = {names[at]: names[at + 1 : at + 49] for at in range(0, len(names), 49)}
    value = frame(split("source", parts, event_id="1", account_id=noise(dice, ID_BYTES_MAX)))
    assert BODY_BYTES_MAX * NEARLY < len(value) <= BODY_BYTES_MAX
    decided = record(value, "events.profile")
    assert decided.accepted == 1
    assert JOURNAL_MESSAGE_BYTES_MIN < message(decided) <= DEFAULT
    partition = Partition()
    refused = decide(partition.state, [slab("events.profile", 0, value)], partition.context, "it does not fit")
    assert message(refused) <= JOURNAL_MESSAGE_BYTES_MIN


@pytest.mark.parametrize(
    ("size", "is_right"), [(JOURNAL_MESSAGE_BYTES_MIN, True), (JOURNAL_MESSAGE_BYTES_MIN - 1, False)]
)
def test_the_setting_s_bound_is_that_size(size: int, is_right: bool, tmp_path: Path) -> None:
    given = {"topics.journal_message_bytes": size}
    if is_right:
        assert load(given, {}, tmp_path).topics.journal_message_bytes == size
    else:
        with pytest.raises(SettingsError, match="JOURNAL_MESSAGE_BYTES"):
            load(given, {}, tmp_path)
