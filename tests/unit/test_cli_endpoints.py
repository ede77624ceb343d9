"""`tally endpoints`: what it makes, shows and ends."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from multidict import CIMultiDict

from connectors.collect import credentials, paste
from connectors.collect.guard import Refused
from pipeline.cli import console, endpoints_options
from tests.unit.cli_endpoints_world import BASE, DAY, KEY, Run, delivered, endpoints_in, made, store


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return endpoints_in(tmp_path, monkeypatch)


@pytest.mark.parametrize("vendor", credentials.CAN_SEND)
def test_each_vendor_gets_the_key_that_it_can_send_and_is_let_in_with_it(vendor: str, run: Run, tmp_path: Path) -> None:
    shown = made(run, vendor)
    secret, id_ = shown["secret"], shown["id"]
    assert shown["credentials"][0]["kind"] == credentials.CAN_SEND[vendor][0]
    if vendor == "altcraft":
        assert shown["url"] == f"https://hooks.example.com/v1/hooks/{id_}/{secret}"
        assert delivered(tmp_path, id_, secret) is None
    elif vendor in ("brevo", "own"):
        end = "events" if vendor == "own" else f"hooks/{id_}"
        assert shown["url"] == f"https://hooks.example.com/v1/{end}"
        assert shown["authenticate"] == [f"Authorization: Bearer {secret}"]
        assert delivered(tmp_path, id_, Authorization=f"Bearer {secret}") is None
        assert credentials.named_endpoint(CIMultiDict(Authorization=f"Bearer {secret}")) == id_
    else:
        assert shown["authenticate"] == [f"X-Tally-Key: {secret}"]
        assert delivered(tmp_path, id_, x_tally_key=secret) is None
    assert delivered(tmp_path, id_) is Refused.MISSING
    kept = store(tmp_path).by_id(id_)
    assert kept is not None
    assert (kept.account, kept.source, kept.vendor) == ("acme", "shop" if vendor == "own" else vendor, vendor)


@pytest.mark.parametrize("kind", [endpoints_options.name(kind) for kind in credentials.KINDS])
def test_every_kind_of_key_can_be_chosen(kind: str, run: Run, tmp_path: Path) -> None:
    shown = made(run, "own", "--credential", kind, COLLECT__SIGNING_KEY=KEY)
    assert shown["credentials"][0]["kind"] == kind
    assert any(shown["secret"] in line for line in [*shown["authenticate"], shown["url"]])
    own_place = f"hooks/{shown['id']}" + (f"/{shown['secret']}" if kind == "path" else "")
    place = "events" if kind in ("basic", "bearer") else own_place  # those name their endpoint themselves
    assert shown["url"] == f"https://hooks.example.com/v1/{place}"
    if kind == "basic":
        url = f"https://{shown['id']}:{shown['secret']}@hooks.example.com/v1/events"
        assert shown["authenticate"][1] == f"In a URL: {url}"
        login = base64.b64encode(f"{shown['id']}:{shown['secret']}".encode()).decode()
        assert delivered(tmp_path, shown["id"], Authorization=f"Basic {login}") is None


@pytest.mark.parametrize("vendor", paste.TEMPLATES)
def test_the_body_to_paste_is_json_with_the_endpoints_own_places(vendor: str, run: Run) -> None:
    shown = made(run, vendor, "--field", "profile_id=/customer/ids/crm")
    assert json.loads(shown["body"])["customer"]["ids"]["crm"]
    table = run("show", shown["id"], *BASE)
    assert f"The body to paste:\n{shown['body']}\n" in table.stdout


def test_a_secret_is_shown_once_and_is_in_no_file(run: Run, tmp_path: Path) -> None:
    shown = made(run, "altcraft")
    for again in (run("show", shown["id"], *BASE), run("show", shown["id"], *BASE, "--format", "json"), run("list")):
        assert again.exit_code == 0
        assert shown["secret"] not in again.output
    assert f"/v1/hooks/{shown['id']}/SECRET" in run("show", shown["id"], *BASE).stdout
    assert "the secret was shown when it was made; lost: `tally endpoints rotate" in run("show", shown["id"]).stderr
    for file in tmp_path.iterdir():
        assert shown["secret"] not in file.read_text()


def test_a_secret_goes_into_a_file_of_its_own_instead(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "brevo.key"
    for format_ in ("table", "json"):
        file.unlink(missing_ok=True)
        shown = run(
            "new", "--vendor", "brevo", "--account", "acme", "--secret-file", str(file), *BASE, "--format", format_
        )
        secret = file.read_text().rstrip("\n")
        assert secret.startswith("tally_brevo-")
        assert secret not in shown.output
        assert "Authorization: Bearer SECRET" in shown.stdout
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run("new", "--vendor", "brevo", "--account", "acme", "--secret-file", str(file), *BASE)
    assert again.exit_code == console.Exit.USAGE
    assert f"--secret-file {file}: File exists" in again.stderr
    assert len(store(tmp_path).all()) == 2


def test_no_secret_file_stays_where_no_endpoint_was_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text("{")
    file = tmp_path / "brevo.key"
    shown = run("new", "--vendor", "brevo", "--account", "acme", "--secret-file", str(file), *BASE)
    assert shown.exit_code == console.Exit.FAILED
    assert "cannot use the endpoints' file" in shown.stderr
    assert not file.exists()


def test_a_rotation_keeps_the_old_key_for_its_overlap_or_until_it_is_revoked(run: Run, tmp_path: Path) -> None:
    first = made(run, "brevo")
    id_, old = first["id"], f"Bearer {first['secret']}"
    second = json.loads(run("rotate", id_, *BASE, "--format", "json").stdout)
    new = f"Bearer {second['secret']}"
    ends = [one["expires_at"] for one in second["credentials"]]
    assert ends[0] is not None
    assert ends[1] is None
    kept = store(tmp_path).by_id(id_)
    assert kept is not None
    assert kept.credentials[0].expires_at == kept.credentials[1].created_at + 7 * DAY
    assert delivered(tmp_path, id_, Authorization=old) is None
    assert delivered(tmp_path, id_, Authorization=new) is None
    third = run("rotate", id_, *BASE)
    assert third.exit_code == console.Exit.FAILED
    assert f"{id_}: 2 keys are live, which is the most there may be. `tally endpoints revoke {id_}`" in third.stderr
    revoked = run("revoke", id_)
    assert revoked.exit_code == 0
    assert (
        revoked.stderr == f"{id_}: key {first['credentials'][0]['id']} is ended; collectors know it within a second\n"
    )
    assert delivered(tmp_path, id_, Authorization=old) is Refused.WRONG
    assert delivered(tmp_path, id_, Authorization=new) is None


def test_a_rotation_without_overlap_ends_all_older_keys(run: Run, tmp_path: Path) -> None:
    first = made(run, "brevo")
    second = json.loads(run("rotate", first["id"], *BASE, "--format", "json").stdout)
    third = json.loads(run("rotate", first["id"], *BASE, "--overlap", "0", "--format", "json").stdout)
    refused = [delivered(tmp_path, first["id"], Authorization=f"Bearer {x['secret']}") for x in (first, second, third)]
    assert refused == [Refused.WRONG, Refused.WRONG, None]


def test_revoking_says_what_is_left(run: Run, tmp_path: Path) -> None:
    id_ = made(run, "connectif", "--header", "X-Shop-Key")["id"]
    [key] = [one.id for one in store(tmp_path).all()[0].credentials]
    none_ending = run("revoke", id_)
    assert none_ending.exit_code == console.Exit.FAILED
    assert f"{id_}: no key is in its overlap; live: {key}. --key ends one all the same" in none_ending.stderr
    unknown = run("revoke", id_, "--key", "nokey")
    assert unknown.exit_code == console.Exit.FAILED
    assert f"{id_} has no key nokey; its keys: {key}" in unknown.stderr
    new = json.loads(run("rotate", id_, *BASE, "--format", "json").stdout)["credentials"][1]["id"]
    left = run("revoke", id_, "--key", new)
    assert "the key that is left ends at 20" in left.stderr
    last = run("revoke", id_, "--key", key)
    assert f"{id_} has no live key and takes nothing: `tally endpoints rotate {id_}` makes one" in last.stderr
    assert "takes nothing" in run("show", id_).stderr
    again = json.loads(run("rotate", id_, *BASE, "--format", "json").stdout)
    assert again["credentials"][0]["kind"] == "header"
    assert delivered(tmp_path, id_, x_tally_key=again["secret"]) is None


def test_a_rotated_key_keeps_its_kind_and_header(run: Run) -> None:
    id_ = made(run, "mindbox", "--header", "MindboxKey")["id"]
    again = json.loads(run("rotate", id_, *BASE, "--format", "json").stdout)
    assert [(one["kind"], one["name"]) for one in again["credentials"]] == [("header", "MindboxKey")] * 2


def test_an_endpoint_is_removed(run: Run, tmp_path: Path) -> None:
    one, two = made(run, "brevo")["id"], made(run, "altcraft")["id"]
    assert run("remove", one).exit_code == 0
    assert [each.id for each in store(tmp_path).all()] == [two]


@pytest.mark.parametrize("command", ["show", "rotate", "revoke", "remove"])
def test_an_endpoint_that_is_not_there_is_told_with_those_near_it(command: str, run: Run) -> None:
    empty = run(command, "brevo-x")
    assert empty.exit_code == console.Exit.FAILED
    assert "tally: brevo-x: there is no such endpoint. `tally endpoints list`" in empty.stderr
    id_ = made(run, "brevo")["id"]
    assert f"there is no such endpoint; near it: {id_}." in run(command, id_[:-1]).stderr


def test_the_list_is_narrowed_by_account_and_vendor(run: Run) -> None:
    first, second = made(run, "brevo")["id"], made(run, "altcraft", "--account", "shop-1")["id"]
    listed = {
        ("--account", "shop-*"): [second],
        ("--vendor", "brevo"): [first],
        (): [first, second],
        ("--account", "shop-*", "--vendor", "brevo"): [],
    }
    for options, found in listed.items():
        assert [one["id"] for one in json.loads(run("list", *options, "--format", "json").stdout)] == found
    table = run("list")
    assert first in table.stdout
    assert table.stderr == "2 endpoints\n"
    assert run("list", "--vendor", "brvo").exit_code == console.Exit.USAGE
