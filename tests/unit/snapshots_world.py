"""What the tests of snapshots share: columns, a header, every damage, a story over a log and a folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from pipeline.journal.memory import MemoryLog
from pipeline.state import snapshots as module
from pipeline.state.snapshots import Header
from pipeline.state.store import Mark
from tests.contract.counting import RULES
from tests.contract.worlds import EMAIL, sourced

COLUMNS = {
    "part.plain": np.arange(5, dtype=np.uint64),
    "empty": np.zeros(0, np.float32),
    "packed": np.array([(1, 2)], np.dtype([("a", "<u4"), ("b", "<i8")])),
    "table": np.arange(6).reshape(2, 3),
    "strided": np.arange(10)[::2],
    "flags": np.array([True, False]),
}


def header(next_offset: int = 3) -> Header:
    return Header(2, Mark(0xABC, next_offset - 1, next_offset), {EMAIL: 7}, RULES, {EMAIL: "x"}, 4)


def damage_header(path: Path) -> None:
    file = path / "header.json"
    file.write_text(file.read_text().replace('"events.email": ', '"events.email": 1'))


def cut_header(path: Path) -> None:
    file = path / "header.json"
    file.write_bytes(file.read_bytes()[:-10])


def other_format(path: Path) -> None:
    file = path / "header.json"
    fields = json.loads(file.read_text()) | {"format": module.FORMAT + 1}
    file.write_text(json.dumps(fields))


def flip_a_bit(path: Path) -> None:
    file = path / "next.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def cut_a_column(path: Path) -> None:
    file = path / "next.npy"
    file.write_bytes(file.read_bytes()[:-1])


def lose_a_column(path: Path) -> None:
    (path / "next.npy").unlink()


DAMAGES = [damage_header, cut_header, other_format, flip_a_bit, cut_a_column, lose_a_column]
Story = Callable[[MemoryLog, Path], Awaitable[None]]


def run(story: Story, folder: Path) -> None:
    async def whole() -> None:
        await story(await sourced(MemoryLog()), folder)

    asyncio.run(whole())
