"""Whether Kafka answers, as those who take a vendor's topic over show it: spare ones too."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration import scrape
from tests.integration.intake_world import await_that, killed, new_endpoint, started, tally

READY = "tally_collect_kafka_ready"


def ready(log: Path) -> float | None:
    """The gauge of the process that writes the log; None where it shows nothing yet."""
    said = log.read_text(encoding="utf-8") if log.exists() else ""
    return scrape.shown(scrape.text(said)).get(READY) if scrape.address(said) else None


def test_one_without_a_partition_shows_that_kafka_answers(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLY_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("TALLY_HOME", str(tmp_path))
    monkeypatch.setenv("TALLY_TOPICS__PREFIX", f"{tmp_path.name}.")
    assert tally("topics", "apply").returncode == 0
    topic = f"{tmp_path.name}.hooks"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    endpoint = new_endpoint("altcraft", "acme")
    logs = [tmp_path / f"{n}.log" for n in range(2)]
    running = [started(log, "collect", "--from-topic", topic, "--endpoint", endpoint) for log in logs]
    try:
        await_that(lambda: [ready(log) for log in logs] == [1.0, 1.0], 40, lambda: f"{[ready(log) for log in logs]}")
    finally:
        for process in running:
            killed(process)
