"""Kafka's jars: right ones or none, whatever the network does. The repository is a server on the loopback interface."""

from __future__ import annotations

import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connectors.local import ports
from connectors.local.faults import StackError
from connectors.local.jars import ATTEMPTS_MAX, Jar, Repositories, ensure, read_lock
from connectors.local.progress import silent

CONTENT = b"not really a jar" * 1000


class Repository(ThreadingHTTPServer):
    """Serves `files` by name and counts what was asked for; `cut` ends a body in its middle."""

    def __init__(self) -> None:
        super().__init__((ports.LOOPBACK, 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = False

    @property
    def where(self) -> Repositories:
        return Repositories({"test": f"http://{ports.LOOPBACK}:{self.server_address[1]}"})


class _Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.server.cut else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _sockets_of_jgo() -> Iterator[None]:
    """jgo leaves the connection of an answer that it does not like to the garbage collector, which warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.fixture
def repository() -> Iterator[Repository]:
    server = Repository()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def jar(name: str, content: bytes = CONTENT) -> Jar:
    return Jar("org.example", name, "1.0", "", hashlib.sha256(content).hexdigest())


def test_a_missing_jar_is_fetched_and_the_next_time_nothing_is(repository: Repository, tmp_path: Path) -> None:
    jars = [jar("one"), jar("two", b"2")]
    repository.files = {"one-1.0.jar": CONTENT, "two-1.0.jar": b"2"}
    shown: list[tuple[int, int]] = []
    files = ensure(jars, tmp_path / "cache", lambda _, done, total: shown.append((done, total)), repository.where)
    assert [file.read_bytes() for file in files] == [CONTENT, b"2"]
    assert shown[0] == (0, 2)
    assert shown[-1] == (2, 2)
    repository.asked.clear()
    assert ensure(jars, tmp_path / "cache", silent, repository.where) == files
    assert repository.asked == []


def test_a_jar_with_a_wrong_checksum_is_refused_and_not_kept(repository: Repository, tmp_path: Path) -> None:
    repository.files = {"one-1.0.jar": b"something else"}
    with pytest.raises(StackError, match=r"one-1\.0\.jar is not the jar that kafka_jars\.lock names"):
        ensure([jar("one")], tmp_path, silent, repository.where)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    repository.files = {"one-1.0.jar": CONTENT}
    repository.cut = True
    with pytest.raises(StackError):
        ensure([jar("one")], tmp_path, silent, repository.where)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_jar_in_the_cache_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    repository.files = {"one-1.0.jar": CONTENT}
    (tmp_path / "one-1.0.jar").write_bytes(CONTENT[:-1])
    (file,) = ensure([jar("one")], tmp_path, silent, repository.where)
    assert file.read_bytes() == CONTENT


def test_a_repository_out_of_reach_is_said_with_the_ways_out(tmp_path: Path) -> None:
    (port,) = ports.any_free(1)
    where = Repositories({"test": f"http://{ports.LOOPBACK}:{port}"})
    with pytest.raises(StackError) as caught:
        ensure([jar("one")], tmp_path, silent, where)
    message = str(caught.value)
    assert "org.example:one:1.0 could not be downloaded" in message
    assert "Connection refused" in message
    assert str(tmp_path) in message
    for way_out in ("HTTPS_PROXY", "[repositories]", "TALLY_KAFKA__BOOTSTRAP_SERVERS"):
        assert way_out in message


def test_a_jar_that_the_repository_does_not_have_is_asked_for_a_bounded_number_of_times(
    repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match="could not be downloaded"):
        ensure([jar("one")], tmp_path, silent, repository.where)
    assert repository.asked == ["one-1.0.jar"] * ATTEMPTS_MAX


def test_the_committed_lock_names_the_broker_first_and_every_jar_once() -> None:
    jars = read_lock()
    assert jars[0].file_name == "kafka_2.13-4.1.1.jar"
    assert len({locked.file_name for locked in jars}) == len(jars) == 46
    assert "log4j-slf4j-impl" in {locked.name for locked in jars}


def test_a_damaged_lock_is_said_with_its_line(tmp_path: Path) -> None:
    lock = tmp_path / "kafka_jars.lock"
    lock.write_text(f"# comment\n{jar('one').line()}\norg.example:two:1.0 sha256:abc\n", encoding="ascii")
    with pytest.raises(StackError, match=r"kafka_jars\.lock, line 3"):
        read_lock(lock)
