"""The peers' bench: the recount notices whatever is lost, doubled or miscounted, and nobody is ranked by chance."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fastavro
import pytest

import schemas
from pipeline.core import vocabulary
from pipeline.core.framing import FRAME_BYTES
from tests.bench.aims import AIMS
from tests.bench.peers import environments
from tests.bench.peers.contestants import PEERS
from tests.bench.peers.data import enriched_schema
from tests.bench.peers.recount import Differences, Enriched, Event, Sums, Truth, compare, compare_sums, months
from tests.bench.peers.running import Failed, Measured, Said, Sample, figures
from tests.bench.peers.traffic import Traffic
from tests.bench.peers.verdicts import Run, Told, ranking
from tests.bench.peers.verdicts import figures as figures_of

NOW_US = 1_793_145_600_000_000  # 28 October 2026


# ------------------------------------------------------------------------------------------------- the recount


def events() -> list[Event]:
    """Two accounts; `b` opens what `a` has opened already, `c` is a copy of `a`, `d` no activity."""
    first = Event("a", "one", "email_opened", 1, "p", "m")
    return [
        first,
        first._replace(event_id="b"),
        first,
        first._replace(event_id="d", type="email_sent"),
        first._replace(event_id="e", type="email_clicked", account_id="two"),
    ]


def truth() -> Truth:
    found = Truth()
    for offset, event in enumerate(events()):
        found.add(event, ("events.email", 0, offset), event.type != "email_sent")
    return found


def right() -> list[Enriched]:
    a, b, _, d, e = events()
    return [
        Enriched(a, True, False, 1),
        Enriched(b, False, False, 2),
        Enriched(d, False, False, 0),
        Enriched(e, False, True, 1),
    ]


def test_an_output_that_is_right_has_no_differences() -> None:
    assert compare(truth(), right()) == Differences()
    assert compare(truth(), reversed(right())).words == ""
    assert (truth().read, len(truth().first)) == (5, 4)


@pytest.mark.parametrize(
    ("spoil", "off"),
    [
        (lambda rows: rows[:2] + rows[3:], Differences(lost=1)),
        (lambda rows: [*rows, rows[2]], Differences(doubled=1)),
        (lambda rows: rows[1:], Differences(lost=1, opens=1, counts=1)),
        (lambda rows: [*rows, rows[0]], Differences(doubled=1, opens=1, counts=1)),
        (lambda rows: [*rows, rows[2]._replace(event=rows[2].event._replace(event_id="x"))], Differences(strange=1)),
        (lambda rows: [rows[0], rows[1]._replace(unique_open=True), *rows[2:]], Differences(opens=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(unique_open=True)], Differences(opens=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(unique_click=False)], Differences(clicks=1)),
        (lambda rows: [rows[0], rows[1]._replace(activity=1), *rows[2:]], Differences(counts=1)),
        (lambda rows: [*rows[:3], rows[3]._replace(activity=2)], Differences(counts=1)),
    ],
)  # fmt: skip
def test_whatever_is_wrong_in_an_output_is_noticed(
    spoil: Callable[[list[Enriched]], list[Enriched]], off: Differences
) -> None:
    assert compare(truth(), spoil(right())) == off
    assert off.words


def test_differences_are_told_in_words() -> None:
    assert Differences(lost=1_200, doubled=3).words == "1,200 events lost, 3 events twice"


def our_sums() -> Sums:
    sums = Sums()
    sums.places.update(("events.email", 0, offset) for offset in (0, 1, 3, 4))
    sums.opens["one", "email"] = 1
    sums.clicks["two", "email"] = 1
    sums.activities |= {("one", 1): 2, ("two", 1): 1}
    return sums


def test_our_own_journal_is_held_against_the_same_truth() -> None:
    assert compare_sums(truth(), our_sums()) == Differences()


@pytest.mark.parametrize(
    ("spoil", "off"),
    [
        (lambda sums: sums.places.pop(("events.email", 0, 3)), Differences(lost=1)),
        (lambda sums: sums.places.update([("events.email", 0, 3)]), Differences(doubled=1)),
        (lambda sums: sums.places.update([("events.email", 0, 2)]), Differences(strange=1)),
        (lambda sums: sums.opens.update({("one", "email"): 1}), Differences(opens=1)),
        (lambda sums: sums.clicks.clear(), Differences(clicks=1)),
        (lambda sums: sums.activities.update({("two", 1): 2}), Differences(counts=1)),
        (lambda sums: sums.activities.update({("three", 1): 2}), Differences(counts=1)),
    ],
)
def test_whatever_is_wrong_in_our_journal_is_noticed(spoil: Callable[[Sums], object], off: Differences) -> None:
    sums = our_sums()
    spoil(sums)
    assert compare_sums(truth(), sums) == off


def test_months_are_counted_from_1970_in_utc() -> None:
    import numpy as np

    assert months(np.array([0, NOW_US])) == [0, 56 * 12 + 9]


# ------------------------------------------------------------------------------------------------ the traffic


def decoded(count: int, seed: int = 7) -> list[tuple[str, bytes, dict[str, object]]]:
    schema = fastavro.parse_schema(schemas.avro("events/channel.v1.avsc"))
    found = []
    for block in Traffic(seed, count, NOW_US).blocks():
        for topic, records in block.items():
            for record in records:
                body = io.BytesIO(record["value"][FRAME_BYTES:])
                found.append((topic, record["key"], fastavro.schemaless_reader(body, schema, None)))
    return found


def test_the_traffic_is_valid_repeats_by_its_seed_and_has_five_per_cent_of_copies() -> None:
    sent = decoded(10_000)
    known = vocabulary.load().types
    assert len(sent) == 10_000
    for topic, key, event in sent:
        assert known[str(event["type"])].topic == topic
        assert event["account_id"] == key.decode()
    ids = [event["event_id"] for _, _, event in sent]
    assert 0.03 < 1 - len(set(ids)) / len(ids) < 0.07
    assert sent == decoded(10_000)
    assert sent != decoded(10_000, seed=8)


def test_the_traffic_lies_inside_the_acceptance_window() -> None:
    week_us = 7 * 86_400_000_000
    instants = [event["occurred_at"].timestamp() * 1e6 for _, _, event in decoded(4_000)]  # type: ignore[attr-defined]
    assert NOW_US - week_us < min(instants) < max(instants) <= NOW_US


def test_opens_repeat_so_that_a_unique_is_not_just_any_open() -> None:
    opened = [event for _, _, event in decoded(20_000) if str(event["type"]).endswith("_opened")]
    ids = {event["event_id"] for event in opened}
    about = {(e["account_id"], e["profile_id"], e["message_id"]) for e in opened}
    assert 0.2 < 1 - len(about) / len(ids) < 0.6


def test_the_output_has_the_input_and_what_was_found() -> None:
    names = [field["name"] for field in enriched_schema()["fields"]]
    assert names[:-3] == [field["name"] for field in schemas.avro("events/channel.v1.avsc")["fields"]]
    assert names[-3:] == ["unique_open", "unique_click", "activity"]


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


# -------------------------------------------------------------------------------------------- the environments


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
