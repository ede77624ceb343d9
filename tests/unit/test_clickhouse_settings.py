"""Where ClickHouse is, from the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.clickhouse.settings import Target, insert_settings, target
from pipeline.settings import SettingsError, load


def of(tmp_path: Path, **given: str) -> Target:
    return target(load({f"clickhouse.{name}": value for name, value in given.items()}, {}, tmp_path))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://ch:9000", "http://ch:9000"),
        ("http://ch", "http://ch:8123"),
        ("https://ch/", "https://ch:8443"),
    ],
)
def test_the_url_says_host_port_and_security(tmp_path: Path, url: str, address: str) -> None:
    assert of(tmp_path, url=url).address == address


def test_a_user_in_the_url_goes_before_the_setting(tmp_path: Path) -> None:
    found = of(tmp_path, url="http://an%40na@ch:1", username="other", password="secret")
    assert (found.username, found.password) == ("an@na", "secret")


def test_without_a_user_in_the_url_the_settings_hold(tmp_path: Path) -> None:
    found = of(tmp_path, url="http://ch:1", username="anna", password="secret")
    assert (found.username, found.password) == ("anna", "secret")


def test_the_password_is_in_no_repr(tmp_path: Path) -> None:
    found = of(tmp_path, url="http://anna@ch:1", password="secret")
    assert "secret" not in repr(found)
    assert "secret" not in found.address


def test_without_an_address_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TALLY_CLICKHOUSE__URL"):
        of(tmp_path)


def test_an_insert_asks_a_newer_server_for_deduplication_by_its_newer_name_too() -> None:
    assert insert_settings({"deduplicate_insert"})["deduplicate_insert"] == "enable"
    assert "deduplicate_insert" not in insert_settings(())
    assert insert_settings(())["insert_deduplicate"] == 1
