"""Collectors of each test's own: their bounds, Kafka away, their stop, TLS, what they write."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from connectors.collect import answers
from connectors.local.keeper import Keeper
from tests.integration import scrape
from tests.integration.collect_world import Collecting, World, await_that
from tests.integration.sender_world import ask, event, kept, new_door, post
from tests.torture.broker import Broker


@pytest.fixture(scope="module")
def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(kafka, tmp_path_factory.mktemp("collect"))
    found.make_topics()
    return found


def test_what_is_above_the_bounds_is_told_to_try_again_at_once(world: World) -> None:
    own, brevo = new_door(world), new_door(world, "brevo")
    with world.collector(TALLY_COLLECT__REQUESTS_MAX="1") as collector:
        place = urlsplit(collector.address)
        with socket.create_connection((place.hostname or "", place.port or 0), 10) as raw:
            head = f"POST {own.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
            raw.sendall((head + f"Authorization: {own.headers['Authorization']}\r\n\r\n[").encode())
            await_that(lambda: post(collector, own, event(1)).status == 503, lambda: "a full collector")
            began = time.monotonic()
            answer = post(collector, brevo, {})
            assert (answer.status, answer.headers["Retry-After"]) == (429, str(answers.RETRY_FULL_SECONDS))
            assert time.monotonic() - began < 1
        await_that(lambda: post(collector, own, event(2)).status == 200, lambda: "room again")
    with world.collector(TALLY_COLLECT__IN_FLIGHT_BYTES_MAX="4096") as collector:
        place = urlsplit(collector.address)
        with socket.create_connection((place.hostname or "", place.port or 0), 10) as raw:
            head = f"POST {own.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n"
            raw.sendall((head + f"Authorization: {own.headers['Authorization']}\r\n\r\n[").encode())
            await_that(lambda: post(collector, own, b" " * 500).status == 503, lambda: "no room for 500 bytes more")


def test_an_absent_kafka_is_told_at_once_and_met_when_it_comes(tmp_path: Path) -> None:
    keeper = Keeper()
    broker = Broker(tmp_path / "kafka", keeper)
    world = World(broker.address, tmp_path)
    own, brevo = world.door("own"), world.door("brevo")
    try:
        with world.collector(TALLY_COLLECT__DELIVERY_SECONDS="3") as collector:
            assert ask(collector, "/health").status == 200
            assert ask(collector, "/ready").status == 503
            for door, status in ((own, 503), (brevo, 429)):
                began = time.monotonic()
                answer = post(collector, door, b"{")
                assert (answer.status, answer.headers["Retry-After"]) == (status, str(answers.RETRY_AWAY_SECONDS))
                assert time.monotonic() - began < 1
            broker.start()
            world.make_topics()
            await_that(lambda: ask(collector, "/ready").status == 200, lambda: "Kafka to be met")
            assert post(collector, own, event(1)).status == 200
            broker.kill()
            began = time.monotonic()
            assert {post(collector, own, event(n)).status for n in range(2, 5)} == {503}
            assert {post(collector, brevo, b"{").status for _ in range(3)} == {429}
            assert time.monotonic() - began < 3 + 2
            broker.start()
            await_that(lambda: post(collector, own, event(5)).status == 200, lambda: "Kafka to be met again")
            assert collector.stop() == 0
    finally:
        broker.stop()
        keeper.close()


def test_a_collector_without_its_topics_says_what_to_do(kafka: str, tmp_path: Path) -> None:
    world = World(kafka, tmp_path)
    with pytest.raises(AssertionError, match="tally topics apply"), world.collector():
        pass


def test_a_stop_finishes_what_is_at_work(world: World) -> None:
    door = new_door(world)
    with world.collector() as collector:
        place = urlsplit(collector.address)
        with socket.create_connection((place.hostname or "", place.port or 0), 10) as raw:
            body = json.dumps(event(1)).encode()
            head = f"POST {door.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            raw.sendall((head + f"Authorization: {door.headers['Authorization']}\r\n\r\n").encode() + body[:-1])
            time.sleep(0.3)
            collector.process.terminate()
            collector.await_line("stopping")
            raw.sendall(body[-1:])
            assert raw.recv(1_000).startswith(b"HTTP/1.1 200 ")
        assert collector.process.wait(20) == 0
    assert [one.event["profile_id"] for one in kept(world, door)] == ["p1"]


def test_with_a_certificate_https_is_served_and_no_http(world: World, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    made.private_key_pem.write_to_path(key)
    for pem in made.cert_chain_pems:
        pem.write_to_path(certificate, append=True)
    door = new_door(world)
    files = {"TALLY_COLLECT__TLS_CERTIFICATE": str(certificate), "TALLY_COLLECT__TLS_KEY": str(key)}
    with world.collector(**files) as collector:
        assert collector.address.startswith("https://")
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        answer = ask(collector, door.path, json.dumps(event(1)).encode(), door.headers, context=trust)
        assert answer.status == 200
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask_plain(collector)


def ask_plain(collector: Collecting) -> None:
    """HTTP where HTTPS is served."""
    place = urlsplit(collector.address)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)) as connection:
        connection.request("GET", "/health")
        connection.getresponse()


def test_no_line_and_no_metric_has_a_secret_an_account_or_an_address(world: World) -> None:
    door, path = new_door(world), new_door(world, "altcraft", "path")
    with world.collector() as collector:
        body = json.dumps({"email": "someone@mail.example", "type": "x"}).encode()
        post(collector, door, body)
        ask(collector, path.path + "?secret=queried", body)
        ask(collector, path.path[:-3] + "zzz", body)
        page = scrape.text(f"metrics on {collector.metrics}")
        assert collector.stop() == 0
        told = page + collector.log
    assert 'tally_collect_requests_total{answer="success",vendor="own"} 1.0' in page
    assert 'tally_collect_events_total{outcome="refused",vendor="own"} 1.0' in page
    assert 'tally_collect_requests_total{answer="unauthorized",vendor="altcraft"} 1.0' in page
    for hidden in (door.secret, path.secret, door.endpoint.account, "someone", "127.0.0.1:0", "queried"):
        assert hidden not in told, hidden


def test_access_lines_say_the_place_and_nothing_of_the_sender(world: World) -> None:
    path = new_door(world, "altcraft", "path")
    with world.collector() as collector:
        assert "ACCESS" not in collector.log
    with world.collector(access_log=True) as collector:
        ask(collector, path.path + "?secret=queried", b"{}")
        ask(collector, "/surprise")
        collector.await_line("ACCESS GET none none no_place 404")
        assert "ACCESS POST /v1/hooks/{endpoint}/{secret} altcraft success 200" in collector.log
        for hidden in (path.secret, path.endpoint.id, "queried", "surprise"):
            assert hidden not in collector.log
