"""`tally settings`: what is in force and where it comes from; also writes the settings' page of the docs."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from pipeline import settings as tree
from pipeline.cli import console
from pipeline.settings_rules import expected
from pipeline.settings_sources import env_name, fields

_MASK = "**********"
_FROM_STACK = {"kafka.bootstrap_servers": "kafka_address", "clickhouse.url": "clickhouse_address"}


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def settings(
    format_: Annotated[_Format, typer.Option("--format", help="markdown: the reference page, of the defaults.")] = (
        _Format.TABLE
    ),
) -> None:
    """Show the settings in force, secrets masked, and where each one comes from.

    Examples:

        tally settings

        tally settings --format json

        TALLY_TOPICS__PARTITIONS=12 tally settings
    """
    if format_ is _Format.MARKDOWN:
        console.console().print(reference(), markup=False, end="")
        return
    rows = effective(tree.load())
    if format_ is _Format.JSON:
        console.facts(rows)
    else:
        console.table(rows, ["setting", "value", "origin"])


def effective(found: tree.Settings) -> list[dict[str, str | None]]:
    """Every setting in force: name, value (secrets masked), origin, environment variable."""
    rows = []
    for name, _ in fields(tree.Settings):
        value, origin = found.value(name), found.origin(name)
        if value is None and name in _FROM_STACK:
            value, origin = _of_stack(found, _FROM_STACK[name], origin)
        rows.append({"setting": name, "value": _shown(name, value), "origin": origin, "environment": env_name(name)})
    return rows


def _shown(name: str, value: object) -> str | None:
    """A secret is masked; of an address, what may be one: the webhook's path, and every query."""
    if name == "notify.url" and isinstance(value, SecretStr):
        parts = urlsplit(value.get_secret_value())
        beyond = parts.path not in ("", "/") or parts.query or parts.fragment
        return f"{parts.scheme}://{parts.netloc}" + (f"/{_MASK}" if beyond else "")
    if isinstance(value, SecretStr):
        return _MASK
    if name.endswith(".url") and value is not None:
        return re.sub(r"\?.*", f"?{_MASK}", str(value), flags=re.DOTALL)
    return None if value is None else str(value)


def _of_stack(found: tree.Settings, address: str, origin: str) -> tuple[str | None, str]:
    try:
        return getattr(found, address)(), "local stack"
    except tree.SettingsError:
        return None, origin


def reference() -> str:
    """The table of docs/settings.md: one row for each setting, from the tree itself."""
    lines = ["| setting | environment | default | takes | meaning |", "|---|---|---|---|---|"]
    for name, field in fields(tree.Settings):
        value = "" if field.default_factory is not None else field.get_default()
        default = "" if value in (None, "") else f"`{value}`"
        cells = [f"`{name}`", f"`{env_name(name)}`", default, expected(field), field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
