"""The parts that torture is made of: small disks, an engine on one, damaged snapshots, a run that is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from connectors.clickhouse.service import Service, Unavailable
from connectors.clickhouse.settings import target
from connectors.local.keeper import Keeper
from pipeline.settings import load
from pipeline.state.snapshots import Doubtful, Snapshots, read_columns, read_header
from tests.torture import damage
from tests.torture.disk import SmallDisk, available
from tests.torture.engine import Engine
from tests.unit.snapshots_world import COLUMNS, header


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    found = Keeper()
    yield found
    found.close()


ROOT = Path(__file__).parents[2]
SILENT_SECONDS = 1.0  # long enough to see that nobody answers
MIB = 1 << 20
DAMAGES = 40


@pytest.fixture(scope="module")
def engine_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk | None]:
    """None where none can be mounted: then the engine lives on an ordinary one."""
    disk = SmallDisk(tmp_path_factory.mktemp("disks") / "engine", 128 * MIB) if available() is None else None
    yield disk
    if disk is not None:
        disk.close()
        assert not disk.path.is_mount()


@pytest.fixture(scope="module")
def engine(keeper: Keeper, engine_disk: SmallDisk | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    found = Engine(tmp_path_factory.mktemp("engine") if engine_disk is None else engine_disk.path, keeper)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def service(engine: Engine, tmp_path: Path) -> Iterator[Service]:
    settings = load({"home": str(tmp_path), "clickhouse.url": engine.address}, environ={})
    found = Service(target(settings), 10)
    found.command("CREATE TABLE IF NOT EXISTS kept (n UInt64) ENGINE = MergeTree ORDER BY n")
    found.command("TRUNCATE TABLE kept")
    yield found
    found.close()


def rows(service: Service) -> int:
    return int(service.query("SELECT count() FROM kept").rows[0][0])


def test_an_engine_that_is_killed_comes_back_at_its_address_with_its_rows(engine: Engine, service: Service) -> None:
    service.command("INSERT INTO kept SELECT number FROM numbers(1000)")
    address = engine.address
    engine.kill()
    with pytest.raises(Unavailable):
        rows(service)
    engine.start()
    assert engine.address == address
    assert rows(service) == 1000


def test_a_paused_engine_answers_when_it_is_resumed(engine: Engine, service: Service) -> None:
    engine.pause()
    timer = threading.Timer(SILENT_SECONDS, engine.resume)
    began = time.monotonic()
    timer.start()
    assert rows(service) == 0
    assert time.monotonic() - began >= SILENT_SECONDS
    timer.join()


def test_an_insert_fails_on_a_full_disk_and_succeeds_when_there_is_room(
    engine_disk: SmallDisk | None, service: Service
) -> None:
    if engine_disk is None:
        pytest.xfail(str(available()))
    insert = "INSERT INTO kept SELECT rand64() FROM numbers(100000)"
    engine_disk.fill()
    assert engine_disk.free_bytes == 0
    with pytest.raises(Unavailable, match=r"(?i)space"):
        service.command(insert)
    assert rows(service) == 0
    engine_disk.free()
    service.command(insert)
    assert rows(service) == 100_000


def test_a_snapshot_that_finds_no_room_leaves_nothing_half(tmp_path: Path) -> None:
    if available() is not None:
        pytest.xfail(str(available()))
    disk = SmallDisk(tmp_path / "disk", MIB)
    snapshots = Snapshots(disk.path / "state" / "2")
    first = snapshots.write(header(3), COLUMNS)
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        snapshots.write(header(5), COLUMNS)
    assert list(snapshots.folder.iterdir()) == [first]
    assert read_columns(first).keys() == COLUMNS.keys()
    disk.free()
    assert snapshots.newest_first() == [first]
    assert read_header(snapshots.write(header(5), COLUMNS)) == header(5)
    disk.close()


def test_damaged_snapshots_are_doubted_or_still_right(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    doubted = 0
    for number in range(DAMAGES):
        written = [Snapshots(tmp_path / str(number) / str(p)).write(header(), COLUMNS) for p in range(2)]
        told = damage.snapshots(tmp_path / str(number), dice)
        for path in written:
            try:
                assert read_header(path) == header(), told
                read = read_columns(path)
            except Doubtful:
                doubted += 1
            else:
                assert all(np.array_equal(read[name], column) for name, column in COLUMNS.items()), told
    assert doubted >= DAMAGES / 2
    assert damage.snapshots(tmp_path / "nobody", dice) == "there was no snapshot"


A_RUN = """
import sys, time
from pathlib import Path
from connectors.local.keeper import Keeper
from tests.torture.disk import SmallDisk, available
from tests.torture.engine import Engine
folder = Path(sys.argv[1])
disk = SmallDisk(folder / "disk", 1 << 27) if available() is None else None
engine = Engine(folder / "disk", Keeper())
engine.start()
print(engine.pid, flush=True)
time.sleep(600)
"""


def test_nothing_runs_or_is_mounted_after_a_run_that_was_killed(tmp_path: Path) -> None:
    run = subprocess.Popen([sys.executable, "-c", A_RUN, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.stdout is not None
    pid = int(run.stdout.readline())
    children = [*psutil.Process(run.pid).children(recursive=True), psutil.Process(pid)]
    run.stdout.close()
    assert (tmp_path / "disk").is_mount() == (available() is None)
    run.send_signal(signal.SIGKILL)
    run.wait(10)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not (tmp_path / "disk").is_mount()
