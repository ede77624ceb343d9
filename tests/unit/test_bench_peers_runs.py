"""The peers' bench: figures of a run, nobody ranked by chance, environments that are whole or not used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench import conditions
from tests.bench.aims import AIMS
from tests.bench.peers import __main__ as peers
from tests.bench.peers import environments
from tests.bench.peers.contestants import PEERS
from tests.bench.peers.data import enriched_schema
from tests.bench.peers.rounds import order
from tests.bench.peers.running import Failed, Measured, Said, Sample, figures
from tests.bench.peers.verdicts import Run, Told, ranking
from tests.bench.peers.verdicts import figures as figures_of

# --------------------------------------------------------------------------------------------------- one run


def test_figures_are_over_the_last_two_thirds() -> None:
    samples = [
        Sample(0.0, 0, 5.0, 1.0),
        Sample(3.0, 400, 9.0, 1.5),
        Sample(4.0, 700, 9.1, 1.6),
        Sample(5.0, 1_000, 9.3, 1.8),
    ]
    found = figures(samples, 1_000, 3 * 2**20)
    assert found.cpu_us == pytest.approx(500.0)
    assert found.broker_us == pytest.approx(500.0)
    assert found.events_s == pytest.approx(300.0)
    assert found.rss_mb == 3.0


def test_a_run_that_was_over_between_two_looks_has_no_figures() -> None:
    with pytest.raises(Failed, match="between two looks"):
        figures([Sample(0.0, 0, 1.0, 1.0), Sample(0.1, 1_000, 2.0, 1.0)], 1_000, 0)


def test_progress_is_the_newest_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"P 1\nsome words\nP 20\nP 30")
    said = Said(log)
    assert said() == 20
    with log.open("ab") as file:
        file.write(b"0\nGOP 7\n")
    assert said() == 300
    assert said() == 300


def test_cpu_and_memory_of_a_process_are_read_with_its_children() -> None:
    from tests.bench.measure import cpu_seconds_with_children
    from tests.bench.peers.running import _memory

    busy = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    parent = (
        f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {busy + 'input()'!r}]); child.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while cpu_seconds_with_children(process.pid) < 0.3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert _memory(process.pid) > 2 * 2**20
    finally:
        process.communicate(b"\n", timeout=30)


# ------------------------------------------------------------------------------------------------ the verdicts


def told(*cpu: float, wrong: str = "", aim: str | None = None, events: int = 1_000) -> Told:
    return Told("a peer", events, aim, [Run(Measured(value, 1.0, 100.0, 50.0), wrong) for value in cpu])


def test_contestants_whose_ranges_overlap_are_not_ranked() -> None:
    assert ranking({"a": told(4.0, 5.0), "b": told(14.0, 16.0), "c": told(15.9, 20.0)}) == [["a"], ["b", "c"]]
    assert ranking({"a": told(4.0, 5.0), "b": told(5.0, 6.0)}) == [["a", "b"]]
    assert ranking({"a": told(5.1, 6.0), "b": told(4.0, 5.0)}) == [["b"], ["a"]]
    assert ranking({}) == []


def test_a_range_inside_another_is_not_ranked_before_what_follows_the_wider_one() -> None:
    assert ranking({"a": told(4.0, 20.0), "b": told(5.0, 6.0), "c": told(10.0, 11.0)}) == [["a", "b", "c"]]


def test_whose_output_was_wrong_is_shown_as_wrong_and_neither_ranked_nor_compared() -> None:
    all_told = {"tally": told(5.0), "streams": told(1.0, wrong="3 events lost", aim="peers.streams")}
    assert ranking(all_told) == [["tally"]]
    found = figures_of(all_told, "tally")
    assert {figure.note for figure in found if figure.name.startswith("a peer, ")} == {
        "all rules; journal checked by the recount",
        "WRONG OUTPUT in 1 of 1 rounds: 3 events lost",
    }
    assert not [figure for figure in found if figure.aim]


def test_a_ratio_is_of_the_rounds_that_ran_beside_each_other() -> None:
    found = figures_of({"tally": told(5.0, 4.0), "flink": told(15.0, 16.0, aim="peers.flink", events=100)}, "tally")
    (ratio,) = (figure for figure in found if figure.aim)
    assert ratio.values == (3.0, 4.0)
    assert ratio.note == "over 100 events, ours over 1,000"


def test_ours_that_is_wrong_leaves_no_ratio() -> None:
    found = figures_of({"tally": told(5.0, wrong="1 events lost"), "flink": told(15.0, aim="peers.flink")}, "tally")
    assert not [figure for figure in found if figure.aim]


def test_a_run_of_fewer_events_than_all_is_held_against_no_aim() -> None:
    both = {"tally": told(5.0), "flink": told(15.0, aim="peers.flink")}
    found = figures_of(both, "tally", is_full=False)
    assert [figure.values for figure in found if figure.name.endswith("against ours")] == [(3.0,)]
    assert [figure for figure in found if figure.aim] == []


# ------------------------------------------------------------------------------------------------- the options


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("--rounds", "0", "'0' is not a whole number of rounds from 1 to 100"),
        ("--events", "0", "'0' is not a whole number of events from 2,000 to 100,000,000"),
        ("--events", "-5", "'-5' is not a whole number of events from 2,000 to 100,000,000"),
        ("--only", ",", "',' names no contestant; there are tally, streams, flink, bytewax, quix, faust"),
        ("--only", "tally,nope", "nope: not among tally, streams, flink, bytewax, quix, faust"),
        ("--json", "/proc/x/y.json", "no file can be made in '/proc/x'"),
        ("--cache", "/proc/x", "no file can be made in '/proc/x'"),
    ],
)
def test_a_wrong_option_is_told_before_kafka_is_started(
    option: str, value: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        peers.options().parse_args([f"{option}={value}"])
    assert ended.value.code == 2
    assert f"argument {option}: {right}" in capsys.readouterr().err


def test_contestants_run_in_the_order_of_the_table_and_all_where_none_is_named() -> None:
    assert order(peers.options().parse_args([]).only) == list(peers.KEYS)
    assert order(peers.options().parse_args(["--only", "flink, tally"]).only) == ["tally", "flink"]


def test_a_run_in_which_no_contestant_can_be_made_has_no_figures_and_starts_no_kafka(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers, "_skipped", {})
    monkeypatch.delattr(peers, "_run")
    assert peers.measure(peers.options().parse_args(["--only", "streams,flink", "--cache", str(tmp_path)])) == []
    assert "java, javac, mvn" in peers.versions()["Flink"]


# -------------------------------------------------------------------------------------------- the environments


def test_the_jvm_of_the_jvm_peers_is_among_the_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "java").write_text("#!/bin/sh\necho 'openjdk version \"17.0.99\" 2025-04-15' >&2\n", encoding="utf-8")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert peers.versions()["JVM of Kafka Streams and Flink"] == "17.0.99"
    assert "JVM of Kafka" in conditions.versions()
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert "JVM of Kafka Streams and Flink" not in peers.versions()


def test_what_both_jvm_peers_are_given_stands_in_the_row_of_both() -> None:
    source = (environments.HERE / "java/shared/Job.java").read_text("utf-8")
    given = dict(re.findall(r'p\.put\("([a-z.]+)", "(\w+)"\)', source))
    assert given["buffer.memory"] == "67108864"
    page = (environments.HERE.parents[2] / "docs/peers.md").read_text("utf-8")
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in page.splitlines() if row.startswith("| ")}
    both, streams = rows["JVM: Kafka Streams and Flink"], rows["Kafka Streams"]
    for name in ("buffer.memory", "max.poll.records"):
        assert f"`{name}={given[name]}`" in both
        assert name not in streams


def test_every_peer_has_a_pinned_version_and_a_known_aim() -> None:
    for peer in PEERS:
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?", peer.version()), peer.key
        assert peer.aim is None or peer.aim in AIMS


def test_the_peers_packages_are_pinned_by_hash_and_name_no_place() -> None:
    for path in (environments.HERE / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        packages = re.findall(r"^[a-z][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0, path.name
        assert not re.findall(r"https?://|^\s*-(?!-hash)", text, re.MULTILINE), path.name


def test_without_a_jdk_or_maven_the_jvm_peers_are_absent_and_say_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(environments.Absent, match="java, javac, mvn"):
        environments.class_path("streams", tmp_path)


def test_a_build_that_fails_tells_the_last_words_and_is_not_taken_for_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, does in (("java", "echo version 17 >&2"), ("javac", "true"), ("mvn", "echo no such artifact; exit 3")):
        (tools / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    for _ in range(2):
        with pytest.raises(environments.Absent, match="mvn failed with 3: no such artifact"):
            environments.class_path("flink", tmp_path / "cache")
    (tools / "mvn").write_text("#!/bin/sh\nmkdir -p target/lib\n", encoding="utf-8")
    classes, jars = environments.class_path("flink", tmp_path / "cache").split(os.pathsep)
    assert Path(classes).parent == Path(jars).parent.parent
    assert (Path(classes).parent.parent / "src" / "Job.java").exists()


def test_the_job_of_the_jvm_peers_reads_what_the_bench_writes(tmp_path: Path) -> None:
    from tests.bench.peers.data import write_job

    write_job(tmp_path)
    assert json.loads((tmp_path / "enriched.avsc").read_text("utf-8")) == enriched_schema()
    assert "email_opened" in (tmp_path / "activities.txt").read_text("utf-8").split()
    source = (environments.HERE / "java/shared/Job.java").read_text("utf-8")
    assert {"channel.avsc", "enriched.avsc", "activities.txt"} <= set(re.findall(r'"(\w+\.\w+)"', source))
