"""Prometheus and Alertmanager as parts of the local stack: started, found, seen in `tally status`, ended."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local import companions, home, inspect, monitoring, ports, stack, targets
from connectors.local.faults import StackError
from connectors.local.processes import end, find, runs
from connectors.local.progress import silent
from connectors.local.prometheus import Tools
from connectors.local.service import Service, Wish
from pipeline.settings import Settings, load

SEEN_SECONDS = 30.0  # file_sd at once, then one scrape every second
BOTH = ("prometheus", "alertmanager")


@pytest.fixture
def settings(kafka: str, clickhouse: str, tmp_path: Path) -> Settings:
    """Of a home whose Kafka and ClickHouse are those of the run, given by address."""
    return load({"home": str(tmp_path / "home"), "kafka.bootstrap_servers": kafka, "clickhouse.url": clickhouse})


@pytest.fixture
def started(settings: Settings, prometheus_tools: Tools) -> Iterator[stack.Stack]:
    del prometheus_tools  # fetched, and told as a real part
    made = stack.start(settings, bound_to_parent=True, wishes=stack.Wishes(prometheus=Wish(), alertmanager=Wish()))
    yield made
    made.stop()


def killed(service: Service) -> None:
    assert service.marked is not None
    process = find(service.marked)
    assert process is not None
    process.kill()
    end(service.marked, 5)


def test_a_stack_without_the_wish_has_neither(settings: Settings) -> None:
    made = stack.start(settings, bound_to_parent=True)
    assert set(made.services) == {"kafka", "clickhouse"}
    assert not (settings.home / targets.FOLDER).exists()
    made.stop()


def test_the_monitoring_answers_is_seen_and_is_left_alone_by_a_second_start(
    settings: Settings, started: stack.Stack
) -> None:
    assert all(monitoring.answers(started.services[part]) for part in BOTH)
    assert {part.service: part.state for part in inspect.inspect(settings).parts} == dict.fromkeys(
        ("kafka", "clickhouse", *BOTH), "answers"
    )
    assert set(home.read(settings.home)) == {"kafka", "clickhouse", *BOTH}
    again = stack.start(settings)
    assert {part: again.services[part] for part in BOTH} == {part: started.services[part] for part in BOTH}
    assert not set(BOTH) & set(again.started)


def test_one_that_died_is_told_and_comes_back_at_its_address(settings: Settings, started: stack.Stack) -> None:
    killed(started.services["prometheus"])
    found = inspect.inspect(settings)
    assert not found.complete
    assert "prometheus is not running: start it with `tally up --monitoring`." in found.problems
    again = stack.start(settings, wishes=stack.Wishes(prometheus=Wish(), alertmanager=Wish()))
    assert again.services["prometheus"].address == started.services["prometheus"].address
    assert set(again.started) - {"kafka", "clickhouse"} == {"prometheus"}
    again.stop()


def test_stopping_the_stack_ends_both(settings: Settings, started: stack.Stack) -> None:
    stopped = {one.part for one in stack.stop(settings.home)}
    assert stopped == set(BOTH)
    for part in BOTH:
        marked = started.services[part].marked
        assert marked is not None
        assert not runs(marked)
    assert companions.read(settings.home) == {}


class _Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"tally_drift 7\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((ports.LOOPBACK, 0), _Metrics)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_prometheus_finds_a_process_that_tells_where_it_serves_and_its_alert_fires(
    prometheus_tools: Tools, bound_wish: Wish, tmp_path: Path, served: int
) -> None:
    folder = monitoring.prepare(tmp_path, pace=monitoring.Pace(1))
    service = monitoring.run_prometheus(prometheus_tools, folder, bound_wish)
    targets.write(folder / "targets" / "audit-1.json", f"{ports.LOOPBACK}:{served}")
    deadline = time.monotonic() + SEEN_SECONDS
    while (found := monitoring.seen(service)) != monitoring.Seen(1, 1, {"TallyDrift": 1}):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert service.marked is not None
    end(service.marked, monitoring.STOP_SECONDS)
    with pytest.raises(StackError, match="does not answer at"):
        monitoring.seen(service)


def test_a_configuration_that_is_wrong_is_told_with_the_log_s_words(
    prometheus_tools: Tools, bound_wish: Wish, tmp_path: Path
) -> None:
    folder = monitoring.prepare(tmp_path)
    (folder / "prometheus.yml").write_text("scrape_configs: 7\n")
    with pytest.raises(StackError, match=r"ended at once(?s:.*)prometheus\.log(?s:.*)cannot unmarshal"):
        monitoring.run_prometheus(prometheus_tools, folder, bound_wish)


def test_a_port_that_is_taken_is_named(prometheus_tools: Tools, bound_wish: Wish, tmp_path: Path, served: int) -> None:
    folder = monitoring.prepare(tmp_path)
    with pytest.raises(StackError, match=f"port {served} .*is taken"):
        monitoring.run_alertmanager(prometheus_tools, folder, bound_wish._replace(port=served))


def test_an_installation_without_the_rules_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "EXAMPLES", tmp_path / "absent")
    with pytest.raises(StackError, match="Run it from a clone"):
        monitoring.prepare(tmp_path)
    settings = load({"home": str(tmp_path / "home")}, environ={})
    with pytest.raises(StackError, match="Run it from a clone"):
        monitoring.start_prometheus(settings, Wish(use_docker=False), silent)
