"""House style, where a program can hold it: sizes, names, catches, paths, and the README's commands.

A rule may be broken where it makes the code worse: `# style: <reason>` on the line that is reported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
CODE = ("pipeline", "connectors", "schemas")

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
PARAMETERS_MAX = 6
NESTING_MAX = 3

FORBIDDEN_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers"}
ENDS_THE_PROCESS = {"fatal", "exit", "_exit"}  # a broad catch may end in one of these calls
EXCUSE = re.compile(r"#\s*style:\s*\S")

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


class Offence(NamedTuple):
    """Where a rule is broken, and how far."""

    line: int
    what: str


def lines_of_module(tree: ast.Module, text: str) -> Iterator[Offence]:
    count = len(text.splitlines())
    if count > MODULE_LINES_MAX:
        yield Offence(1, f"module of {count} lines; {MODULE_LINES_MAX} at most")


def lines_of_functions(tree: ast.Module, text: str) -> Iterator[Offence]:
    for function in functions(tree):
        count = (function.end_lineno or function.lineno) - function.lineno + 1
        if count > FUNCTION_LINES_MAX:
            yield Offence(function.lineno, f"{function.name} has {count} lines; {FUNCTION_LINES_MAX} at most")


def parameters(tree: ast.Module, text: str) -> Iterator[Offence]:
    for function in functions(tree):
        given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = len([one for one in given if one.arg not in ("self", "cls")])
        if count > PARAMETERS_MAX:
            yield Offence(function.lineno, f"{function.name} has {count} parameters; {PARAMETERS_MAX} at most")


def nesting(tree: ast.Module, text: str) -> Iterator[Offence]:
    for function in functions(tree):
        depth = max((depth_of(statement) for statement in function.body), default=0)
        if depth > NESTING_MAX:
            yield Offence(function.lineno, f"{function.name} nests {depth} deep; {NESTING_MAX} at most")


def names(tree: ast.Module, text: str) -> Iterator[Offence]:
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef) and words(node.name) & FORBIDDEN_WORDS:
            yield Offence(node.lineno, f"{node.name}: name it by what it is or does")


def broad_catches(tree: ast.Module, text: str) -> Iterator[Offence]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not stops(node):
            yield Offence(node.lineno, "a broad catch that goes on: name the exception, raise, or end the process")


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def depth_of(node: ast.stmt) -> int:
    """How many blocks are inside each other from here on; elif is no level, an inner function counts for itself."""
    if not isinstance(node, BLOCKS):
        return 0
    inner: list[ast.stmt] = list(getattr(node, "body", []))
    for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        inner += part.body
    inner += getattr(node, "finalbody", [])
    below = [1 + depth_of(statement) for statement in inner]
    orelse: list[ast.stmt] = getattr(node, "orelse", [])
    if isinstance(node, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If):
        return max([*below, depth_of(orelse[0])])
    return max([*below, *(1 + depth_of(statement) for statement in orelse)])


def words(name: str) -> set[str]:
    """The words of a name: `read_link`, `WriterSchema`."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(one) for one in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def stops(handler: ast.ExceptHandler) -> bool:
    """Its last statement raises or ends the process."""
    last = handler.body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        called = last.value.func
        return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in ENDS_THE_PROCESS
    return isinstance(last, ast.Raise)


Rule = Callable[[ast.Module, str], Iterator[Offence]]
RULES: tuple[Rule, ...] = (lines_of_module, lines_of_functions, parameters, nesting, names, broad_catches)


def offences(rule: Rule, text: str) -> list[Offence]:
    lines = text.splitlines()
    found = rule(ast.parse(text), text)
    return [offence for offence in found if not EXCUSE.search(lines[offence.line - 1])]


def modules() -> list[Path]:
    return sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{offence.line}": offence.what
        for path in modules()
        for offence in offences(rule, path.read_text(encoding="utf-8"))
    }
    assert not found


def test_modules_of_tests_have_no_more_lines_than_others() -> None:
    long = [
        path for path in sorted((ROOT / "tests").rglob("*.py")) if offences(lines_of_module, path.read_text("utf-8"))
    ]
    assert not long


def test_no_module_has_a_forbidden_name() -> None:
    assert not [str(path) for path in modules() if words(path.stem) & FORBIDDEN_WORDS]


def nested(levels: int) -> str:
    body = [f"{'    ' * level}if x:" for level in range(1, levels + 1)]
    return "\n".join(["def f(x):", *body, "    " * (levels + 1) + "pass", ""])


def indented(*lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines)


