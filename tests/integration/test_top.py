"""`tally top` on a real engine: what it shows once, and how it lives in a terminal."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.clickhouse.service import Service
from pipeline.cli import console
from tests.integration import allowance_world as world
from tests.integration.allowance_world import facts, said, tally
from tests.integration.terminal import CTRL_C, Terminal
from tests.torture.ports import settled
from tests.torture.proxy import Proxy

SHOWN_SECONDS = 40.0  # until a live table shows something; 1 s alone

service = pytest.fixture(scope="module")(world.reading)
environment = pytest.fixture(world.placed)


def accounts(*options: str) -> list[str]:
    return [one["account_id"] for one in facts("top", "--once", *options)]


def test_accounts_are_sorted_chosen_and_limited(environment: dict[str, str]) -> None:
    assert accounts() == ["over", "acme", "moved", "quiet", "free"]
    assert accounts("--sort", "used") == ["acme", "over", "free", "moved", "quiet"]
    assert accounts("--sort", "forecast")[:2] == ["over", "acme"]
    assert accounts("--sort", "exhaustion")[0] == "over"
    assert accounts("--sort", "burn")[0] == "acme"
    assert accounts("--account", "*e*") == ["over", "acme", "moved", "quiet", "free"]
    assert accounts("--account", "f?ee") == ["free"]
    assert accounts("--account", "%") == []
    assert accounts("--limit", "1") == ["over"]


def test_what_accounts_burn_is_what_their_events_say(service: Service, environment: dict[str, str]) -> None:
    now = datetime.now(UTC)
    for one in facts("top", "--once"):
        asked = "SELECT sum(activity) FROM events WHERE account_id = {{account:String}} AND occurred_at > {since}"
        for days, burnt in ((1, one["burn_24h"]), (7, one["burn_7d_per_day"] * 7)):
            since = f"toDateTime64('{(now - timedelta(days=days)):%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
            ((count,),) = service.query(asked.format(since=since), {"account": one["account_id"]}).rows
            assert burnt == pytest.approx(count, abs=1.01)  # an event may leave the span between the two questions


def test_without_a_terminal_it_looks_once(environment: dict[str, str]) -> None:
    run = tally("top")
    assert run.exit_code == console.Exit.OK
    assert "over 39 30" in said(run)
    assert "5 accounts with a cycle under way" in said(run)
    assert "4 more with --limit" in said(tally("top", "--limit", "1"))


def test_an_absent_clickhouse_is_told_where_nobody_can_wait(environment: dict[str, str], monkeypatch: Any) -> None:
    monkeypatch.setenv("TALLY_CLICKHOUSE__URL", "http://127.0.0.1:9")
    run = tally("top", "--once")
    assert run.exit_code == console.Exit.FAILED
    assert "tally up" in said(run)


LEFT, CURSOR = "\x1b[?1049l", "\x1b[?25h"  # what a terminal is told at the end: the usual screen, a cursor


@contextmanager
def live(environment: dict[str, str], *options: str) -> Iterator[Terminal]:
    """`tally top` in a terminal, once it shows all accounts: Ctrl-C drops what of a screen was not read yet."""
    with Terminal(["top", "--interval", "0.5", *options], environment) as terminal:
        assert terminal.shows("5 accounts with a cycle under way", SHOWN_SECONDS), terminal.text
        assert terminal.shows("q quit", SHOWN_SECONDS), terminal.text
        yield terminal


def is_as_before(terminal: Terminal) -> bool:
    """After the end: screen, cursor and settings."""
    assert terminal.said.rindex(LEFT) > terminal.said.rindex("over")
    return CURSOR in terminal.said and terminal.attributes() == terminal.before


def test_live_it_follows_keys_and_leaves_the_terminal_as_it_was(environment: dict[str, str]) -> None:
    with live(environment) as terminal:
        assert "by ratio" in terminal.text
        assert terminal.attributes() != terminal.before
        terminal.type("b")
        assert terminal.shows("by burn", SHOWN_SECONDS)
        terminal.type("z")  # no key of ours
        terminal.type("E")
        assert terminal.shows("by exhaustion", SHOWN_SECONDS)
        terminal.type("q")
        assert terminal.end(SHOWN_SECONDS) == console.Exit.OK
        assert is_as_before(terminal)


def test_ctrl_c_ends_it_without_a_word_and_a_signal_as_everywhere(environment: dict[str, str]) -> None:
    for keys, number, code in ((CTRL_C, None, console.Exit.OK), ("", signal.SIGTERM, console.Exit.TERMINATED)):
        with live(environment, "--account", "*") as terminal:
            terminal.type(keys)
            assert terminal.end(SHOWN_SECONDS, number) == code
            assert is_as_before(terminal)
            assert "Traceback" not in terminal.text
            assert "interrupted" not in terminal.text


def test_while_clickhouse_is_away_the_last_table_stays_and_says_so(
    service: Service, environment: dict[str, str]
) -> None:
    (port,) = settled(1)
    proxy = Proxy(port, service.target.port)
    proxy.start()
    try:
        with live(environment | {"TALLY_CLICKHOUSE__URL": f"http://127.0.0.1:{port}"}) as terminal:
            proxy.refuse()
            proxy.reset()
            assert terminal.shows("s ago: ClickHouse at", SHOWN_SECONDS), terminal.text
            assert terminal.shows("over", SHOWN_SECONDS)
            proxy.heal()
            time.sleep(1.0)
            assert _is_well(terminal), terminal.text[-3000:]
            terminal.type("q")
            assert terminal.end(SHOWN_SECONDS) == console.Exit.OK
    finally:
        proxy.close()


def _is_well(terminal: Terminal) -> bool:
    """Whether a screen comes without the trouble."""
    for _ in range(int(SHOWN_SECONDS)):
        start = len(terminal.text)
        terminal.shows("q quit", 5)
        screen = terminal.text[start:]
        if "over" in screen and "s ago" not in screen:
            return True
    return False


def test_it_waits_for_a_clickhouse_that_is_not_there_yet(service: Service, environment: dict[str, str]) -> None:
    (port,) = settled(1)
    proxy = Proxy(port, service.target.port)
    with Terminal(
        ["top", "--interval", "0.5"], environment | {"TALLY_CLICKHOUSE__URL": f"http://127.0.0.1:{port}"}
    ) as one:
        assert one.shows("asking again", SHOWN_SECONDS), one.text
        proxy.start()
        try:
            assert one.shows("5 accounts with a cycle under way", SHOWN_SECONDS), one.text
            one.type("q")
            assert one.end(SHOWN_SECONDS) == console.Exit.OK
        finally:
            proxy.close()
