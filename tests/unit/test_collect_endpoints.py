"""The endpoints' file: what it holds, what is wrong with it, how it is changed and read again."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from connectors.collect import credentials, endpoints
from connectors.collect import endpoints_format as written
from connectors.collect.endpoint import Endpoint
from connectors.collect.endpoints import Store, StoreError
from pipeline.core.validate import ID_BYTES_MAX

NOW = 1_790_000_000_000_000


def endpoint(number: int = 0) -> Endpoint:
    """An endpoint with a key and something in every field."""
    id_ = f"brevo-{number:04}"
    return Endpoint(
        id=id_,
        vendor="brevo",
        account="acme",
        source="brevo",
        event="push/push_opened",
        time_zone="Europe/Berlin",
        fields=MappingProxyType({"profile_id": "/contact/id"}),
        credentials=(credentials.issue(id_, "bearer", "", NOW, None).credential,),
        allow=("brevo", "2001:db8::/32"),
        created_at=NOW,
    )


def put(path: Path, *given: Endpoint) -> None:
    endpoints.change(path, lambda _: given)


def with_field(path: Path, place: str, value: Any) -> None:
    """The file of one endpoint with a field changed by hand; `...` takes it out."""
    file = json.loads(written.encode([endpoint()]))
    at, *steps = [int(step) if step.isdigit() else step for step in place.split(".")]
    table: Any = file
    for step in [at, *steps][:-1]:
        table = table[step]
    last = [at, *steps][-1]
    if value is ...:
        del table[last]
    else:
        table[last] = value
    path.write_text(json.dumps(file))


def test_what_is_written_is_read_again_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "endpoints.json"
    one, two = endpoint(1), replace(endpoint(2), event=None, fields={}, allow=(), credentials=())
    put(path, one, two)
    assert Store(path).all() == (one, two)
    assert Store(path).by_id(two.id) == two
    assert Store(path).by_id("brevo-none") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in path.parent.iterdir()) == ["endpoints.json", "endpoints.json.lock"]


def test_no_file_is_no_endpoints(tmp_path: Path) -> None:
    assert Store(tmp_path / "endpoints.json").all() == ()
    assert endpoints.read(tmp_path / "no" / "endpoints.json") == ()


def test_the_file_holds_digests_and_no_secret(tmp_path: Path) -> None:
    key = bytes(range(32))
    issued = [credentials.issue("own-a", kind, "X-Key", NOW, key) for kind in credentials.KINDS]
    for one in issued:
        content = written.encode([replace(endpoint(), id="own-a", credentials=(one.credential,))]).decode()
        assert one.credential.digest in content
        assert one.secret not in content
        assert one.secret.rpartition("_")[2] not in content
        assert key.hex() not in content


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("format", 2, "format: is 2; this version of tally reads 1"),
        ("format", True, "format: is True; this version of tally reads 1"),
        ("endpoints", {}, "endpoints: must be a list"),
        ("endpoints.0", [], "endpoints[0]: must be an object"),
        ("endpoints.0.vendor", "bravo", "endpoints[0].vendor: must be one of altcraft, brevo"),
        ("endpoints.0.vendor", ["brevo"], "endpoints[0].vendor: must be one of altcraft, brevo"),
        ("endpoints.0.id", "Brevo_1", "endpoints[0].id: must be lower-case letters, digits and hyphens"),
        ("endpoints.0.id", ..., "endpoints[0]: lacks 'id'"),
        ("endpoints.0.secret", "x", "endpoints[0]: has 'secret', which is no field; there are id, vendor"),
        ("endpoints.0.account", "", "endpoints[0].account: must be a text, not empty"),
        ("endpoints.0.account", 7, "endpoints[0].account: must be a text, not empty"),
        ("endpoints.0.account", "\ud800", "endpoints[0].account: has half a character"),
        ("endpoints.0.account", "é" * 257, "endpoints[0].account: has 514 bytes of at most 512"),
        ("endpoints.0.source", None, "endpoints[0].source: must be a text, not empty"),
        ("endpoints.0.time_zone", "Mars/Olympus", "endpoints[0].time_zone: 'Mars/Olympus' is no IANA time zone"),
        ("endpoints.0.fields", [], "endpoints[0].fields: must be an object"),
        ("endpoints.0.fields", {"email": 1}, "endpoints[0].fields.email: must be a text, not empty"),
        ("endpoints.0.fields", {f"r{n}": "x" for n in range(33)}, "endpoints[0].fields: has 33 of at most 32"),
        ("endpoints.0.allow", ["10.0.0.1/8"], "endpoints[0].allow[0]: '10.0.0.1/8' has bits beyond its prefix"),
        ("endpoints.0.allow", ["bravo"], "endpoints[0].allow[0]: 'bravo' is no network"),
        ("endpoints.0.allow", ["::/0"] * 65, "endpoints[0].allow: has 65 of at most 64"),
        ("endpoints.0.created_at", NOW, "endpoints[0].created_at: must be a text"),
        ("endpoints.0.created_at", "yesterday", "endpoints[0].created_at: not an RFC 3339 instant"),
        ("endpoints.0.created_at", "1969-12-31T23:59:59Z", "endpoints[0].created_at: must be of the years 1970 to"),
        ("endpoints.0.credentials.0.kind", "magic", "endpoints[0].credentials[0].kind: must be one of path, basic"),
        ("endpoints.0.credentials.0.digest", "AB" * 32, "credentials[0].digest: must be 64 lower-case hex digits"),
        ("endpoints.0.credentials.0.digest", "a" * 63, "credentials[0].digest: must be 64 lower-case hex digits"),
        ("endpoints.0.credentials.0.name", "x", "endpoints[0].credentials[0].name: must be empty for bearer"),
        ("endpoints.0.credentials.0.kind", "header", "credentials[0].name: must be the name of a header"),
        ("endpoints.0.credentials.0.kind", "basic", "credentials[0].name: must be a text, not empty"),
        ("endpoints.0.credentials.0.id", "", "credentials[0].id: must be lower-case letters and digits"),
        ("endpoints.0.credentials.0.expires_at", "x", "credentials[0].expires_at: not an RFC 3339 instant"),
        ("endpoints.0.credentials", ["a", "b", "c"], "endpoints[0].credentials: has 3 of at most 2"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_the_file_and_the_mend(
    place: str, value: Any, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "endpoints.json"
    with_field(path, place, value)
    with pytest.raises(StoreError) as told:
        Store(path)
    assert said in str(told.value)
    assert str(told.value).startswith(f"cannot use the endpoints' file {path}: ")
    assert str(told.value).endswith("Mend it there, or put a former copy of the file back")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no JSON in UTF-8"),
        (b"\xff\xfe", "it is no JSON in UTF-8"),
        (b'{"format": 1, "endpoints": [', "it is no JSON in UTF-8"),
        (b"[" * 100_000, "it is no JSON in UTF-8"),
        (b"[]", "the file: must be an object"),
        (b"{}", "the file: lacks 'format'"),
        (b" " * (written.FILE_BYTES_MAX + 1), f"it has more than {written.FILE_BYTES_MAX:,} bytes"),
    ],
)
def test_what_is_no_file_of_endpoints_is_told(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    path.write_bytes(content)
    with pytest.raises(StoreError) as told:
        endpoints.read(path)
    assert said in str(told.value)


def test_one_id_is_one_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    with pytest.raises(StoreError, match=r"nothing was written to .*: endpoints: 'brevo-0001' stands there twice"):
        put(path, endpoint(1), endpoint(1))
    assert not path.exists()


def test_the_largest_file_that_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    most = [replace(endpoint(n), account="a" * written.TEXT_BYTES_MAX) for n in range(written.ENDPOINTS_MAX)]
    put(path, *most)
    assert len(Store(path).all()) == written.ENDPOINTS_MAX
    with pytest.raises(StoreError, match="endpoints: has 1,001 of at most 1,000"):
        put(path, *most, endpoint(9_999))
    assert len(Store(path).all()) == written.ENDPOINTS_MAX


def test_texts_are_bounded_as_the_ids_of_the_state_are() -> None:
    assert written.TEXT_BYTES_MAX == ID_BYTES_MAX


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
