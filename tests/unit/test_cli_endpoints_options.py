"""`tally endpoints`: what it says of wrong options and settings, and what the docs say of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pipeline.cli import console
from tests.unit.cli_endpoints_world import BASE, KEY, OTHER_KEY, Run, endpoints_in, made

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return endpoints_in(tmp_path, monkeypatch)


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
