"""The file of endpoints: what is written is read again, and what is wrong in it is told."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.collect import credentials, endpoints
from connectors.collect import endpoints_format as written
from connectors.collect.endpoints import Store, StoreError
from pipeline.core.validate import ID_BYTES_MAX
from tests.unit.endpoints_world import NOW, endpoint, put, with_field


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
        assert one.secret.split("_", 2)[-1] not in content
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
