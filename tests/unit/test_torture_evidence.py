"""The evidence page says what its rounds say, and a producer's log what was acknowledged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.torture import acknowledged, evidence
from tests.torture.acknowledged import Acknowledged


def row(seed: int, **fields: Any) -> dict[str, Any]:
    """A round."""
    on = {"commit": "abc", "kafka": "4", "clickhouse": "26", "python": "3.11", "machine": "2"}
    counts = {"events": 1000, "records": 100, "rivals": 3, "alerts": 5, "rows": 400, "drift": 0, "rebuilds": 0}
    done = {"faults": {"kill a worker": 2}, "recoveries": [["kill a worker", 1.0]], "ended": []}
    return {"seed": seed, "began": "2026-01-01T00:00:00+00:00", "seconds": 60.0, **counts, **done, **on, **fields}


def test_the_page_adds_up_the_rounds_that_held() -> None:
    page = evidence.page([row(1), row(2, recoveries=[["kill a worker", 3.0], ["kill a worker", 9.0]]), row(4)])
    assert "| rounds | 3 |" in page
    assert "| faults | 6 |" in page
    assert "| events published and acknowledged, found again | 3,000 |" in page
    assert "| kill a worker | 6 | 2.0 | 9.0 |" in page
    assert "| abc | 4 | 26 | 3.11 | 2 | 3 | 1-2, 4 |" in page
    assert "No round has failed." in page


def test_a_round_that_failed_is_listed_and_in_no_sum() -> None:
    page = evidence.page([row(1), row(2, drift=7)])
    assert "| rounds | 1 |" in page
    assert "| differences (drift) | 0 |" in page
    assert "| 2 | 2026-01-01T00:00:00+00:00 | abc | 7 |" in page


def test_what_ended_by_itself_is_told() -> None:
    assert "2 x sink-1 1, 1 x worker-2 70" in evidence.page([row(1, ended=["sink-1 1", "sink-1 1", "worker-2 70"])])


def test_rounds_are_added_one_after_the_other(tmp_path: Path) -> None:
    evidence.add(tmp_path, row(1))
    evidence.add(tmp_path, row(2))
    lines = (tmp_path / evidence.ROUNDS).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in lines] == [1, 2]
    assert "| rounds | 2 |" in (tmp_path / evidence.PAGE).read_text(encoding="utf-8")


def test_a_line_that_a_kill_cut_off_was_not_acknowledged(tmp_path: Path) -> None:
    said = Acknowledged(0, "t.events.email", 3, 17)
    path = tmp_path / "acknowledged"
    path.write_text(f'{json.dumps(said)}\n[1, "t.events.em\n{json.dumps(said._replace(line=2))}\n', encoding="utf-8")
    assert acknowledged.read(path) == [said, said._replace(line=2)]
    assert acknowledged.read(tmp_path / "none") == []
