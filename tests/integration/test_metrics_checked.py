"""The real promtool finds nothing to complain of in what any process shows, whatever accounts are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import metrics
from pipeline.telemetry.numbers import label
from pipeline.telemetry.registry import Sample
from tests.integration import scrape

IDS = [
    "acme",
    "ümläut ✓",
    "a\\b",
    'quo"te',
    "nl\nx",
    "nul\x00x",
    "x" * 512,
    "\u2028",
    "😀",
    "a}b{",
    "\x7f",
    "\x85",
    " ",
]


@pytest.fixture
def _strange_accounts() -> Iterator[None]:
    metrics.ALLOWANCE.ask(lambda: [Sample(metrics.ALLOWANCE_RATIO, (label(id_),), 0.9) for id_ in IDS])
    yield
    metrics.ALLOWANCE.ask(tuple)


@pytest.mark.usefixtures("_strange_accounts")
@pytest.mark.parametrize("process", metrics.Process)
def test_promtool_accepts_what_a_process_shows(process: metrics.Process, promtool: Path) -> None:
    port = metrics.serve(process, "127.0.0.1", 0)
    page = scrape.text(f"metrics on http://127.0.0.1:{port}/metrics")
    assert "tally_build_info" in page
    assert page.count("tally_allowance_ratio{") == (len(IDS) if process is metrics.Process.WORKER else 0)
    assert scrape.checked(promtool, page) == ""


def test_promtool_would_complain(promtool: Path) -> None:
    assert "no help text" in scrape.checked(promtool, "# TYPE tally_x gauge\ntally_x 1\n")
    assert "error" in scrape.checked(promtool, 'tally_x{a="b\n"} 1\n')
