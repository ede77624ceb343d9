"""Kafka's jars: fetched by jgo, held to the checksums of `kafka_jars.lock`, shared by all of a user's stacks.

The lock names every jar, so nothing is resolved at run time. A jar is written aside, verified and renamed: the
cache holds whole, right jars or none. `python -m connectors.local.lock_jars` writes the lock anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from connectors.local.faults import StackError
from connectors.local.progress import Progress

LOCK = Path(__file__).with_name("kafka_jars.lock")
KAFKA_VERSION = "4.1.1"
DOWNLOADS_AT_ONCE = 8  # 46 jars, 44 MB: 8 s with 8, 27 s one after the other
ATTEMPTS_MAX = 3  # a registry's hiccup; more only delays the message
READ_SECONDS = 20  # without a byte


class Jar(NamedTuple):
    """One line of the lock."""

    group: str
    name: str
    version: str
    classifier: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The jar's file name, in repositories and in the cache."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.jar"

    def line(self) -> str:
        """As the lock writes it."""
        return f"{self.group}:{self.name}:{self.version}:{self.classifier} sha256:{self.sha256}"


class Repositories(NamedTuple):
    """Where jgo looks: names and addresses; None: what jgo's own configuration says."""

    remotes: dict[str, str] | None = None


AS_CONFIGURED = Repositories()


def read_lock(path: Path = LOCK) -> list[Jar]:
    """The locked jars, in the order of the class path.

    Raises:
        StackError: a line is not `group:name:version:classifier sha256:hex`.
    """
    jars = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        coordinate, _, checksum = line.partition(" sha256:")
        parts = coordinate.split(":")
        if len(parts) != 4 or len(checksum) != 64:
            raise StackError(
                f"{path.name}, line {number}: not `group:name:version:classifier sha256:hex`: {line[:100]}. "
                "Restore the file, or write it anew with `python -m connectors.local.lock_jars`."
            )
        jars.append(Jar(parts[0], parts[1], parts[2], parts[3], checksum))
    return jars


def cache_folder() -> Path:
    """The user's cache: $XDG_CACHE_HOME/tally, or ~/.cache/tally."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tally" / f"kafka-{KAFKA_VERSION}"


def ensure(jars: list[Jar], folder: Path, progress: Progress, repositories: Repositories = AS_CONFIGURED) -> list[Path]:
    """The jars' files in `folder`, each with the locked checksum; what is missing or damaged is fetched.

    Raises:
        StackError: a jar cannot be fetched, or what was fetched is not what the lock names.
    """
    what = f"Kafka {KAFKA_VERSION}, {len(jars)} jars"
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        right = list(pool.map(lambda jar: _is_right(folder / jar.file_name, jar), jars))
        missing = [jar for jar, there in zip(jars, right, strict=True) if not there]
        done = len(jars) - len(missing)
        counting = threading.Lock()

        def fetch(jar: Jar) -> None:
            nonlocal done
            _fetch(jar, folder, repositories)
            with counting:
                done += 1
                progress(what, done, len(jars))

        if missing:
            _make(folder)
            progress(what, done, len(jars))
            _all_or_first_fault(pool, fetch, missing)
    return [folder / jar.file_name for jar in jars]


def _all_or_first_fault(pool: ThreadPoolExecutor, fetch: object, missing: list[Jar]) -> None:
    assert callable(fetch)
    futures = [pool.submit(fetch, jar) for jar in missing]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"cannot keep Kafka's jars in {folder}: {error.strerror}. Make that folder writable, or set XDG_CACHE_HOME."
        ) from None


def _is_right(path: Path, jar: Jar) -> bool:
    try:
        return _sha256(path) == jar.sha256
    except FileNotFoundError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(jar: Jar, folder: Path, repositories: Repositories) -> None:
    """One jar into the folder: written aside, verified, renamed."""
    aside = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        path = _download(jar, aside, folder, repositories)
        found = _sha256(path)
        if found != jar.sha256:
            raise StackError(
                f"{jar.file_name} is not the jar that {LOCK.name} names: sha256 {found}, expected {jar.sha256}. "
                "Nothing of it was kept. A proxy or mirror may have changed it: fetch it over another way, or put "
                f"the right file into {folder}."
            )
        path.replace(folder / jar.file_name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _download(jar: Jar, aside: Path, folder: Path, repositories: Repositories) -> Path:
    import requests

    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return _resolve(jar, aside / str(attempt), repositories)
        except (requests.RequestException, RuntimeError) as error:
            fault = error
    raise StackError(
        f"Kafka's jar {jar.group}:{jar.name}:{jar.version} could not be downloaded, {ATTEMPTS_MAX} attempts: {fault}\n"
        "Ways out: set HTTPS_PROXY if this machine reaches the network through a proxy; name your own mirror under "
        "[repositories] in jgo's configuration, ~/.config/jgo.conf; "
        f"copy the jars of another machine's cache into {folder}; or use a Kafka that runs elsewhere: "
        "TALLY_KAFKA__BOOTSTRAP_SERVERS=host:port."
    ) from None


def _resolve(jar: Jar, cache: Path, repositories: Repositories) -> Path:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    remotes = repositories.remotes or GlobalSettings.load().repositories or None
    context = MavenContext(
        resolver=PythonResolver(), repo_cache=cache, local_repos=[], remote_repos=remotes, timeout=READ_SECONDS
    )
    return context.project(jar.group, jar.name).at_version(jar.version).artifact(jar.classifier).resolve()
