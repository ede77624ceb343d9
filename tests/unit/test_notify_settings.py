"""The webhook's settings: an address goes with a secret that signs, groups are `tally notify`'s own."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connectors.webhook.settings import endpoint
from pipeline.cli.settings import effective
from pipeline.settings import Settings, SettingsError, load

ROOT = Path(__file__).parent
URL = "https://example.com/hook/hidden-path"


def secret(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def settings(**given: str) -> Settings:
    return load({f"notify.{name}": value for name, value in given.items()}, {}, ROOT)


def told(**given: str) -> str:
    with pytest.raises(SettingsError) as error:
        settings(**given)
    return str(error.value)


def test_without_an_address_there_is_no_endpoint() -> None:
    assert endpoint(settings()) is None


@pytest.mark.parametrize("size", [24, 64])
def test_an_endpoint_has_its_address_and_secrets_and_shows_neither_path_nor_secret(size: int) -> None:
    both = f"{secret(size)} {secret(32)}"
    made = endpoint(settings(url=URL, secret=both))
    assert made is not None
    assert made.secrets == (secret(size), secret(32))
    assert made.address == "https://example.com"
    assert "hidden" not in repr(made)
    assert secret(32) not in repr(made)
    assert secret(32) not in repr(settings(url=URL, secret=both))


@pytest.mark.parametrize("wrong", ["", "plain", "whsec_", "whsec_%%%%", secret(23), secret(65), f"{secret(32)} x"])
def test_a_secret_that_is_none_is_refused_unseen_with_the_way_to_make_one(wrong: str) -> None:
    said = told(url=URL, secret=wrong)
    assert "TALLY_NOTIFY__SECRET" in said
    assert "openssl rand" in said
    assert len(wrong) < 8 or wrong not in said


def test_an_address_without_a_secret_and_the_other_way_round_are_refused() -> None:
    assert "TALLY_NOTIFY__SECRET: missing" in told(url=URL)
    assert "TALLY_NOTIFY__URL: missing" in told(secret=secret(32))


@pytest.mark.parametrize(
    "wrong",
    [
        "example.com/hunter2",
        "ftp://example.com/hunter2",
        "https://",
        "https://a:hunter2",
        "https://a?b c=hunter2",
        "http://a:99999",
        "http://[1:2",
    ],
)
def test_an_address_that_is_none_is_refused_unseen(wrong: str) -> None:
    said = told(url=wrong, secret=secret(32))
    assert "TALLY_NOTIFY__URL: the value given is not an address such as https://example.com/tally" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "wrong", ["https://user:hunter2@example.com/", "https://hunter2@example.com", "http://user:hun/ter2@example.com/x"]
)
def test_an_address_with_a_login_is_refused_unseen_with_the_way_round_it(wrong: str) -> None:
    said = told(url=wrong, secret=secret(32))
    assert "TALLY_NOTIFY__URL: it holds a login (what stands before @), which is not accepted" in said
    assert "TALLY_NOTIFY__SECRET" in said
    assert "ter2" not in said


@pytest.mark.parametrize("right", ["http://[::1]:80/a", "https://example.com?to=a@b", "https://example.com:9/x?y=1#z"])
def test_an_address_may_have_a_port_a_path_and_a_query(right: str) -> None:
    made = endpoint(settings(url=right, secret=secret(32)))
    assert made is not None
    assert made.url == right


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "https://example.com/**********"),
        ("http://[::1]:80?token=hidden-token", "http://[::1]:80/**********"),
        ("https://example.com/", "https://example.com"),
    ],
)
def test_settings_show_of_an_address_what_stands_before_its_path(url: str, shown: str) -> None:
    both = settings(url=url, secret=secret(32))
    (value,) = (row["value"] for row in effective(both) if row["setting"] == "notify.url")
    assert value == shown
    assert "hidden" not in repr(both) + both.model_dump_json()


def test_an_address_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(URL + "\n")
    made = endpoint(settings(url_file=str(file), secret=secret(32)))
    assert made is not None
    assert made.url == URL


@pytest.mark.parametrize("name", ["clickhouse.url", "schema_registry.url"])
def test_other_addresses_are_told_without_login_and_query(name: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({name: "ftp://user:hunter2@example.com"}, {}, ROOT)
    assert "hunter2" not in str(error.value)
    rows = {row["setting"]: row["value"] for row in effective(load({name: "http://host:1?token=hunter2"}, {}, ROOT))}
    assert rows[name] == "http://host:1?**********"


@pytest.mark.parametrize("taken", ["tally-sink", "tally"])
def test_a_group_of_another_service_is_refused(taken: str) -> None:
    assert "TALLY_NOTIFY__GROUP_ID" in told(group_id=taken)
    with pytest.raises(SettingsError, match="TALLY_NOTIFY__GROUP_ID"):
        load({"sink.group_id": "tally-notify-webhook"}, {}, ROOT)
