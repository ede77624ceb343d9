"""The settings: one frozen tree, built once by `load`; every fault in one message.

Precedence: option > environment (TALLY_TOPICS__PARTITIONS) > file (tally.toml, or TALLY_CONFIG) > default.
A secret may be given by a file: TALLY_CLICKHOUSE__PASSWORD_FILE. Addresses that are not set come from the
local stack, <home>/stack.json. `docs/settings.md` is generated from this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, SecretStr, ValidationError

from pipeline.settings_faults import Fault, SettingsError
from pipeline.settings_sources import env_name, fields, gather, nest, process_environment
from pipeline.settings_tree import (
    Allowance,
    Audit,
    ClickHouse,
    Collect,
    Kafka,
    Notify,
    Rules,
    SchemaRegistry,
    Section,
    Sink,
    Topics,
    Worker,
)

__all__ = ["Settings", "SettingsError", "load"]

STACK_FILE = "stack.json"
SEED_FILE = "hash_seed"
SEED_DIGITS = 16  # hexadecimal: the 64 bits that xxh3 takes
_SEED = re.compile(rf"[0-9a-fA-F]{{{SEED_DIGITS}}}")


class Settings(Section):
    """The whole tree."""

    home: Path = Field(Path(".tally"), description="Folder of the local stack, of state and of the hash seed.")
    hash_seed: SecretStr | None = Field(
        None,
        examples=["9f86d081884c7d65"],
        description=f"{SEED_DIGITS} hex digits, the same for all workers; unset: <home>/{SEED_FILE}.",
    )
    hash_seed_file: Path | None = Field(None, description="File with the hash seed.")
    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    clickhouse: ClickHouse = ClickHouse()
    schema_registry: SchemaRegistry = SchemaRegistry()
    rules: Rules = Rules()
    worker: Worker = Field(default_factory=Worker)
    sink: Sink = Sink()
    notify: Notify = Notify()
    collect: Collect = Collect()
    allowance: Allowance = Allowance()
    audit: Audit = Audit()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where the value of a dotted name comes from: `option`, `environment`, `file` or `default`."""
        return self._origins.get(name, "default")

    def value(self, name: str) -> object:
        """The value of a dotted name."""
        found: Any = self
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def state_dir(self) -> Path:
        """Where a worker keeps its snapshots and facts."""
        return self.worker.state_dir or self.home / "state"

    def endpoints_file(self) -> Path:
        """Where the collector's endpoints are kept."""
        return self.collect.endpoints_file or self.home / "endpoints.json"

    def kafka_address(self) -> str:
        """Bootstrap servers: as set, else the local stack's.

        Raises:
            SettingsError: neither is there.
        """
        return self._address("kafka.bootstrap_servers", "kafka", "bootstrap_servers", "Kafka")

    def clickhouse_address(self) -> str:
        """ClickHouse's URL: as set, else the local stack's.

        Raises:
            SettingsError: neither is there.
        """
        return self._address("clickhouse.url", "clickhouse", "url", "ClickHouse")

    def seed(self) -> int:
        """The hash seed, 64 bits unsigned: as set, else of <home>/hash_seed.

        Raises:
            SettingsError: neither is there, or the file has no seed.
        """
        if self.hash_seed is not None:
            return int(self.hash_seed.get_secret_value(), 16)
        path = self.home / SEED_FILE
        mend = (
            f"Set it to {SEED_DIGITS} hex digits, the same for all workers for ever, or run `tally up`, which makes it"
        )
        try:
            text = path.read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError):
            problem = f"no hash seed: it is not set and there is no {path}"
            raise SettingsError([Fault(env_name("hash_seed"), problem, mend)]) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no plain text"
            raise SettingsError([Fault(env_name("hash_seed"), f"{path} is unreadable: {reason}", mend)]) from None
        if not is_seed(text):
            raise SettingsError([Fault(env_name("hash_seed"), f"{path} holds no {SEED_DIGITS} hex digits", mend)])
        return int(text, 16)

    def stack(self) -> dict[str, Any]:
        """What `tally up` wrote about the local stack; empty where there is none.

        Raises:
            SettingsError: the file is not what `tally up` writes.
        """
        path = self.home / STACK_FILE
        try:
            stack = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            mend = "Run `tally up`, which writes it anew"
            raise SettingsError([Fault(env_name("home"), f"{path} is unreadable: {error}", mend)]) from None
        return stack if isinstance(stack, dict) else {}

    def _address(self, name: str, part: str, key: str, what: str) -> str:
        if (given := self.value(name)) is not None:
            return str(given)
        found = (self.stack().get(part) or {}).get(key)
        if not found:
            problem = f"no {what}: it is not set and no local stack runs in {self.home}"
            raise SettingsError([Fault(env_name(name), problem, "Set it, or run `tally up`")])
        return str(found)


def is_seed(text: str) -> bool:
    """Whether a text is a hash seed: 16 hex digits."""
    return _SEED.fullmatch(text) is not None


def load(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings of this process. `overrides` are options by dotted name ({"topics.partitions": 8}); None: not given.

    Raises:
        SettingsError: with every fault, contradictions included.
    """
    from pipeline.settings_rules import contradictions, fault_of

    environ = process_environment() if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    gathered = gather(Settings, overrides or {}, environ, folder)
    values, faults, wrong = gathered.values, list(gathered.faults), dict[str, Any]()
    known = dict(fields(Settings))
    try:
        settings = Settings.model_validate(nest(values))
    except ValidationError as error:
        wrong = {".".join(str(part) for part in e["loc"][:2] if part in _parts(known)): e for e in error.errors()}
        faults += [fault_of(name, known.get(name), e, values.get(name)) for name, e in wrong.items()]
        right = {name: value for name, value in values.items() if name not in wrong}
        settings = Settings.model_validate(nest(right))
    named = {fault.name for fault in faults}
    faults += [fault for fault in contradictions(settings, wrong) if fault.name not in named]
    if faults:
        raise SettingsError(faults)
    home = (folder / settings.home.expanduser()).absolute()
    settings = settings.model_copy(update={"home": home})
    settings._origins = gathered.origins
    return settings


def _parts(known: Mapping[str, object]) -> set[str]:
    return {part for name in known for part in name.split(".")}
