"""The rules, the Alertmanager example and the runbooks: right in themselves, tested, and about metrics that exist.

Prometheus' own programs judge the files, and what the rules say is read as a real Prometheus has understood it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.local import monitoring, targets
from connectors.local.processes import end
from connectors.local.prometheus import Tools
from connectors.local.service import Wish
from pipeline.metrics import CATALOGUE
from tests.unit.test_style import unknown_commands

ROOT = Path(__file__).parents[2]
DEPLOY, RUNBOOKS = ROOT / "deploy" / "prometheus", ROOT / "docs" / "runbooks"
RULES = sorted(path.name for path in DEPLOY.glob("*.rules.yml"))
SEVERITIES = {"info", "warning", "critical"}
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
MADE_BY_PROMETHEUS = {"up"}
SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Mend")
ALERTS = [name for file in RULES for name in re.findall(r"- alert: (\w+)", (DEPLOY / file).read_text("utf-8"))]

Rule = dict[str, Any]


def run(*command: str | Path, folder: Path = DEPLOY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def rules(prometheus_tools: Tools, bound_wish: Wish, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Rule]]:
    """All rules as Prometheus has them, from one that runs on the example as it stands."""
    folder = monitoring.prepare(tmp_path_factory.mktemp("rules"))
    service = monitoring.run_prometheus(prometheus_tools, folder, bound_wish)
    with urllib.request.urlopen(f"{service.address}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    yield [rule for group in groups for rule in group["rules"]]
    assert service.marked is not None
    end(service.marked, monitoring.STOP_SECONDS)


@pytest.fixture(scope="module")
def alerts(rules: list[Rule]) -> dict[str, Rule]:
    """The alerts by name."""
    return {rule["name"]: rule for rule in rules if rule["type"] == "alerting"}


@pytest.mark.parametrize("file", RULES)
def test_promtool_finds_no_fault_with_the_rules(promtool: Path, file: str) -> None:
    done = run(promtool, "check", "rules", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", RULES)
def test_the_rules_fire_where_they_must_and_only_there(promtool: Path, file: str) -> None:
    done = run(promtool, "test", "rules", file.replace(".rules.", ".test."))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("instead", "says"), [("vector(1) > 1", "got: nil"), ("vector(1)", "exp: nil")])
@pytest.mark.parametrize("file", RULES)
def test_the_tests_notice_each_alert_that_fires_never_or_always(
    promtool: Path, tmp_path: Path, file: str, instead: str, says: str
) -> None:
    shutil.copy(DEPLOY / file.replace(".rules.", ".test."), tmp_path)
    text = (DEPLOY / file).read_text("utf-8")
    broken, count = re.subn(
        r"(- alert: \w+\n(?:        #.*\n)*        expr:) .*\n(          .*\n)*", rf"\1 {instead}\n", text
    )
    (tmp_path / file).write_text(broken, encoding="utf-8")
    assert run(promtool, "check", "rules", file, folder=tmp_path).returncode == 0
    done = run(promtool, "test", "rules", file.replace(".rules.", ".test."), folder=tmp_path)
    assert done.returncode == 1
    faults = (done.stdout + done.stderr).split("expr: ")
    noticed = {re.findall(r'alertname=\\?"(\w+)', fault)[0] for fault in faults if says in fault}
    assert noticed == set(re.findall(r"- alert: (\w+)", text))
    assert len(noticed) == count


def test_the_scrape_example_is_what_prometheus_reads(promtool: Path, tmp_path: Path) -> None:
    folder = monitoring.prepare(tmp_path)
    for process in ("worker", "sink", "notify", "audit", "collect"):
        targets.write(folder / "targets" / f"{process}-1.json", "127.0.0.1:1")
    targets.write(folder / "alertmanagers" / "local.json", "127.0.0.1:2")
    done = run(promtool, "check", "config", "prometheus.yml", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_an_alert_says_what_it_means_and_how_urgent_it_is(alerts: dict[str, Rule]) -> None:
    assert sorted(alerts) == sorted(ALERTS)
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in SEVERITIES, name
        assert rule["labels"]["component"] in {"allowance", "pipeline"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["description"].count(". ") >= 2, f"{name}: what, why it matters, next step"
        assert "Next: " in rule["annotations"]["description"], name


def test_each_alert_has_its_runbook_and_each_runbook_its_alert(alerts: dict[str, Rule]) -> None:
    assert {name: rule["annotations"]["runbook_url"] for name, rule in alerts.items()} == {
        name: f"docs/runbooks/{name}.md" for name in alerts
    }
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == sorted(alerts)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_has_every_section_and_names_commands_that_exist(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text("utf-8")
    assert text.startswith(f"# {alert}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    assert unknown_commands(text) == set()


def known() -> set[str]:
    return {entry.name + suffix for entry in CATALOGUE for suffix in SUFFIXES[entry.kind]}


def test_the_runbook_of_parked_alerts_lists_and_retries_those_alone() -> None:
    text = (RUNBOOKS / "TallyAlertsParked.md").read_text("utf-8")
    assert {found.rstrip("`.") for found in re.findall(r"tally alerts [^\n`]*", text)} == {
        "tally alerts list --state parked",
        "tally alerts retry --parked --dry-run",
        "tally alerts retry --parked",
        "tally alerts retry ID",
    }


def test_every_metric_that_a_rule_or_a_runbook_names_is_in_the_catalogue(rules: list[Rule]) -> None:
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    for rule in rules:
        query = re.sub(r'"[^"]*"', '""', rule["query"])
        named = set(re.findall(r"(?<![\w:])(?:\w+:)*tally_\w+(?::\w+)*|\bup\b", query))
        assert named, rule["name"]
        assert named <= known() | recorded | MADE_BY_PROMETHEUS, rule["name"]
    names = {entry.name for entry in CATALOGUE}
    for path in RUNBOOKS.glob("*.md"):
        assert set(re.findall(r"\btally_\w+", path.read_text("utf-8"))) <= names, path.name


def test_labels_that_a_rule_goes_by_are_those_of_its_metrics(rules: list[Rule]) -> None:
    of_target = {"job", "instance"}
    labels = {label for entry in CATALOGUE for label in entry.labels} | of_target
    for rule in rules:
        for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["query"]):
            assert set(listed.split(", ")) <= labels, rule["name"]


def test_amtool_finds_no_fault_with_the_example(prometheus_tools: Tools) -> None:
    done = run(prometheus_tools.amtool, "check-config", "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("component=allowance", "severity=info"), "account-managers"),
        (("component=allowance", "severity=critical"), "account-managers"),
        (("component=pipeline", "severity=critical"), "on-call"),
        (("component=pipeline", "severity=warning"), "team"),
        (("component=pipeline", "severity=info"), "team"),
        (("alertname=Unknown",), "on-call"),
    ],
)
def test_an_alert_goes_to_whom_it_concerns(prometheus_tools: Tools, labels: tuple[str, ...], receiver: str) -> None:
    done = run(prometheus_tools.amtool, "config", "routes", "test", "--config.file=alertmanager.yml", *labels)
    assert done.stdout.split() == [receiver], done.stdout + done.stderr


def test_what_alertmanager_inhibits_by_name_exists(alerts: dict[str, Rule]) -> None:
    text = (DEPLOY / "alertmanager.yml").read_text("utf-8")
    assert set(re.findall(r"\bTally\w+", text)) <= set(alerts)


def named_by(place: Path, pick: Callable[[str], list[str]]) -> list[str]:
    return pick(place.read_text("utf-8"))


def test_the_processes_that_are_scraped_are_those_that_serve_metrics() -> None:
    jobs = named_by(DEPLOY / "prometheus.yml", lambda text: re.findall(r"job_name: tally-(\w+)", text))
    files = named_by(DEPLOY / "prometheus.yml", lambda text: re.findall(r"targets/(\w+)-\*", text))
    assert jobs == files
    assert set(jobs) >= {str(process) for entry in CATALOGUE for process in entry.processes}
