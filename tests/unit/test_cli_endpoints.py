"""`tally endpoints`: what it makes, shows, ends, and says of wrong options."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from typer.testing import CliRunner, Result

from connectors.collect import credentials, paste
from connectors.collect.endpoints import Store
from connectors.collect.guard import Guard, Presented, Refused, Security
from pipeline.cli import app, console, endpoints_options

ROOT = Path(__file__).parents[2]
KEY, OTHER_KEY = "5f" * 32, "60" * 32
BASE = ("--base-url", "https://hooks.example.com")
DAY = 86_400_000_000
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tally endpoints` in a home of its own; a TALLY_ setting is given as a keyword."""
    for name in [name for name in os.environ if name.startswith("TALLY_")]:
        monkeypatch.delenv(name)

    def tally(*arguments: str, **settings: str) -> Result:
        console.console.cache_clear()
        console.err.cache_clear()
        environment = {"TALLY_HOME": str(tmp_path), **{f"TALLY_{name}": value for name, value in settings.items()}}
        return CliRunner().invoke(app.app, ["endpoints", *arguments], env=environment)

    return tally


def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "endpoints.json")


def made(run: Run, vendor: str, *options: str, **settings: str) -> dict[str, Any]:
    """A new endpoint, as `--format json` shows it."""
    own = ("--source", "shop") if vendor == "own" else ()
    arguments = ("--vendor", vendor, "--account", "acme", *own, *BASE, "--format", "json", *options)
    shown = run("new", *arguments, **settings)
    assert shown.exit_code == 0, shown.output
    return dict(json.loads(shown.stdout))


def delivered(tmp_path: Path, id_: str, path: str | None = None, **headers: str) -> Refused | None:
    """What the collector says to a request with these headers."""
    request = Presented(path, CIMultiDict({name.replace("_", "-"): v for name, v in headers.items()}), b"", None)
    guard = Guard(Security(signing_key=bytes.fromhex(KEY)))
    return guard.check(store(tmp_path).by_id(id_), request, 1_790_000_000_000_000)


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