AT_THE_BOUND: list[tuple[Rule, str]] = [
    (lines_of_module, "x = 1\n" * MODULE_LINES_MAX),
    (lines_of_functions, "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)),
    (parameters, "class C:\n    def f(self, a, b, c, /, d, *, e, f): ...\n"),
    (nesting, nested(NESTING_MAX)),
    (nesting, "def f(x):\n" + "".join(f"    {word} x:\n        pass\n" for word in ("if", *["elif"] * 9))),
    (names, "def utilise(): ...\nclass Managed: ...\n"),
    (broad_catches, "try: f()\nexcept Exception as error:\n    raise ValueError from error\n"),
    (broad_catches, "try: f()\nexcept BaseException:\n    os._exit(1)\n"),
    (broad_catches, "try: f()\nexcept (OSError, ValueError):\n    pass\n"),
    (parameters, "def f(a, b, c, d, e, f, g): ...  # style: the callback's signature is Kafka's\n"),
]
PAST_IT: list[tuple[Rule, str]] = [
    (lines_of_module, "x = 1\n" * (MODULE_LINES_MAX + 1)),
    (lines_of_functions, "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    (parameters, "async def f(a, b, c, /, d, *, e, f, g): ...\n"),
    (nesting, nested(NESTING_MAX + 1)),
    (
        nesting,
        "def f(x):\n" + indented("try:", "    pass", "finally:", " with x:", "  for y in x:", "   while y: pass"),
    ),
    (names, "def read_utils(): ...\n"),
    (names, "class ConnectionManager: ...\n"),
    (broad_catches, "try: f()\nexcept Exception:\n    log()\n"),
    (broad_catches, "try: f()\nexcept (OSError, Exception):\n    pass\n"),
    (broad_catches, "try: f()\nexcept:\n    pass\n"),
    (broad_catches, "try: f()\nexcept Exception:\n    if x: raise\n"),
    (parameters, "def f(a, b, c, d, e, f, g): ...  # style:\n"),
]


@pytest.mark.parametrize(("rule", "text"), AT_THE_BOUND)
def test_what_is_at_the_bound_is_let_through(rule: Rule, text: str) -> None:
    assert offences(rule, text) == []


@pytest.mark.parametrize(("rule", "text"), PAST_IT)
def test_what_is_one_past_the_bound_is_found(rule: Rule, text: str) -> None:
    assert len(offences(rule, text)) == 1


# ------------------------------------------------------------------------------------------- what is committed

TEXT = {".py", ".md", ".toml", ".txt", ".tsv", ".avsc", ".sql", ".lock", ".yaml", ".yml", ".json", ".sh"}
TEXT_NAMES = {"Makefile", "LICENSE", "run", ".gitignore"}
OUTSIDE = re.compile(r"\.\./" + r"shared|/wo" + r"rk/(?:main|shared|\.library)|/tm" + r"p/lab")


def committed_texts() -> Iterator[tuple[str, str]]:
    """Text files, but for those of hidden folders (tools' caches, .venv, .tally); .ci is the project's own."""
    tops = [path for path in ROOT.iterdir() if path.name == ".ci" or path.is_file() or not path.name.startswith(".")]
    for top in tops:
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and (path.suffix in TEXT or path.name in TEXT_NAMES):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_nothing_names_a_path_outside_the_project() -> None:
    assert not [name for name, text in committed_texts() if OUTSIDE.search(text)]


def test_the_locked_requirements_are_hashed_and_name_no_registry() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        packages = re.findall(r"^[a-z][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0, (
            f"{path.name}: a package has no hash"
        )
        assert not re.findall(r"https?://|^\s*-(?!-hash)", text, re.MULTILINE), f"{path.name} names a place"


# ------------------------------------------------------------------------------------------------- the README


def code_of(markdown: str) -> str:
    """Its code: fenced blocks and spans."""
    blocks = re.findall(r"^```.*?^```", markdown, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`[^`\n]+`", prose)])


def unknown_commands(markdown: str) -> set[str]:
    """The `make X` and `tally X` of a page that do not exist."""
    code = code_of(markdown)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    made = {f"make {name}" for name in re.findall(r"(?<![\w./-])make ([a-z][a-z-]*)", code) if name not in targets}
    run = re.findall(r"(?<![\w.-])tally ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", code)
    known = {first if first not in app.GROUPS else f"{first} {second}" for first, second in run}
    return made | {f"tally {name}" for name in known if name not in app.COMMANDS and name.strip() not in app.GROUPS}


def test_every_command_that_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert unknown_commands(readme) == set()
    assert {"make demo", "make test"} <= set(re.findall(r"make [a-z]+", code_of(readme)))


def test_a_command_that_does_not_exist_is_found() -> None:
    page = (
        "Run `make demo`, `tally topics plan`, never make tea, then\n```\n$ .venv/bin/tally status --format json\n```\n"
    )
    assert unknown_commands(page) == set()
    bad = "`make tea`, `tally brew`, `tally topics`, and\n```\ntally topics drink\ncat x | tally pour -\n```\n"
    assert unknown_commands(bad) == {"make tea", "tally brew", "tally topics drink", "tally pour"}


def test_ci_runs_the_commands_that_the_makefile_has() -> None:
    run = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"^make ([a-z]+)$", run, re.MULTILINE) == ["check", "test"]
