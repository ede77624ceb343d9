"""What the console prints is what it was told, letter by letter, and never an order to the terminal."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allowance.rows import Cycle
from pipeline.allowance.standing import Standing, Table
from pipeline.allowance.statements import Sort
from pipeline.cli import console, top_drawn
from pipeline.cli.printable import one_line, printable
from pipeline.cli.terminal import Terminal
from pipeline.cli.top import Question, Seen

TROUBLE = ["\x1b[2J", "\r", "\t", "\x7f", "\x9b", "\u202e", "\u200b", "\ufeff", "\u2028", "\u3164", "\ud800", "[/x]"]
ANY = st.one_of(
    st.text(st.characters(), max_size=40),
    st.lists(st.sampled_from([*TROUBLE, "[bold]red[/bold]", ":smile:", "news-[abc]*", "\\", "\n", "a"])).map("".join),
)
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """No console is kept from or for another test: each writes to the standard streams of its own."""
    console.console.cache_clear()
    console.err.cache_clear()
    yield
    console.console.cache_clear()
    console.err.cache_clear()


def written(*objects: object, **how: object) -> str:
    """What a terminal without colours gets of a print."""
    out = Terminal(file=io.StringIO(), soft_wrap=True, width=400)
    out.print(*objects, **how)  # type: ignore[arg-type]
    return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@given(ANY)
def test_what_is_printed_is_the_text_with_all_that_is_unseen_escaped(text: str) -> None:
    assert written(text) == printable(text) + "\n"
    assert written(text, markup=True, emoji=True) == printable(text) + "\n"


@given(ANY)
def test_a_printable_text_has_no_unseen_character_but_the_newline(text: str) -> None:
    assert not [one for one in printable(text) if one != "\n" and unicodedata.category(one) in UNSEEN]
    assert "\n" not in one_line(text)
    assert printable(text).replace("\n", "\\n") == one_line(text)
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb", r"a\nb"),
        ("a\tb\rc", r"a\tb\rc"),
        ("\x7f\x9b\x00", r"\x7f\x9b\x00"),
        ("\u202egro", r"\u202egro"),
        ("a\u200bb\u2060", r"a\u200bb\u2060"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("Grüße, 東京 🎉 [b] C:\\new", "Grüße, 東京 🎉 [b] C:\\new"),
    ],
)
def test_unseen_characters_are_written_as_people_write_them(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize("text", ["[/x]", "[bold]red[/bold]", "news-[abc]*", ":smile:", "\x1b[2J", "a\nb", "\u202ea"])
def test_a_table_holds_any_text_in_its_title_its_head_and_its_cells(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console.table([{text: text}], [text], title=f"Plan of {text}")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == f"Plan of {one_line(text)}"
    assert lines.count(one_line(text)) == 2


def test_a_long_title_over_a_narrow_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Plan of " + "an account of a very long name " * 5
    console.table([{"a": 1}], ["a"], title=title)
    assert capsys.readouterr().out.splitlines()[0].strip() == title.strip()


def test_messages_are_literal_and_hold_no_order_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("[/x] :smile: \x1b]0;owned\x07")
    console.say_some(["a\nb", "[red]c"], 5)
    assert capsys.readouterr().err.splitlines() == [r"[/x] :smile: \x1b]0;owned\x07", r"a\nb", "[red]c"]


def test_facts_as_json_are_exact(capsys: pytest.CaptureFixture[str]) -> None:
    console.facts({"account": "".join(TROUBLE[:-2])})
    assert json.loads(capsys.readouterr().out) == {"account": "".join(TROUBLE[:-2])}


@pytest.mark.parametrize("text", ["[/x]", "\x1b[2J", "a\nb", "\u202ea"])
def test_the_screen_of_top_shows_any_account_and_any_trouble_literally(text: str) -> None:
    cycle = Cycle(text, 0, 86_400, None, 1, 1, *[None] * 11)
    seen = Seen(Table([Standing(cycle, 1, 1.0)], 1), 0.0, trouble=text)
    out = Terminal(file=io.StringIO(), width=200)
    out.print(top_drawn.screen(seen, Question(Sort.RATIO, "*", 5), 200))
    lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert sum(one_line(text) in line for line in lines) == 2
    assert not [one for line in lines for one in line if unicodedata.category(one) in UNSEEN]


def test_no_other_console_and_no_markup_is_in_the_code() -> None:
    root = Path(__file__).parents[2]
    offends = re.compile(r"\bConsole\(|from_markup|import print\b|markup=True")
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for folder in ("pipeline", "connectors")
        for path in sorted((root / folder).rglob("*.py"))
        for line in path.read_text().splitlines()
        if offends.search(line)
    ]
    assert not found