NEW = ("new", "--vendor", "brevo", "--account", "acme")
OWN = ("new", "--vendor", "own", "--account", "acme")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "--vendor", "brvo", "--account", "a"), "--vendor brvo: there is no such one; near it: brevo"),
        (("new", "--vendor", "x", "--account", "a"), "no such one: altcraft, brevo, connectif, mindbox, own"),
        (("new", "--vendor", "brevo", "--account", ""), "--account: must have 1 to 512 bytes, and has 0"),
        (("new", "--vendor", "brevo", "--account", " a"), "--account ' a': has space around it"),
        (("new", "--vendor", "brevo", "--account", "a" * 513), "--account: must have 1 to 512 bytes, and has 513"),
        (
            ("new", "--vendor", "brevo", "--account", "a\u200bb"),
            "--account 'a\\u200bb': has a character that none sees",
        ),
        (
            ("new", "--vendor", "brevo", "--account", "a\x1b[0m"),
            "--account 'a\\x1b[0m': has a character that none sees",
        ),
        (("new", "--vendor", "brevo", "--account", "a\nb"), "--account 'a\\nb': has a character that none sees"),
        (("new", "--vendor", "brevo", "--account", "Null"), "--account Null: names nobody"),
        ((*OWN, "--source", "a\x7f"), "--source 'a\\x7f': has a character that none sees"),
        ((*NEW, "--field", "email=/a~2b"), "--field email=/a~2b: is no JSON pointer: in one, ~ is written ~0"),
        ((*NEW, "--field", "email=/a~"), "--field email=/a~: is no JSON pointer"),
        *(
            (("new", "--vendor", vendor, "--account", "a", "--event", type_), f"--event {type_}: ")
            for vendor in ("mindbox", "connectif")
            for type_ in ("account_plan_set", "profile_merged", "profile_split")
        ),
        ((*NEW, "--event", "hardbounce"), "--event hardbounce: is no event of brevo; near it: Hard Bounce"),
        (("new", "--vendor", "altcraft", "--account", "a", "--event", "clik"), "near it: click, email/click"),
        (("new", "--vendor", "connectif", "--account", "a", "--event", "email-opend"), "near it: email-opened"),
        ((*OWN, "--source", "s", "--event", "email_opend"), "is no event of own; near it: email_opened"),
        ((*OWN, "--source", "s", "--event", "account_plan_set"), "is no event of own"),
        ((*NEW, "--time-zone", "europe/berlin"), "is no IANA time zone; near it: Europe/Berlin"),
        ((*NEW, "--source", "shop"), "events of brevo have the source brevo; --source is for --vendor own alone"),
        (OWN, "--source: missing; name the producer whose events these are"),
        ((*OWN, "--source", "brevo"), "--source brevo: is a vendor's name"),
        ((*NEW, "--field", "email"), "--field email: write it as ROLE=PLACE"),
        ((*NEW, "--field", "email="), "--field email=: write it as ROLE=PLACE"),
        (
            ("new", "--vendor", "altcraft", "--account", "a", "--field", "emial=x"),
            "--field emial=x: 'emial' is no role; near it: email. The roles: event",
        ),
        ((*NEW, "--field", "email=x", "--field", "email=y"), "--field email=y: email is given twice"),
        ((*OWN, "--source", "s", "--field", "email=x"), "events of --vendor own have the names of docs/semantics.md"),
        ((*NEW, "--allow", "10.0.0.1/8"), "has bits beyond its prefix: the network is 10.0.0.0/8"),
        ((*NEW, "--allow", "brvo"), "'brvo' is no network: write it like 203.0.113.0/24"),
        ((*NEW, "--allow", "brvo"), "; near it: brevo"),
        ((*NEW, *(f"--allow=10.0.{n}.0/24" for n in range(65))), "--allow: 65 of at most 64"),
        ((*NEW, "--credential", "bearr"), "--credential bearr: there is no such one; near it: bearer"),
        ((*NEW, "--header", "X-Key"), "--header X-Key: is for --credential header and hmac, not for bearer"),
        ((*NEW, "--credential", "header", "--header", "X Key"), "--header X Key: is no name of a header"),
        ((*NEW, "--credential", "header", "--header", "Host"), "--header Host: says something else already"),
        ((*NEW, "--base-url", "ftp://x"), "--base-url ftp://x: write it like https://hooks.example.com"),
        ((*NEW, "--base-url", "https://a:b@x"), "--base-url https://a:b@x: write it like"),
        ((*NEW, "--base-url", "https://[x"), "--base-url https://[x: write it like"),
        ((*NEW, "--base-url", "https://x:99999"), "--base-url https://x:99999: write it like"),
        ((*OWN, "--source", "s", "--credential", "hmac"), "hmac: its keys are derived from TALLY_COLLECT__SIGNING_KEY"),
        (("rotate", "brevo-x", "--overlap", "week"), "--overlap week: write it like 7d, 12h or 30m, or 0 for none"),
        (("rotate", "brevo-x", "--overlap", "91d"), "--overlap 91d: write it like 7d"),
        (("new", "--vendor", "brevo"), "Missing option '--account'"),
        ((*NEW, "--secret-file", "/proc/x"), "--secret-file /proc/x: "),
    ],
)
def test_a_wrong_option_is_told_by_its_name_and_nothing_is_made(
    arguments: tuple[str, ...], said: str, run: Run, tmp_path: Path
) -> None:
    ended = run(*arguments)
    assert (ended.exit_code, ended.stdout) == (console.Exit.USAGE, "")
    assert said in " ".join(ended.stderr.split())
    assert not list(tmp_path.iterdir())


def test_what_is_odd_but_may_be_meant_is_said_and_made(run: Run) -> None:
    odd = run("new", "--vendor", "altcraft", "--account", "a", "--credential", "bearer", *BASE)
    assert odd.exit_code == 0
    assert "--credential bearer: altcraft is not known to be able to send it, but path" in odd.stderr
    odd = run("new", "--vendor", "mindbox", "--account", "a", "--field", "emial=x", *BASE)
    assert odd.exit_code == 0
    assert "emial is no role; near it: email; it is kept as a property of that name" in odd.stderr


