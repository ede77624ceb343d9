"""The webhook's settings: an address goes with a secret that signs, groups are `tally notify`'s own."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connectors.webhook.settings import endpoint
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


@pytest.mark.parametrize("wrong", ["example.com", "ftp://example.com", "https://user:pass@example.com/", "https://"])
def test_an_address_that_is_none_or_holds_a_login_is_refused(wrong: str) -> None:
    assert "TALLY_NOTIFY__URL" in told(url=wrong, secret=secret(32))


@pytest.mark.parametrize("taken", ["tally-sink", "tally"])
def test_a_group_of_another_service_is_refused(taken: str) -> None:
    assert "TALLY_NOTIFY__GROUP_ID" in told(group_id=taken)
    with pytest.raises(SettingsError, match="TALLY_NOTIFY__GROUP_ID"):
        load({"sink.group_id": "tally-notify-webhook"}, {}, ROOT)
