"""Processes tell the Prometheus of their home where they serve metrics, and what is gone is not told for ever."""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local import ports, targets


@pytest.fixture(autouse=True)
def _at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atexit, "register", lambda *_given, **_named: None)  # not at this process's end


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / targets.FOLDER / "targets"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def served() -> Iterator[int]:
    """A port where somebody listens."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def addresses(folder: Path) -> dict[str, str]:
    return {path.name: json.loads(path.read_text())[0]["targets"][0] for path in folder.iterdir()}


def test_a_home_without_monitoring_gets_no_files(tmp_path: Path) -> None:
    targets.announce(tmp_path, "worker", "w", ports.LOOPBACK, 1)
    assert not list(tmp_path.iterdir())


def test_a_process_is_found_under_its_kind_and_name_whatever_that_is(tmp_path: Path, folder: Path, served: int) -> None:
    targets.announce(tmp_path, "worker", "../eu/worker 1", "0.0.0.0", served)
    assert addresses(folder) == {"worker-..%2Feu%2Fworker%201.json": f"127.0.0.1:{served}"}


def test_processes_without_a_name_are_told_apart_by_their_pid(tmp_path: Path, folder: Path, served: int) -> None:
    targets.announce(tmp_path, "sink", None, ports.LOOPBACK, served)
    assert addresses(folder) == {f"sink-{os.getpid()}.json": f"127.0.0.1:{served}"}


def test_a_process_that_starts_again_under_its_name_is_found_at_its_new_port(
    tmp_path: Path, folder: Path, served: int
) -> None:
    targets.announce(tmp_path, "worker", "w", ports.LOOPBACK, ports.any_free(1)[0])
    targets.announce(tmp_path, "worker", "w", ports.LOOPBACK, served)
    assert addresses(folder) == {"worker-w.json": f"127.0.0.1:{served}"}


def test_what_a_killed_one_left_goes_with_the_next_of_its_kind_and_what_is_served_stays(
    tmp_path: Path, folder: Path, served: int
) -> None:
    gone = ports.any_free(1)[0]
    targets.write(folder / "worker-gone.json", f"127.0.0.1:{gone}")
    targets.write(folder / "sink-gone.json", f"127.0.0.1:{gone}")
    targets.write(folder / "worker-there.json", f"127.0.0.1:{served}")
    targets.write(folder / "worker-elsewhere.json", f"10.0.0.7:{gone}")
    (folder / "worker-odd.json").write_text("not ours")
    targets.announce(tmp_path, "worker", "new", ports.LOOPBACK, served)
    assert sorted(path.name for path in folder.iterdir()) == [
        "sink-gone.json",
        "worker-elsewhere.json",
        "worker-new.json",
        "worker-odd.json",
        "worker-there.json",
    ]


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_serve(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "worker-w.json").mkdir()
    (folder / "worker-w.json" / "in the way").touch()
    with caplog.at_level(logging.WARNING):
        targets.announce(tmp_path, "worker", "w", ports.LOOPBACK, 1)
    assert "Prometheus is not told of this worker" in caplog.text


def test_a_process_that_ends_takes_its_file_along(tmp_path: Path, folder: Path) -> None:
    program = f"from pathlib import Path; from connectors.local import targets as t; home = Path({str(tmp_path)!r})\n"
    program += "t.announce(home, 'sink', 's', '127.0.0.1', 1); print(sorted(p.name for p in home.rglob('*.json')))\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['sink-s.json']"
    assert not list(folder.iterdir())
