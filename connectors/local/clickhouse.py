"""The ladder to ClickHouse: an address given, else Docker where an engine answers, else chDB behind its HTTP front."""

from __future__ import annotations

import base64
import importlib.util
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from connectors.local import docker, ports
from connectors.local.faults import StackError, tail
from connectors.local.processes import end, mark, spawn
from connectors.local.progress import Progress
from connectors.local.service import Service, Wish
from pipeline.settings import Settings

ANSWER_SECONDS = 10.0  # an address given must answer within it, or it is said
READY_SECONDS = 60.0  # from start to ready: 1 s on an idle laptop
REQUEST_SECONDS = 2.0  # of one question
PORT_ATTEMPTS_MAX = 3  # another process may take a free port between choosing and using it
STOP_SECONDS = 15.0  # running statements have 8 to end
PORT_FILE = "port"  # of the last start: an address that lasts is worth having


def start(settings: Settings, wish: Wish, progress: Progress) -> Service:
    """A ClickHouse that answers, by the first rung that holds.

    Raises:
        StackError: no rung holds; the message has the way out.
    """
    if settings.clickhouse.url is not None:
        return _given(settings)
    if wish.use_docker and docker.engine_answers():
        return _from_docker(settings.home, wish, progress)
    return from_chdb(settings.home / "clickhouse", wish, progress)


def from_chdb(folder: Path, wish: Wish, progress: Progress) -> Service:
    """The HTTP front over chDB as a process of its own on the data of `folder`, ready.

    Raises:
        StackError: it cannot be started; the message has the log's end.
    """
    if importlib.util.find_spec("chdb") is None:
        raise StackError(
            "ClickHouse cannot be started here: the package chdb is not installed. "
            "Install the embedded stack, pip install 'tallystream[local]', start Docker, "
            "or use a ClickHouse that runs elsewhere: TALLY_CLICKHOUSE__URL=http://host:8123."
        )
    folder.mkdir(parents=True, exist_ok=True)
    progress("ClickHouse: starting", 0, 0)
    for attempt in range(1, PORT_ATTEMPTS_MAX + 1):
        chosen = _choose(folder, wish.port)
        log = folder / "clickhouse.log"
        log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "connectors.local.chdb_server"]
        command += ["--path", str(folder.absolute() / "data"), "--port", str(chosen)]
        root = str(Path(__file__).resolve().parents[2])
        process = spawn(command, log, {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", **wish.environment})
        try:
            service = _ready(process, f"http://{ports.LOOPBACK}:{chosen}", log, wish)
        except StackError:
            if wish.port is not None or attempt == PORT_ATTEMPTS_MAX or "cannot listen" not in tail(log):
                raise
        else:
            (folder / PORT_FILE).write_text(str(chosen), encoding="ascii")
            return service
    raise AssertionError("unreachable: the last attempt raises")


def await_answer(
    url: str, login: tuple[str, str] | None, seconds: float, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Return when a statement is answered; `process` is the one that should answer.

    Raises:
        TimeoutError: no answer in time.
        PermissionError: the login is refused.
        ChildProcessError: the process ended before.
    """
    request = urllib.request.Request(f"{url.rstrip('/')}/?query=SELECT%201")
    if login is not None:
        word = base64.b64encode(f"{login[0]}:{login[1]}".encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
    # A proxy of the environment must not see requests to this machine or to a database.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if process is not None and process.poll() is not None:
            raise ChildProcessError(process.returncode)
        try:
            with opener.open(request, timeout=min(left, REQUEST_SECONDS)) as answer:
                answer.read()
            return
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise PermissionError(error.read(500).decode(errors="replace").strip()) from None
            time.sleep(min(left, 0.05))
        except OSError:
            time.sleep(min(left, 0.05))
    raise TimeoutError


def login(settings: Settings) -> tuple[str, str] | None:
    """User and password as set; None where a password is not: the local engine asks for none."""
    secret = settings.clickhouse.password
    return None if secret is None else (settings.clickhouse.username, secret.get_secret_value())


def _given(settings: Settings) -> Service:
    url = settings.clickhouse_address()
    try:
        await_answer(url, login(settings), ANSWER_SECONDS)
    except TimeoutError:
        raise StackError(
            f"no ClickHouse answers at {url} within {ANSWER_SECONDS:g} s (TALLY_CLICKHOUSE__URL). "
            "Start it, correct the address, or unset it to get a local one."
        ) from None
    except PermissionError as error:
        raise StackError(
            f"ClickHouse at {url} refuses the login of {settings.clickhouse.username}: {error}. "
            "Correct TALLY_CLICKHOUSE__USERNAME and TALLY_CLICKHOUSE__PASSWORD."
        ) from None
    return Service(address=url, by="address")


def _from_docker(home: Path, wish: Wish, progress: Progress) -> Service:
    progress("ClickHouse: starting in Docker", 0, 0)
    service = docker.start_clickhouse(home, wish.port, bound_to_parent=wish.bound_to_parent)
    try:
        await_answer(service.address, None, READY_SECONDS)
    except BaseException as error:
        docker.stop(service.container or "")
        if isinstance(error, OSError):
            raise StackError(
                f"ClickHouse in Docker did not answer at {service.address} within {READY_SECONDS:g} s and was removed. "
                "Leave Docker out with --no-docker, or see what `docker run clickhouse/clickhouse-server` says."
            ) from None
        raise
    return service


def _choose(folder: Path, port: int | None) -> int:
    if port is not None:
        return ports.demand(port, "ClickHouse", "--clickhouse-port")
    file = folder / PORT_FILE
    former = file.read_text(encoding="ascii").strip() if file.exists() else ""
    if former.isdigit() and ports.is_free(int(former)):
        return int(former)
    return ports.any_free(1)[0]


def _ready(process: subprocess.Popen[bytes], url: str, log: Path, wish: Wish) -> Service:
    marked = mark(process.pid)
    try:
        wish.born(marked)
        await_answer(url, None, READY_SECONDS, process)
    except BaseException as error:
        end(marked, STOP_SECONDS)
        if isinstance(error, TimeoutError | ChildProcessError):
            what = "did not answer in time" if isinstance(error, TimeoutError) else "ended at once"
            raise StackError(f"the ClickHouse engine {what}, at {url}. The end of {log}:\n{tail(log)}") from None
        raise
    return Service(address=url, by="chdb", pid=marked.pid, started=marked.started)
