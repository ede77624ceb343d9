"""Wrong options of torture and limits: each is told with its name, its value and what is right, and nothing runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.limits import __main__ as limits_main
from tests.torture import __main__ as torture_main
from tests.torture import weakened

Main = Callable[[Sequence[str]], int]
LIMITS, TORTURE, WEAKENED = limits_main.main, torture_main.main, weakened.main


@pytest.mark.parametrize(
    ("main", "option", "value", "right"),
    [
        (LIMITS, "--minutes", "-1", "is not a number of minutes from 0.05 to 1440"),
        (LIMITS, "--minutes", "0", "is not a number of minutes from 0.05 to 1440"),
        (LIMITS, "--minutes", "nan", "is not a number of minutes from 0.05 to 1440"),
        (LIMITS, "--minutes", "inf", "is not a number of minutes from 0.05 to 1440"),
        (LIMITS, "--rate", "0", "is not a whole number of events a second from 1 to 1,000,000"),
        (LIMITS, "--rate", "many", "is not a whole number of events a second from 1 to 1,000,000"),
        (LIMITS, "--events", "0", "is not a whole number of events from 1 to 1,000,000,000"),
        (LIMITS, "--seed", "-1", "is not a whole number from 0 to 4,294,967,295"),
        (LIMITS, "--results", "/proc/x/limits.jsonl", "no file can be made in '/proc/x': No such file or directory"),
        (LIMITS, "--evidence", "/proc", "is a folder: name a file"),
        (TORTURE, "--folder", "/proc/x", "No such file or directory. Name a folder that is writable"),
        (TORTURE, "--evidence", "/proc/x", "No such file or directory. Name a folder that is writable"),
        (TORTURE, "--seconds", "inf", "is not a number of seconds from 2 to 3600"),
        (TORTURE, "--seconds", "nan", "is not a number of seconds from 2 to 3600"),
        (TORTURE, "--seconds", "-5", "is not a number of seconds from 2 to 3600"),
        (TORTURE, "--rounds", "0", "is not a whole number of rounds from 1 to 1,000,000"),
        (TORTURE, "--faults", "x", "is not a whole number of faults from 1 to 1,000,000"),
        (TORTURE, "--seed", "x", "is not a whole number from 0 to 4,294,967,295"),
        (WEAKENED, "--rounds", "0", "is not a whole number of rounds from 1 to 1,000,000"),
        (WEAKENED, "--folder", "/proc/x", "No such file or directory. Name a folder that is writable"),
    ],
)
def test_a_wrong_value_is_told_with_its_option_and_what_is_right(
    main: Main, option: str, value: str, right: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, value])
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert f"argument {option}: " in told.err
    assert value.removesuffix("/limits.jsonl") in told.err
    assert right in told.err
