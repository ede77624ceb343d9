"""Where settings come from: options, the environment, the file, the secrets' files; merged, with every fault named.

In:   a settings tree (pydantic models), the environment, a folder.  Out: values by dotted name, their origins, faults.
Names: `topics.partitions` in the file and in options, TALLY_TOPICS__PARTITIONS in the environment.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.settings_faults import Fault

ENV_PREFIX = "TALLY_"
CONFIG_ENV = "TALLY_CONFIG"
CONFIG_FILE = "tally.toml"
SECRET_FILE_BYTES_MAX = 64 * 1024  # a secret is short; a larger file is a wrong path
_OPTIONS: set[str] = set()  # variables that `set_option` set, so that they are not told as the environment's
_FILE_SUFFIX = "_file"
_NAMES_LISTED_MAX = 5  # keys of a section shown where no name is near


class Gathered(NamedTuple):
    """Values by dotted name, the origin of each (`option`, `environment`, `file`), and what was wrong."""

    values: dict[str, object]
    origins: dict[str, str]
    faults: list[Fault]


def fields(tree: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a tree as (dotted name, field), in the order of the tree."""
    for name, field in tree.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def env_name(name: str) -> str:
    """The environment variable of a dotted name: `topics.partitions` -> TALLY_TOPICS__PARTITIONS."""
    return ENV_PREFIX + name.replace(".", "__").upper()


def nest(values: Mapping[str, object]) -> dict[str, Any]:
    """Dotted names as nested tables."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        table = tree
        for section in sections:
            table = table.setdefault(section, {})
        table[last] = value
    return tree


def gather(
    tree: type[BaseModel], overrides: Mapping[str, object], environ: Mapping[str, str], folder: Path
) -> Gathered:
    """Merge file < environment < options. An override that is None counts as not given, as does an empty variable."""
    known = dict(fields(tree))
    gathered = Gathered({}, {}, [])
    _from_file(gathered, known, environ, folder)
    _from_environment(gathered, known, environ)
    for name, value in overrides.items():
        if name not in known:
            gathered.faults.append(_unknown(name, f"there is no setting {name}", list(known)))
        elif value is not None:
            _put(gathered, name, value, "option")
    _read_secrets(gathered, known)
    return gathered


def _put(gathered: Gathered, name: str, value: object, origin: str) -> None:
    """A secret and its `_file` stand for one setting: the stronger source replaces both."""
    twin = name.removesuffix(_FILE_SUFFIX) if name.endswith(_FILE_SUFFIX) else name + _FILE_SUFFIX
    if gathered.origins.get(twin, origin) != origin:
        del gathered.values[twin], gathered.origins[twin]
    gathered.values[name] = value
    gathered.origins[name] = origin


def _from_environment(gathered: Gathered, known: Mapping[str, FieldInfo], environ: Mapping[str, str]) -> None:
    names = {env_name(name): name for name in known}
    for variable in sorted(environ):
        if not variable.startswith(ENV_PREFIX) or variable == CONFIG_ENV:
            continue
        if variable in names:
            if environ[variable] != "":
                origin = "option" if variable in _OPTIONS else "environment"
                _put(gathered, names[variable], environ[variable], origin)
        elif variable.endswith(("_SERVICE_HOST", "_SERVICE_PORT")) or "_PORT_" in variable:
            mend = "It looks like a Kubernetes service link: set enableServiceLinks: false on the pod"
            gathered.faults.append(Fault(variable, "there is no such setting", mend))
        else:
            gathered.faults.append(_unknown(variable, "there is no such setting", [*names, CONFIG_ENV]))


def _from_file(gathered: Gathered, known: Mapping[str, FieldInfo], environ: Mapping[str, str], folder: Path) -> None:
    given = environ.get(CONFIG_ENV, "")
    path = folder / (given or CONFIG_FILE)
    if not given and not path.is_file():
        return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        mend = f"Point {CONFIG_ENV} at a readable TOML file or unset it"
        gathered.faults.append(Fault(CONFIG_ENV, f"cannot read {path}: {error.strerror}", mend))
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        gathered.faults.append(Fault(CONFIG_ENV, f"{path} is not TOML: {error}", "Mend the file at that place"))
        return
    for name, value in _flat(table):
        if name in known:
            _put(gathered, name, value, "file")
        else:
            gathered.faults.append(_unknown(name, f"{path} has a key that is no setting", list(known)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _unknown(name: str, problem: str, known: list[str]) -> Fault:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return Fault(name, problem, f"Perhaps {near[0]} is meant")
    head = name.replace("__", ".").split(".", 1)[0]
    listed = [other for other in known if other.startswith(head)][:_NAMES_LISTED_MAX]
    also = f"; of that section there are {', '.join(listed)}" if listed else ""
    return Fault(name, problem, f"Remove it, or see `tally settings`{also}")


def _read_secrets(gathered: Gathered, known: Mapping[str, FieldInfo]) -> None:
    for name in [name for name in gathered.values if name.endswith(_FILE_SUFFIX)]:
        secret = name.removesuffix(_FILE_SUFFIX)
        if secret not in known:
            continue
        if secret in gathered.values:
            problem = f"given together with {env_name(secret)}"
            gathered.faults.append(Fault(env_name(name), problem, "Keep one of the two"))
            continue
        path = Path(str(gathered.values[name])).expanduser()
        try:
            with path.open("rb") as file:
                content = file.read(SECRET_FILE_BYTES_MAX + 1)
            text = content.decode()
        except OSError as error:
            problem, mend = f"cannot read {path}: {error.strerror}", "Point it at a file that this user may read"
            gathered.faults.append(Fault(env_name(name), problem, mend))
            continue
        except UnicodeDecodeError:
            gathered.faults.append(Fault(env_name(name), f"{path} is not UTF-8 text", "Store the secret as text"))
            continue
        if len(content) > SECRET_FILE_BYTES_MAX:
            problem = f"{path} has more than {SECRET_FILE_BYTES_MAX} bytes"
            gathered.faults.append(Fault(env_name(name), problem, "Point it at the file with the secret alone"))
            continue
        gathered.values[secret] = text.rstrip("\r\n")
        gathered.origins[secret] = f"{gathered.origins[name]} ({path})"


def process_environment() -> Mapping[str, str]:
    """The environment of this process; nothing else in the project reads it."""
    return os.environ


def set_option(name: str, value: str) -> None:
    """An option of this process and of those that it starts: stands above the environment it was started with."""
    os.environ[env_name(name)] = value
    _OPTIONS.add(env_name(name))
