"""What `tally endpoints` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from connectors.collect import credentials, paste
from connectors.collect.endpoint import Credential, Endpoint
from connectors.collect.endpoints_format import written
from pipeline.cli import console
from pipeline.cli.endpoints_options import name

_COLUMNS = ("id", "vendor", "account", "source", "event", "key", "keys", "allow", "created_at")
_FIELDS = ("id", "vendor", "account", "source", "event", "time_zone", "fields", "allow", "created_at")
_KEY_FIELDS = ("id", "kind", "name", "created_at", "expires_at")  # no digest: it would be shown


class Secret:
    """A secret that was just made, and the file that it goes into instead of the output, if any."""

    def __init__(self, text: str, file: Path | None) -> None:
        self.text, self.file = text, file

    @property
    def shown(self) -> str:
        """What the output has of it."""
        return self.text if self.file is None else paste.SECRET_SHOWN


class Told(NamedTuple):
    """An endpoint, the key that is told of, and how vendors reach the collector."""

    endpoint: Endpoint
    credential: Credential | None
    base_url: str
    now_us: int
    secret: Secret | None = None
    fault: str | None = None  # of its signing key


def tell(told: Told, format_: console.Format) -> None:
    """One endpoint: what it is, its keys, its URL and what to set in the vendor's tool."""
    endpoint, key = told.endpoint, told.credential
    secret = paste.SECRET_SHOWN if told.secret is None else told.secret.shown
    shown = None if key is None else paste.shown(endpoint, key.kind, key.name, told.base_url, secret)
    body = paste.body(endpoint)
    if format_ is console.Format.JSON:
        facts = _facts(endpoint, told.now_us) | {"url": shown and shown.url, "signing_key_fault": told.fault}
        facts |= {"authenticate": shown and list(shown.authenticate), "set": shown and list(shown.steps), "body": body}
        new = {} if told.secret is None or told.secret.file else {"secret": told.secret.text}
        console.facts(facts | new)
        return
    facts = _facts(endpoint, told.now_us)
    console.table([{"field": one, "value": _cell(facts[one])} for one in _FIELDS], ("field", "value"))
    console.table(facts["credentials"], (*_KEY_FIELDS, "live"), title="Keys")
    if shown is not None:
        lines = [f"URL: {shown.url}", "", "How to authenticate:", *(f"  {one}" for one in shown.authenticate), ""]
        lines += ["What to set there:", *(f"  {one}" for one in shown.steps)]
        lines += [f"  All of it: docs/vendors/{endpoint.vendor}.md"] if endpoint.vendor != paste.OWN else []
        console.console().print("\n".join(lines))
    if body is not None:
        console.console().print(f"\nThe body to paste:\n{body}")


def list_(found: Sequence[Endpoint], now_us: int, format_: console.Format) -> None:
    """All endpoints, without what is secret, which nobody has any more."""
    if format_ is console.Format.JSON:
        console.facts([_facts(one, now_us) for one in found])
        return
    console.table([_row(one, now_us) for one in found], _COLUMNS)
    console.say(f"{len(found):,} endpoints")


@contextmanager
def secret_file(path: Path | None) -> Iterator[Path | None]:
    """A new file, readable by its owner alone, which goes again where the block fails.

    Raises:
        OSError: it is there already, or cannot be made.
    """
    if path is None:
        yield None
        return
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _facts(one: Endpoint, now_us: int) -> dict[str, Any]:
    """What the file has of it, but for digests, and which of its keys are live."""
    facts = written(one)
    told = [{field: key[field] for field in _KEY_FIELDS} for key in facts["credentials"]]
    for key, said in zip(one.credentials, told, strict=True):
        said |= {"kind": name(key.kind), "live": credentials.is_live(key, now_us)}
    return facts | {"credentials": told}


def _row(one: Endpoint, now_us: int) -> dict[str, object]:
    live = credentials.live(one, now_us)
    facts = _facts(one, now_us)
    kinds = dict.fromkeys(name(key.kind) for key in live)
    return {column: _cell(facts.get(column)) for column in _COLUMNS} | {"key": ", ".join(kinds), "keys": len(live)}


def _cell(value: Any) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{role}={place}" for role, place in value.items())
    return ", ".join(value) if isinstance(value, list) else value
