"""The folder of the local stack: what is in it, who may use it, what is refused."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from connectors.local import broker, home, ports
from connectors.local.docker import kafka_environment
from connectors.local.faults import LOG_LINES_SHOWN, StackError, tail
from connectors.local.service import Listener, Service, Wish

KAFKA = Service("127.0.0.1:1", "jars", pid=7, started=8.5)
ENGINE = Service("http://127.0.0.1:2", "docker", container="abc")


def test_a_new_home_gets_its_format_and_can_be_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "home"
    for _ in range(2):
        with home.opened(folder):
            assert (folder / "format").read_text() == "1\n"


def test_a_home_of_another_format_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("0\n")
    with (
        pytest.raises(StackError, match=r"has format '0', this tally reads and writes format 1.*TALLY_HOME"),
        home.opened(tmp_path),
    ):
        pass


def test_data_without_a_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with pytest.raises(StackError, match="holds data, but no file `format`"), home.opened(tmp_path):
        pass


def test_a_second_start_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with home.opened(tmp_path), pytest.raises(StackError, match="another `tally up`"), home.opened(tmp_path):
        pass


def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot use the home"), home.opened(tmp_path / "file"):
        pass


def test_a_home_whose_name_is_a_pattern_or_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"has , \{ \} in its path"), home.opened(tmp_path / "{a,b}"):
        pass


def test_the_hash_seed_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    home.ensure_seed(tmp_path)
    path = tmp_path / "hash_seed"
    first = path.read_text()
    assert re.fullmatch(r"[0-9a-f]{16}\n", first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    home.ensure_seed(tmp_path)
    assert path.read_text() == first


def test_what_runs_is_written_and_read_back(tmp_path: Path) -> None:
    services = {"kafka": KAFKA, "clickhouse": ENGINE}
    home.write(tmp_path, services)
    assert home.read(tmp_path) == services
    assert json.loads((tmp_path / "stack.json").read_text()) == {
        "format": 1,
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "by": "jars", "pid": 7, "started": 8.5},
        "clickhouse": {"url": "http://127.0.0.1:2", "by": "docker", "container": "abc"},
    }
    home.write(tmp_path, {})
    assert not (tmp_path / "stack.json").exists()
    assert home.read(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kafka": {"by": "jars"}}', '{"kafka": 1}'])
def test_an_unreadable_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "stack.json").write_text(text)
    assert home.read(tmp_path) == {}


def test_the_brokers_configuration_listens_on_loopback_alone() -> None:
    lines = dict(
        line.split("=", 1)
        for line in broker.properties(Path("/h"), 1234, 5678).splitlines()
        if not line.startswith("#")
    )
    assert lines["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678"
    assert lines["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1234"
    assert lines["auto.create.topics.enable"] == "false"
    assert kafka_environment(1234)["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:1234"


def test_a_broker_may_be_asked_for_more_doors_and_other_properties() -> None:
    wish = Wish(listeners=(Listener(11, 12),), properties={"auto.create.topics.enable": "true"})
    lines = broker.properties(Path("/h"), 1234, 5678, wish).splitlines()
    assert "listeners=PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678,EXTRA1://127.0.0.1:11" in lines
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:1234,EXTRA1://127.0.0.1:12" in lines
    assert "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTRA1:PLAINTEXT" in lines
    assert lines.index("auto.create.topics.enable=false") < lines.index("auto.create.topics.enable=true")


def test_a_path_of_any_letters_survives_javas_properties() -> None:
    assert broker.escaped(Path("/h/a b/é😀")) == r"/h/a b/\u00e9\ud83d\ude00"


def test_a_port_that_is_taken_is_said_with_the_option() -> None:
    one, two = ports.any_free(2)
    assert one != two
    assert ports.demand(one, "Kafka", "--kafka-port") == one
    with ports.socket.create_server((ports.LOOPBACK, two)):
        assert not ports.is_free(two)
        with pytest.raises(StackError, match=rf"port {two} of 127\.0\.0\.1 is taken.*--kafka-port"):
            ports.demand(two, "Kafka", "--kafka-port")


def test_the_end_of_a_log_is_shown_and_no_more(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert tail(log).splitlines() == [f"line {number}" for number in range(100_000 - LOG_LINES_SHOWN, 100_000)]
