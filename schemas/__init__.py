"""The committed schemas and vocabulary, as package data: what a topic's bytes, the journal and the tables look like."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


def text(path: str) -> str:
    """The text of a file below this folder, such as `journal.v1.avsc`."""
    return resources.files(__name__).joinpath(path).read_text(encoding="utf-8")


@functools.cache
def ids() -> dict[str, int]:
    """The committed schema ids by file (`ids.lock`)."""
    lines = [line.split() for line in text("ids.lock").splitlines() if line and not line.startswith("#")]
    return {file: int(number) for number, file, *_ in lines}


@functools.cache
def avro(path: str) -> dict[str, Any]:
    """The Avro schema of a file below this folder, as parsed JSON."""
    schema: dict[str, Any] = json.loads(text(path))
    return schema
