"""Damaged journal records and snapshots: what cannot be read is said to be so by the errors that readers know."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.core import state
from pipeline.core.framing import frame
from pipeline.core.record import FORMAT, HEAD_BYTES_MAX, NotARecord, UnknownFormat, decode, read_link
from pipeline.state.snapshots import Doubtful, Header, Snapshots, read_columns, read_header
from pipeline.state.store import Mark
from tests.events import NOON_MS, NOON_US
from tests.fuzz.bodies import Storm, damaged
from tests.fuzz.storms import CONTEXT, World
from tests.fuzz.wire import INT64_MAX, INT64_MIN, long
from tests.property.budget import TIMES
from tests.property.running import frozen

HEADS = 50_000 * TIMES
RECORDS = 2_000 * TIMES
SNAPSHOTS = 1_500 * TIMES
BATCHES, VALUES = 12, 200  # of the world whose journal and state are damaged
FORMATS = (0, *[FORMAT] * 3, FORMAT + 1, -1, INT64_MAX, INT64_MIN)


@pytest.fixture(scope="module")
def world(seed: int) -> World:
    """A partition that has seen some of everything."""
    storm, made = Storm(random.Random(f"{seed} fuzz journal")), World()
    for n in range(BATCHES):
        made.send(storm.values(VALUES, NOON_US), NOON_MS + n)
    return made


def test_the_head_of_anything_is_a_place_in_the_chain_or_no_record(world: World, seed: int) -> None:
    dice, found = random.Random(f"{seed} fuzz heads"), Counter[str]()
    for _ in range(HEADS):
        own = frame(1, b"".join(long(dice.choice(FORMATS)) for _ in range(dice.randrange(4))))
        value = damaged(dice.choice((dice.choice(world.journal)[:HEAD_BYTES_MAX], own)), dice)
        try:
            link = read_link(value)
        except (NotARecord, UnknownFormat) as error:
            found[type(error).__name__] += 1
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r} for {value.hex()}") from error
        assert 0 <= min(link.id, link.prev) <= max(link.id, link.prev) < 1 << 64
        found["a place"] += 1
    assert set(found) == {"NotARecord", "UnknownFormat", "a place"}


def test_a_damaged_record_is_read_or_said_to_be_damaged(world: World, seed: int) -> None:
    dice, found = random.Random(f"{seed} fuzz records"), Counter[str]()
    for _ in range(RECORDS):
        value = damaged(dice.choice(world.journal), dice)
        try:
            decode(value)
        except (NotARecord, UnknownFormat) as error:
            found[type(error).__name__] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r} for {value.hex()}") from error
        else:
            found["read"] += 1
    assert set(found) <= {"NotARecord", "UnknownFormat", "Damaged", "read"} and found["Damaged"] > RECORDS // 3


@pytest.mark.filterwarnings("ignore")  # numpy takes a column's head for Python text, and warns of its style
def test_a_damaged_snapshot_is_doubted_or_as_it_was(world: World, seed: int, tmp_path: Path) -> None:
    dice = random.Random(f"{seed} fuzz snapshots")
    header = Header(3, Mark(7, 8, 9), {"events.email": 4}, CONTEXT.rules, {"events.email": "x"}, 4)
    columns = state.freeze(world.state).copied()
    path = Snapshots(tmp_path).write(header, columns)
    files = sorted(path.iterdir())
    whole = {file: file.read_bytes() for file in files}
    doubted = 0
    for _ in range(SNAPSHOTS):
        file = dice.choice(files)
        head = whole[file][:200] if dice.random() < 0.7 else whole[file]  # numpy's own header lies there
        changed = damaged(head, dice) + whole[file][len(head) :]
        file.write_bytes(changed)
        try:
            again = (read_header(path), {name: column.tobytes() for name, column in read_columns(path).items()})
        except Doubtful:
            doubted += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r} for {file.name} beginning {changed[:256].hex()}") from error
        else:
            assert again == (header, {name: column.tobytes() for name, column in columns.items()})
        file.write_bytes(whole[file])
    assert doubted > SNAPSHOTS // 2
    assert frozen(state.from_columns(read_columns(path))) == frozen(world.state)


def test_a_snapshot_without_one_of_its_files_is_doubted(world: World, tmp_path: Path) -> None:
    header = Header(3, Mark(7, 8, 9), {}, CONTEXT.rules, {}, 0)
    path = Snapshots(tmp_path / "whole").write(header, state.columns(world.state))
    for file in sorted(path.iterdir()):
        lacking = tmp_path / "lacking"
        shutil.copytree(path, lacking)
        (lacking / file.name).unlink()
        with pytest.raises(Doubtful, match="cannot be read"):
            read_columns(lacking)
        shutil.rmtree(lacking)
