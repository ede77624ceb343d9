"""Options of `tally audit` that would do nothing, or not go together, are refused before anything is looked at."""

from __future__ import annotations

import sys

import pytest

from pipeline.cli import app


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--every", "60", "--format", "json"], "--every logs"),
        (["--metrics-file", "tally.txt"], "*.prom"),
        (["--metrics-file", "nowhere/tally.prom"], "there is no folder nowhere"),
        (["--timeout", "0"], "--timeout"),
    ],
)
def test_an_option_that_cannot_work_is_a_usage_error(
    options: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tally", "audit", *options])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
