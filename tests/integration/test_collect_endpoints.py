"""A collector that runs, and endpoints that are made, rotated, broken and removed beside it with the real commands."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from standardwebhooks.webhooks import Webhook

from tests.integration import scrape
from tests.integration.collect_world import Collecting, World, await_that

EVENT = {"type": "email_opened", "occurred_at": "2026-11-21T10:00:00Z", "event_id": "e1", "profile_id": "p1"}
BODY = json.dumps(EVENT).encode()
HOOK = [
    {
        "event_type": "open",
        "event_date": "2026-11-21T10:00:00.123456789Z",
        "account_id": 1,
        "is_test": False,
        "profile_id": "p1",
        "event_data": {"message_id": 5, "campaign_id": 130},
    }
]
KNOWN_SECONDS = 1.5  # a collector looks at the file every second


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(kafka, tmp_path_factory.mktemp("endpoints"))
    found.make_topics()
    return found


@pytest.fixture(scope="module")
def collector(world: World) -> Iterator[Collecting]:
    with world.collector(access_log=True) as running:
        yield running


def tally(world: World, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`tally endpoints` in the collector's home."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", "endpoints", *arguments],
        env={**clean, **world.settings, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def made(world: World, *options: str) -> dict[str, Any]:
    """What a command that makes a key shows; the collector knows it then."""
    ended = tally(world, *options, "--base-url", "https://hooks.example.com", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    time.sleep(KNOWN_SECONDS)
    return dict(json.loads(ended.stdout))


def post(collector: Collecting, url: str, body: bytes = BODY, **headers: str) -> int:
    """The status of a delivery to the path of a URL."""
    place = urlsplit(collector.address)
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): v for name, v in headers.items()}}
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request("POST", urlsplit(url).path, body, given)
        return connection.getresponse().status


def test_keys_begin_and_end_while_a_collector_runs(world: World, collector: Collecting) -> None:
    first = made(world, "new", "--vendor", "own", "--account", "acme", "--source", "shop")
    old, id_ = f"Bearer {first['secret']}", first["id"]
    assert post(collector, first["url"], Authorization=old) == 200
    assert post(collector, first["url"], Authorization=f"{old}x") == 401
    await_that(lambda: f"endpoint {id_} refused a delivery: wrong" in collector.log, lambda: collector.log)
    second = made(world, "rotate", id_)
    new = f"Bearer {second['secret']}"
    assert [post(collector, first["url"], Authorization=one) for one in (old, new)] == [200, 200]
    assert tally(world, "revoke", id_).returncode == 0
    time.sleep(KNOWN_SECONDS)
    assert [post(collector, first["url"], Authorization=one) for one in (old, new)] == [401, 200]
    assert tally(world, "remove", id_).returncode == 0
    time.sleep(KNOWN_SECONDS)
    assert post(collector, first["url"], Authorization=new) == 401


def test_a_broken_file_keeps_the_former_endpoints_until_it_is_mended(world: World, collector: Collecting) -> None:
    shown = made(world, "new", "--vendor", "altcraft", "--account", "acme")
    body = json.dumps(HOOK).encode()
    assert post(collector, shown["url"], body) == 200
    file = Path(world.folder / "endpoints.json")
    whole = file.read_text()
    file.write_text(whole.replace('"vendor": "altcraft"', '"vendor": "altkraft"'))
    said = "endpoints[0].vendor: must be one of altcraft, brevo, connectif, mindbox, own"
    try:
        await_that(lambda: said in collector.log, lambda: collector.log)
        assert post(collector, shown["url"], body) == 200
        assert tally(world, "list").returncode == 1
    finally:
        file.write_text(whole)
    await_that(lambda: "can be used again: 1 endpoints" in collector.log, lambda: collector.log)
    assert post(collector, shown["url"], body) == 200
    assert tally(world, "remove", shown["id"]).returncode == 0


def test_a_signed_delivery_is_taken_once_and_its_senders_retry_again(world: World, collector: Collecting) -> None:
    own = ("new", "--vendor", "own", "--account", "acme", "--source", "shop", "--credential", "standard-webhooks")
    shown = made(world, *own)

    def signed(at: datetime) -> dict[str, str]:
        signature = Webhook(shown["secret"]).sign("msg_1", at, BODY.decode())
        return {"webhook_id": "msg_1", "webhook_timestamp": str(int(at.timestamp())), "webhook_signature": signature}

    now = datetime.now(UTC)
    assert post(collector, shown["url"], **signed(now)) == 200
    assert post(collector, shown["url"], **signed(now)) == 409
    assert post(collector, shown["url"], BODY + b" ", **signed(now)) == 401
    later = datetime.fromtimestamp(int(now.timestamp()) + 1, UTC)
    assert post(collector, shown["url"], **signed(later)) == 200
    early = datetime.fromtimestamp(int(now.timestamp()) - 302, UTC)
    assert post(collector, shown["url"], **signed(early)) == 401
    assert tally(world, "remove", shown["id"]).returncode == 0


def test_no_secret_is_in_a_log_line_or_metric(world: World, collector: Collecting) -> None:
    paths = made(world, "new", "--vendor", "altcraft", "--account", "acme-in-no-line")
    tokens = made(world, "new", "--vendor", "brevo", "--account", "acme-in-no-line")
    for url in (paths["url"], paths["url"] + "x", tokens["url"]):
        post(collector, url, Authorization=f"Bearer {tokens['secret']}")
        post(collector, url, b"{", Authorization=f"Bearer {tokens['secret']}x")
    said = collector.log + scrape.text(collector.log)
    assert "ACCESS" in said
    assert paths["secret"] not in said
    assert tokens["secret"].split("_", 2)[2][:20] not in said  # a secret may have such signs too
    assert world.settings["TALLY_COLLECT__SIGNING_KEY"] not in said
    assert "acme-in-no-line" not in said
    for one in (paths, tokens):
        assert tally(world, "remove", one["id"]).returncode == 0
