"""A test has one name: nothing that a module makes when it is collected depends on the hour or on chance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
NEVER_TWICE = {"monotonic", "now", "perf_counter", "process_time", "time_ns", "today", "urandom", "uuid1", "uuid4"}
OF_MODULES = {"time.time", "gzip.compress", "random.random", "random.randrange", "random.choice", "random.randbytes"}


def run_at_import(node: ast.AST) -> Iterator[ast.Call]:
    """The calls of a module's own statements and of its decorators, not those within functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in child.decorator_list:
                yield from (one for one in ast.walk(decorator) if isinstance(one, ast.Call))
        if not isinstance(child, INNER):
            yield from ([child] if isinstance(child, ast.Call) else [])
            yield from run_at_import(child)


def changing(text: str) -> list[str]:
    """Calls whose result is another one each time, by line."""
    found = []
    for call in run_at_import(ast.parse(text)):
        name = ast.unparse(call.func)
        is_dated = name in OF_MODULES and "mtime" not in {keyword.arg for keyword in call.keywords}
        if is_dated or name.rpartition(".")[2] in NEVER_TWICE:
            found.append(f"{call.lineno}: {name}")
    return found


def test_no_name_of_a_test_depends_on_when_it_was_collected() -> None:
    found = {path.relative_to(TESTS).as_posix(): changing(path.read_text("utf-8")) for path in TESTS.rglob("*.py")}
    assert not {name: calls for name, calls in found.items() if calls}, "two workers of a run would disagree on names"


@pytest.mark.parametrize(
    "text",
    [
        "@pytest.mark.parametrize('raw', [gzip.compress(b'abc')[:-1]])\ndef test_a(raw): ...",
        "NOW = time.time()",
        "class World:\n    began = datetime.now(UTC)",
        "IDS = [str(uuid.uuid4()) for n in range(3)]",
    ],
)
def test_what_changes_is_found(text: str) -> None:
    assert len(changing(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "PACKED = gzip.compress(b'abc', mtime=0)",
        "def test_a():\n    assert time.time()",
        "CLOCK = lambda: time.time()",
        "@pytest.mark.parametrize('n', [1])\ndef test_a(n):\n    assert gzip.compress(b'a')",
    ],
)
def test_what_a_test_does_when_it_runs_is_its_own(text: str) -> None:
    assert changing(text) == []
