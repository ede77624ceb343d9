"""What the tests of `tally endpoints` share: the command in a home of its own, what it made, who is let in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from typer.testing import CliRunner, Result

from connectors.collect.endpoints import Store
from connectors.collect.guard import Guard, Presented, Refused, Security
from pipeline.cli import app, console

KEY, OTHER_KEY = "5f" * 32, "60" * 32
BASE = ("--base-url", "https://hooks.example.com")
DAY = 86_400_000_000
Run = Callable[..., Result]


def endpoints_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tally endpoints` in a home of its own; a TALLY_ setting is given as a keyword."""
    for name in [name for name in os.environ if name.startswith("TALLY_")]:
        monkeypatch.delenv(name)

    def tally(*arguments: str, **settings: str) -> Result:
        console.console.cache_clear()
        console.err.cache_clear()
        environment = {"TALLY_HOME": str(tmp_path), **{f"TALLY_{name}": value for name, value in settings.items()}}
        return CliRunner().invoke(app.app, ["endpoints", *arguments], env=environment)

    return tally


def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "endpoints.json")


def made(run: Run, vendor: str, *options: str, **settings: str) -> dict[str, Any]:
    """A new endpoint, as `--format json` shows it."""
    own = ("--source", "shop") if vendor == "own" else ()
    arguments = ("--vendor", vendor, "--account", "acme", *own, *BASE, "--format", "json", *options)
    shown = run("new", *arguments, **settings)
    assert shown.exit_code == 0, shown.output
    return dict(json.loads(shown.stdout))


def delivered(tmp_path: Path, id_: str, path: str | None = None, **headers: str) -> Refused | None:
    """What the collector says to a request with these headers."""
    request = Presented(path, CIMultiDict({name.replace("_", "-"): v for name, v in headers.items()}), b"", None)
    guard = Guard(Security(signing_key=bytes.fromhex(KEY)))
    return guard.check(store(tmp_path).by_id(id_), request, 1_790_000_000_000_000)
