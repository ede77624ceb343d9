"""Writes `kafka_jars.lock` anew: resolves Kafka's jars, fetches them and notes their checksums.

    python -m connectors.local.lock_jars

For whoever raises KAFKA_VERSION; review the difference before committing it.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.local.jars import DOWNLOADS_AT_ONCE, KAFKA_VERSION, LOCK, Jar

if TYPE_CHECKING:
    from jgo.maven import Artifact

BROKER = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")  # slf4j 1.7 to the log4j that the broker brings
HEADER = f"""\
# Apache Kafka {KAFKA_VERSION} and what it needs to run, in the order of the class path.
# Written by `python -m connectors.local.lock_jars`; verified before every start.
"""


def resolve(cache: Path) -> list[Artifact]:
    """The broker, its transitive runtime dependencies, and the binding that makes it log."""
    from jgo.maven import Dependency, MavenContext, PythonResolver

    context = MavenContext(resolver=PythonResolver(), repo_cache=cache, timeout=30)
    roots = [context.project(group, name).at_version(version).artifact() for group, name, version in (BROKER, LOGGING)]
    own, transitive = context.resolver.resolve([Dependency(roots[0])])
    return [dependency.artifact for dependency in own + transitive] + [roots[1]]


def lock(artifact: Artifact) -> Jar:
    """Fetch one artifact and note its checksum."""
    digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
    return Jar(artifact.groupId, artifact.artifactId, artifact.version, artifact.classifier, digest)


def main() -> None:
    """Resolve, fetch, write."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        jars = list(pool.map(lock, resolve(Path(folder))))
    names = [jar.file_name for jar in jars]
    assert len(set(names)) == len(names), "two jars of one name would overwrite each other in the cache"
    LOCK.write_text(HEADER + "".join(jar.line() + "\n" for jar in jars), encoding="ascii")
    sys.stdout.write(f"{LOCK.name}: {len(jars)} jars\n")


if __name__ == "__main__":
    main()
