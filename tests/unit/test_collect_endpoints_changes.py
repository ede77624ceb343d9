"""The file of endpoints changes under a running collector, and under commands at once."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.collect import endpoints
from connectors.collect.endpoint import Endpoint
from connectors.collect.endpoints import Store, StoreError
from tests.unit.endpoints_world import endpoint, put, with_field


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_running_collector_reads_a_changed_file_within_a_second(tmp_path: Path) -> None:
    path, clock = tmp_path / "endpoints.json", Clock()
    store = Store(path, clock)
    put(path, endpoint(1))
    clock.now += endpoints.LOOK_SECONDS - 0.01
    assert store.by_id("brevo-0001") is None
    clock.now += 0.01
    assert store.by_id("brevo-0001") is not None
    put(path, endpoint(2))
    clock.now += endpoints.LOOK_SECONDS
    assert [one.id for one in store.all()] == ["brevo-0002"]


def test_the_file_is_read_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock, reads = tmp_path / "endpoints.json", Clock(), []
    put(path, endpoint(1))
    store, real = Store(path, clock), endpoints.read
    monkeypatch.setattr(endpoints, "read", lambda where: reads.append(where) or real(where))
    for _ in range(5):
        clock.now += endpoints.LOOK_SECONDS
        assert store.by_id("brevo-0001")
    assert reads == []
    path.write_text("{")
    for _ in range(5):
        clock.now += endpoints.LOOK_SECONDS
        assert store.by_id("brevo-0001")
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("breaking", "said"),
    [
        (lambda path: path.write_text('{"format": 1,'), "it is no JSON in UTF-8"),
        (lambda path: with_field(path, "endpoints.0.vendor", "x"), "endpoints[0].vendor: must be one of"),
        (lambda path: path.unlink(), "is gone. Put it back"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
    ],
)
def test_a_broken_new_file_keeps_the_former_endpoints_and_is_told_once_a_while(
    breaking: Callable[[Path], Any], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "endpoints.json", Clock()
    put(path, endpoint(1))
    store = Store(path, clock)
    breaking(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(int(endpoints.SAY_SECONDS)):
            clock.now += endpoints.LOOK_SECONDS
            assert store.by_id("brevo-0001") == endpoint_as_kept(store)
        assert len(caplog.messages) == 1
        clock.now += endpoints.LOOK_SECONDS
        store.all()
        assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("the endpoints known before stay in force: ")
    assert said in caplog.messages[0]
    assert store.fault is not None
    assert said in store.fault
    caplog.clear()
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    put(path, endpoint(2))
    clock.now += endpoints.LOOK_SECONDS
    with caplog.at_level(logging.WARNING):
        assert [one.id for one in store.all()] == ["brevo-0002"]
    assert store.fault is None
    assert caplog.messages == [f"the endpoints' file {path} can be used again: 1 endpoints"]


def endpoint_as_kept(store: Store) -> Endpoint:
    return store.all()[0]


def test_a_collector_to_which_nothing_is_delivered_tells_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, faults = tmp_path / "endpoints.json", {"brevo-0001": "brevo-0001 cannot check signatures"}
    monkeypatch.setattr(endpoints, "LOOK_SECONDS", 0.01)
    put(path, endpoint(1), endpoint(2))
    store = Store(path)

    async def look() -> None:
        watching = asyncio.create_task(endpoints.watch(store, lambda one: faults.get(one.id)))
        await asyncio.sleep(0.05)
        path.write_text("{")
        await asyncio.sleep(0.05)
        watching.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(look())
    assert caplog.messages[0] == faults["brevo-0001"]
    assert "it is no JSON in UTF-8" in caplog.messages[1]
    assert len(caplog.messages) == 2


def test_a_former_copy_put_back_is_read(tmp_path: Path) -> None:
    path, clock = tmp_path / "endpoints.json", Clock()
    put(path, endpoint(1))
    kept = tmp_path / "copy.json"
    os.link(path, kept)
    store = Store(path, clock)
    put(path, endpoint(2))
    clock.now += 1
    assert store.by_id("brevo-0002")
    kept.replace(path)
    clock.now += 1
    assert store.by_id("brevo-0001")


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "endpoints.json"
    put(path, endpoint(1))
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(endpoints.os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot write the endpoints' file .*: No space left on device. Make its"):
        put(path, endpoint(2))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.new"))


def test_behind_a_link_the_file_itself_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "endpoints.json"
    link.symlink_to(tmp_path / "real" / "endpoints.json")
    put(link, endpoint(1))
    assert link.is_symlink()
    assert Store(link).by_id("brevo-0001")


def _add(path: Path, numbers: list[int]) -> None:
    for number in numbers:
        endpoints.change(path, lambda known, number=number: (*known, endpoint(number)))


def test_commands_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path, context = tmp_path / "endpoints.json", multiprocessing.get_context("fork")
    writers = [context.Process(target=_add, args=(path, list(range(n, n + 8)))) for n in (0, 10, 20)]
    for one in writers:
        one.start()
    while any(one.is_alive() for one in writers):
        endpoints.read(path)  # never half a file
    for one in writers:
        one.join()
        assert one.exitcode == 0
    assert len(endpoints.read(path)) == 24


def test_a_command_does_not_wait_for_another_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "endpoints.json"
    monkeypatch.setattr(endpoints, "LOCK_SECONDS", 0.1)

    def inner(known: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        put(path, endpoint(1))
        return known

    with pytest.raises(StoreError, match=r"another command changes the endpoints: it holds .*\.lock"):
        endpoints.change(path, inner)
