"""docs/proof.md names tests and functions that are there, and leaves no function of the oracle out."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROOF = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
ORACLE = [path.stem for path in sorted((ROOT / "tests" / "oracle").glob("*.py")) if path.stem != "vocabulary"]
# What others are made of, named in no sentence.
PARTS = {"verdict.judge", "persons.persons", "persons.named", "uniques.kind_of", "uniques.has_forgotten"}


def functions() -> set[str]:
    """The public functions of the oracle."""
    modules = {name: importlib.import_module(f"tests.oracle.{name}") for name in ORACLE}
    return {
        f"{module}.{name}"
        for module, found in modules.items()
        for name, value in vars(found).items()
        if not name.startswith("_") and callable(value) and not inspect.isclass(value)
        if getattr(value, "__module__", "") == found.__name__
    }


def test_every_test_that_the_proof_names_is_there() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for text in texts for name in re.findall(r"(?:def|class) (\w+)", text)}
    named = set(re.findall(r"`(test_\w+|[A-Z]\w+Oracle)`", PROOF))
    assert len(named) > 50
    assert not named - known


def test_the_proof_names_every_function_of_the_oracle_and_no_other() -> None:
    named = set(re.findall(rf"`((?:{'|'.join(ORACLE)})\.\w+)`", PROOF))
    assert named == functions() - PARTS


def test_the_oracle_shares_no_code_with_the_pipeline() -> None:
    imported = {
        name
        for path in (ROOT / "tests/oracle").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imports(node)
    }
    own = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert own
    assert all(name.startswith("tests.oracle.") for name in own), own


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
