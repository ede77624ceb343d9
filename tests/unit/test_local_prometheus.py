"""The ladder to Prometheus: what it finds, what it keeps, and what it says where no rung holds.

The programs are shell scripts that say what the real ones say; the real ones run in tests/integration.
"""

from __future__ import annotations

import fcntl
import io
import os
import platform
import tarfile
from pathlib import Path

import pytest

from connectors.local import debian, prometheus
from connectors.local.docker import unpack_stream
from connectors.local.faults import StackError
from connectors.local.progress import silent

VERSION = "prometheus, version 9.9.9 (branch: test)"


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    path.chmod(0o755)


def programs(folder: Path, said: str = VERSION, alertmanager: str = "alertmanager") -> Path:
    for name in ("prometheus", "promtool", alertmanager, "amtool"):
        program(folder, name, f"echo '{said}'")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache, on a machine that has nothing but what a test puts on `bin`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "SYSTEM_FOLDERS", ("/nowhere",))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("DOCKER_HOST", "")
    return tmp_path / "cache" / "tally"


def test_what_is_on_path_is_used_and_nothing_is_fetched(tmp_path: Path, cache: Path) -> None:
    programs(tmp_path / "bin")
    tools = prometheus.find(silent, use_docker=False)
    assert tools.by == "PATH"
    assert tools.version == "9.9.9"
    assert tools.alertmanager == tmp_path / "bin" / "alertmanager"
    assert not cache.exists()


def test_debian_s_name_of_alertmanager_is_known(tmp_path: Path, cache: Path) -> None:
    programs(tmp_path / "bin", alertmanager="prometheus-alertmanager")
    assert prometheus.find(silent, use_docker=False).alertmanager.name == "prometheus-alertmanager"


def test_a_path_that_lacks_one_of_the_four_is_passed_over_for_the_cache(tmp_path: Path, cache: Path) -> None:
    programs(tmp_path / "bin")
    (tmp_path / "bin" / "amtool").unlink()
    programs(cache / f"prometheus-9.9.9-{platform.machine()}" / "usr" / "bin")
    assert prometheus.find(silent, use_docker=False).by == "cache"


def test_what_does_not_run_here_or_is_of_another_machine_is_passed_over(tmp_path: Path, cache: Path) -> None:
    programs(tmp_path / "bin", said="cannot execute: required file not found")
    programs(cache / "prometheus-9.9.9-another" / "usr" / "bin")
    with pytest.raises(StackError, match="not on PATH"):
        prometheus.find(silent, use_docker=False)


def test_without_apt_the_message_says_what_is_missing_and_every_way_out(cache: Path) -> None:
    with pytest.raises(StackError) as raised:
        prometheus.find(silent, use_docker=False)
    said = str(raised.value)
    assert "no apt-get and no dpkg-deb and no tar" in said
    for way in ("apt-get install prometheus", "brew install", "Docker", "https_proxy", str(cache)):
        assert way in said
    assert [path.name for path in cache.iterdir()] == ["prometheus.lock"]


def test_what_apt_says_when_it_fails_is_in_the_message_and_nothing_is_kept(tmp_path: Path, cache: Path) -> None:
    for name in ("dpkg-deb", "tar"):
        program(tmp_path / "bin", name, "exit 0")
    program(tmp_path / "bin", "apt-get", "echo 'E: Unable to locate package prometheus' >&2; exit 100")
    with pytest.raises(StackError, match="exit code 100:\nE: Unable to locate package prometheus"):
        prometheus.find(silent, use_docker=False)
    assert [path.name for path in cache.iterdir()] == ["prometheus.lock"]


def test_a_fetch_keeps_a_whole_folder_and_clears_what_a_killed_one_left(tmp_path: Path, cache: Path) -> None:
    (cache / ".prometheus-killed" / "whole").mkdir(parents=True)
    whole = programs(tmp_path / "whole" / "usr" / "bin", alertmanager="prometheus-alertmanager").parents[1]
    program(tmp_path / "bin", "tar", "exit 0")
    program(tmp_path / "bin", "dpkg-deb", f'[ "$1" = -x ] && /bin/mkdir -p "$3" && /bin/cp -r {whole}/. "$3"; exit 0')
    program(tmp_path / "bin", "apt-get", _DOWNLOADS)
    tools = prometheus.find(silent, use_docker=False)
    assert tools.by == "Debian's packages"
    assert tools.prometheus.is_relative_to(cache / f"prometheus-9.9.9-{platform.machine()}")
    assert prometheus.find(silent, use_docker=False).by == "cache"
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


_DOWNLOADS = """for word; do
  [ "$word" = download ] && : > prometheus_1_all.deb && : > prometheus-alertmanager_1_all.deb
done
exit 0"""


def test_the_loser_of_two_fetches_takes_what_the_winner_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    said = []
    with (cache / "prometheus.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def winner_ends(what: str, done: int, total: int) -> None:
            said.append(what)
            programs(cache / f"prometheus-9.9.9-{platform.machine()}" / "usr" / "bin")
            fcntl.flock(held, fcntl.LOCK_UN)

        assert prometheus.find(winner_ends, use_docker=False).by == "cache"
    assert said == ["Prometheus: another process is fetching it"]


def test_who_waits_too_long_for_another_is_told_by_whose_lock(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    monkeypatch.setattr(prometheus, "LOCK_SECONDS", 0.0)
    with (cache / "prometheus.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StackError, match=r"prometheus\.lock"):
            prometheus.find(silent, use_docker=False)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be", encoding="ascii")
    with pytest.raises(StackError, match="set XDG_CACHE_HOME"):
        prometheus.find(silent, use_docker=False)


def test_a_bare_environment_still_finds_the_system_s_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH", raising=False)
    assert debian.search_path() == os.pathsep.join(debian.SYSTEM_FOLDERS)


def test_an_archive_out_of_docker_is_unpacked_and_may_not_leave_its_folder(tmp_path: Path) -> None:
    def archive(name: str) -> list[bytes]:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.size, member.mode = 4, 0o755
            tar.addfile(member, io.BytesIO(b"true"))
        whole = stream.getvalue()
        return [whole[start : start + 100] for start in range(0, len(whole), 100)]

    unpack_stream(archive("promtool"), tmp_path)
    assert (tmp_path / "promtool").read_bytes() == b"true"
    assert os.access(tmp_path / "promtool", os.X_OK)
    with pytest.raises(tarfile.TarError):
        unpack_stream(archive("../escapes"), tmp_path)