def test_urls_begin_where_vendors_reach_the_collector(run: Run) -> None:
    id_ = made(run, "brevo")["id"]
    told = run("show", id_, COLLECT__PORT="8899", COLLECT__HOST="::1")
    assert f"URL: http://[::1]:8899/v1/hooks/{id_}" in told.stdout
    assert "--base-url says how the vendor reaches it" in told.stderr
    told = run("show", id_, COLLECT__PUBLIC_URL="https://in.example.com/tally/")
    assert f"URL: https://in.example.com/tally/v1/hooks/{id_}" in told.stdout
    assert "--base-url" not in told.stderr


@pytest.mark.parametrize(
    ("url", "warns"),
    [
        ("http://hooks.example.com", True),
        ("http://10.0.0.1:8780", True),
        ("http://127.0.0.1:8780", False),
        ("http://[::1]:8780", False),
        ("http://localhost", False),
        ("https://hooks.example.com", False),
    ],
)
def test_a_key_over_plain_http_is_warned_of(url: str, warns: bool, run: Run) -> None:
    shown = run("new", "--vendor", "brevo", "--account", "acme", "--base-url", url)
    assert (shown.exit_code, "use HTTPS" in shown.stderr) == (0, warns)


def test_a_signing_key_that_is_missing_or_another_is_said_so(run: Run) -> None:
    id_ = made(run, "own", "--credential", "standard-webhooks", COLLECT__SIGNING_KEY=KEY)["id"]
    assert "signing" not in run("show", id_, COLLECT__SIGNING_KEY=KEY).stderr.lower()
    without, other = run("show", id_), run("show", id_, COLLECT__SIGNING_KEY=OTHER_KEY)
    assert f"{id_} cannot check signatures: TALLY_COLLECT__SIGNING_KEY is not set" in without.stderr
    assert "TALLY_COLLECT__SIGNING_KEY is not the one that its keys were derived from" in other.stderr
    short = run("show", id_, COLLECT__SIGNING_KEY="secret-secret")
    assert short.exit_code == console.Exit.USAGE or isinstance(short.exception, ValueError)
    assert "secret-secret" not in f"{short.output}{short.exception}"
    assert KEY not in without.output + other.output


@pytest.mark.parametrize(
    ("setting", "value"), [("TRUSTED_PROXIES", "10.0.0.1/8"), ("BREVO_NETWORKS", "1.2.3.0/33"), ("SIGNING_KEY", "ab")]
)
def test_a_wrong_setting_of_security_is_told_by_its_name(setting: str, value: str, run: Run) -> None:
    ended = run("list", **{f"COLLECT__{setting}": value})
    assert ended.exit_code != 0
    assert f"TALLY_COLLECT__{setting}: " in f"{ended.output}{ended.exception}"


def _written(page: Path) -> list[str]:
    """The commands of a page that make endpoints, each as one line."""
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = [line[line.index("tally endpoints new") :] for line in lines if "tally endpoints new --" in line]
    return [line.partition("`")[0] for line in found]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", [page for page in PAGES if _written(page)], ids=lambda page: page.stem)
def test_the_commands_of_the_docs_make_endpoints_as_they_stand(page: Path, run: Run) -> None:
    for line in _written(page):
        ended = run(*shlex.split(line, comments=True)[2:], COLLECT__SIGNING_KEY=KEY)
        assert ended.exit_code == 0, f"{line}: {ended.stderr}"
        assert "no role" not in ended.stderr


def test_what_brevos_steps_say_of_sms_and_push_is_what_its_guide_says(run: Run) -> None:
    guide = (ROOT / "docs/vendors/brevo.md").read_text()
    assert "SMS, conversations, loyalty | the one above | their payloads say what they are |" in guide
    steps = " ".join(run("new", "--vendor", "brevo", "--account", "a", *BASE).output.split())
    assert "Push payloads do not say what they are" in steps
    assert "SMS" not in steps
