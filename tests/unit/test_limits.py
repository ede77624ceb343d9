"""The stated bounds: docs/limits.md has the numbers of the code, and a run that goes past them or loses is told."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.columns import GROWN
from pipeline.core.deduplicate import FIELDS as SEEN
from pipeline.core.facts import FactLog
from pipeline.core.persons import Persons
from pipeline.core.state import HELD
from pipeline.core.table import SMALL_ROWS, HashTable
from pipeline.settings import Settings, load
from tests.limits import bounds, memory
from tests.limits.bounds import MIB, Flow
from tests.limits.memory import SAMPLE_SECONDS, Sampler, Unsampled, Watched, sample
from tests.limits.scenarios import exceeded, lost
from tests.limits.stage import Fates

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
USUAL_BYTES = 300
STEP = 10_000  # keys of an insert: a batch


def settings(tmp_path: Path, **given: object) -> Settings:
    return load({name.replace("__", "."): value for name, value in given.items()}, {}, tmp_path)


def rows(columns: int) -> dict[str, tuple[int, ...]]:
    """Rows of the page's tables with so many columns of numbers."""
    number = r" \*{0,2}([\d,]+)\*{0,2} \|"
    found = re.findall(rf"^\| \*{{0,2}}([^|*]+)\*{{0,2}} \|{number * columns}", PAGE, re.MULTILINE)
    return {name: tuple(int(text.replace(",", "")) for text in numbers) for name, *numbers in found}


def mib(parts: dict[str, int]) -> dict[str, int]:
    return {**{name: size // MIB for name, size in parts.items()}, "together": sum(parts.values()) // MIB}


def test_the_page_has_the_workers_bound_part_by_part(tmp_path: Path) -> None:
    usual = mib(bounds.worker(settings(tmp_path), Flow(event_bytes=USUAL_BYTES)))
    worst = mib(bounds.worker(settings(tmp_path), Flow()))
    assert rows(2) == {name: (usual[name], worst[name]) for name in usual}


def test_the_page_has_the_sinks_bound_part_by_part(tmp_path: Path) -> None:
    said = rows(1)
    stated = mib(bounds.of_sink(settings(tmp_path)))
    parts = PAGE.split("## The sink")[1]
    assert {name: said[name][0] for name in stated if name != "interpreter and libraries" and name != "together"} == {
        name: size for name, size in stated.items() if name not in ("interpreter and libraries", "together")
    }
    assert f"| {stated['interpreter and libraries']} |" in parts
    assert f"**{stated['together']:,}**" in parts


def test_the_page_says_what_a_million_of_each_takes() -> None:
    taken = (bounds.IDENTITY_BYTES, bounds.FACT_BYTES, bounds.PAIR_BYTES, bounds.LABEL_BYTES)
    said = rows(1)
    names = [name for name in said if name.startswith(("accepted", "unique", "pairs", "(account"))]
    assert [said[name][0] for name in names] == [size * 1_000_000 // MIB for size in taken]


def most_bytes(fields: Mapping[str, Any]) -> float:
    """Of a key of a large table, up to a million keys; while it grows, its larger one is not counted."""
    table, most, keys = HashTable(fields), 0.0, np.random.default_rng(1).permutation(1 << 20).astype(np.uint64)
    for n in range(0, len(keys), STEP):
        new = keys[n : n + STEP] * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        table.insert(new, **{name: np.ones(len(new), kind) for name, kind in fields.items()})
        if len(table.keys) > 2 * SMALL_ROWS:  # below it tables double
            size = table.keys.nbytes + sum(column.nbytes for column in table.fields.values())
            most = max(most, size / table.count)
    return most


def test_the_bounds_of_what_is_remembered_are_those_of_the_tables_columns() -> None:
    identity, number = most_bytes(SEEN), most_bytes(HELD)
    log = FactLog().dump()
    fact = sum(column.itemsize for name, column in log.items() if name != "bounds" and not name.startswith("head_"))
    profile = sum(column.itemsize for name, column in Persons().dump().items() if name != "names")
    for bound, found in (
        (bounds.IDENTITY_BYTES, identity),
        (bounds.FACT_BYTES, 1.25 * fact + 3 * number),
        (bounds.PAIR_BYTES, 2 * (GROWN * (profile + 36) + number)),
    ):
        assert found <= bound <= 1.1 * found


def test_more_partitions_do_not_take_more_than_a_record_batch_and_a_record_each(tmp_path: Path) -> None:
    few, many = (sum(bounds.worker(settings(tmp_path, topics__partitions=p), Flow()).values()) for p in (64, 65))
    assert many - few < 11 * 2 * MIB + 3 * 3 * MIB


def test_a_process_is_sampled_with_its_anonymous_memory_apart(tmp_path: Path) -> None:
    now = sample(os.getpid())
    assert 0 < now.anonymous < now.rss <= now.peak
    sampler = Sampler({"this": os.getpid()})
    sampler.mark()
    held = b"x" * (50 * MIB)
    seen = sampler.stop()["this"]
    assert seen.peak >= now.anonymous + len(held)
    assert 0 < seen.pss <= seen.end


def test_a_process_that_ends_is_told_and_the_others_are_sampled_on() -> None:
    process = subprocess.Popen(["sleep", "60"])
    sampler = Sampler({"child": process.pid, "this": os.getpid()})
    time.sleep(3 * SAMPLE_SECONDS)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie: it is there, and has no memory
    time.sleep(3 * SAMPLE_SECONDS)
    held = b"x" * (50 * MIB)
    before = sample(os.getpid()).anonymous
    time.sleep(3 * SAMPLE_SECONDS)
    seen = sampler.stop()
    process.wait()
    assert seen["this"].anonymous_peak >= before >= len(held)
    assert seen["child"].peak > 0
    why = f"process {process.pid} has no memory: its state is Z (zombie)"
    assert sampler.faults() == [f"child ended while its memory was sampled: {why}"]


def test_a_process_of_which_there_is_no_sample_fails_the_run() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(Unsampled, match="no sample of the memory of gone"):
        Sampler({"gone": process.pid}).stop()


def test_a_sampler_that_does_not_sample_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "GAP_SECONDS_MAX", 0.5)
    sampler = Sampler({"this": os.getpid()})
    sampler._stopping.set()  # as if its thread had died
    time.sleep(1)
    sampler.stop()
    (fault,) = sampler.faults()
    assert fault.startswith("the memory was not sampled for 1.")


def test_a_process_that_goes_past_its_bound_is_told_and_one_at_its_bound_is_not() -> None:
    seen = {"worker": Watched(301, 0, 0, 0, 0, 0), "sink": Watched(300, 0, 0, 0, 0, 0)}
    stated = {name: {"one part": 100, "another": 200} for name in seen}
    assert exceeded(seen, stated) == ["worker: a peak of 301 bytes is above its bound of 300"]


def test_an_event_that_is_lost_or_counted_twice_is_told_with_the_place() -> None:
    sent = Fates(10, 7, 2, 1)
    assert lost(sent, 10, sent, sent) == []
    assert lost(sent, 9, sent, sent) == ["10 events were sent, the topics hold 9"]
    assert lost(sent, 10, sent._replace(accepted=8, duplicates=1), sent)[0].startswith("the journal has Fates(read=10")
    assert lost(sent, 10, sent, sent._replace(read=9, accepted=6))[0].startswith("ClickHouse has Fates(read=9")
