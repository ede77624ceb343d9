"""Prometheus and Alertmanager as processes of the local stack, with the rules and examples of deploy/prometheus.

Their folder, <home>/monitoring, has the configuration (copied anew at each start), the data, the logs and `targets`:
one file for each tally process that serves metrics here, which Prometheus watches.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from connectors.local import ports, prometheus, targets
from connectors.local.faults import StackError, tail
from connectors.local.processes import end, mark, spawn
from connectors.local.progress import Progress
from connectors.local.service import Service, Wish
from pipeline.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
ANSWER_SECONDS = 10.0  # one that runs must answer within it, or it is said
READY_SECONDS = 60.0  # 0.3 s on an idle laptop; a long write-ahead log is replayed first
REQUEST_SECONDS = 2.0  # of one question
STOP_SECONDS = 15.0  # Prometheus flushes its head: tenths of a second for what one machine has
PORT_ATTEMPTS_MAX = 3  # another process may take a free port between choosing and using it
POLL_SECONDS = 0.05
RETENTION = "15d"
NOTIFIED_RETENTION = "900h"  # what was notified is remembered for longer than the longest cycle: nothing twice
_WEBHOOK = re.compile(r"^    webhook_configs:\n(?:      .*\n)+", re.MULTILINE)
_TAKEN = "address already in use"


class Seen(NamedTuple):
    """What Prometheus has found: processes to scrape, how many answer, and its firing alerts by name."""

    targets: int
    answering: int
    firing: dict[str, int]


class Pace(NamedTuple):
    """Seconds between two scrapes, and between two evaluations of the rules; None: as in the example."""

    seconds: int | None = None


AS_IN_THE_EXAMPLE = Pace()


def start_prometheus(settings: Settings, wish: Wish, progress: Progress) -> Service:
    """A Prometheus that is ready, watching the tally processes of this home; its alerts go to this home's Alertmanager.

    Raises:
        StackError: it cannot be had or started; the message has the way out.
    """
    tools = prometheus.find(progress, use_docker=wish.use_docker)
    progress("Prometheus: starting", 0, 0)
    return run_prometheus(tools, prepare(settings.home), wish)


def start_alertmanager(settings: Settings, wish: Wish, progress: Progress) -> Service:
    """An Alertmanager that is ready, and is known to this home's Prometheus. It notifies nobody: it can be asked.

    Raises:
        StackError: as for Prometheus.
    """
    tools = prometheus.find(progress, use_docker=wish.use_docker)
    progress("Alertmanager: starting", 0, 0)
    return run_alertmanager(tools, prepare(settings.home), wish)


def run_prometheus(tools: prometheus.Tools, folder: Path, wish: Wish) -> Service:
    """Prometheus on a folder that `prepare` made, ready.

    Raises:
        StackError: it ended or does not answer; the message has the log's end.
    """
    command = [
        str(tools.prometheus),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--storage.tsdb.retention.time={RETENTION}",
    ]
    return _start(("prometheus", tools.root), command, folder, wish)


def run_alertmanager(tools: prometheus.Tools, folder: Path, wish: Wish) -> Service:
    """Alertmanager on a folder that `prepare` made, ready, and told to Prometheus.

    Raises:
        StackError: as for Prometheus.
    """
    command = [
        str(tools.alertmanager),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--data.retention={NOTIFIED_RETENTION}",
        "--cluster.listen-address=",  # alone: no gossip port
    ]
    service = _start(("alertmanager", tools.root), command, folder, wish)
    targets.write(folder / "alertmanagers" / "local.json", service.address.removeprefix("http://"))
    return service


def prepare(home: Path, webhook: str | None = None, pace: Pace = AS_IN_THE_EXAMPLE) -> Path:
    """Write the examples' configuration into the home's folder and return it; both parts may at the same time.

    `webhook`: where Alertmanager sends; None: nowhere.

    Raises:
        StackError: this installation has no examples.
    """
    if not (EXAMPLES / "prometheus.yml").exists():
        raise StackError(
            f"Prometheus' rules are not at {EXAMPLES}: this tally was installed without its repository's deploy/ "
            "folder. Run it from a clone, or start a Prometheus of your own with the files of deploy/prometheus."
        )
    folder = home.absolute() / targets.FOLDER
    for part in ("targets", "alertmanagers"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for path in EXAMPLES.glob("*.rules.yml"):
        _write(folder / path.name, path.read_text(encoding="utf-8"))
    scraping = (EXAMPLES / "prometheus.yml").read_text(encoding="utf-8")
    if pace.seconds is not None:
        scraping = re.sub(r"(scrape_interval|evaluation_interval): \w+", rf"\1: {pace.seconds}s", scraping)
    _write(folder / "prometheus.yml", scraping)
    routing = (EXAMPLES / "alertmanager.yml").read_text(encoding="utf-8")
    sent = "" if webhook is None else f"    webhook_configs:\n      - url: {webhook}\n        send_resolved: true\n"
    _write(folder / "alertmanager.yml", _WEBHOOK.sub(sent, routing))
    return folder


def answers(service: Service) -> bool:
    """Whether it says that it is ready."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # not through a proxy of the environment
    try:
        with opener.open(f"{service.address}/-/ready", timeout=REQUEST_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def await_answer(service: Service, seconds: float) -> None:
    """Return when it says that it is ready.

    Raises:
        TimeoutError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not answers(service):
        if time.monotonic() >= deadline:
            raise TimeoutError
        time.sleep(POLL_SECONDS)


def seen(service: Service) -> Seen:
    """What a Prometheus has found.

    Raises:
        StackError: it does not answer.
    """
    try:
        targets = _asked(service, "targets")["activeTargets"]
        alerts = _asked(service, "alerts")["alerts"]
    except OSError as error:
        raise StackError(f"Prometheus does not answer at {service.address}: {error}. See its log.") from None
    firing = Counter(alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing")
    return Seen(len(targets), sum(target["health"] == "up" for target in targets), dict(firing))


def _asked(service: Service, what: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{service.address}/api/v1/{what}", timeout=REQUEST_SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        aside.write(text)
    Path(aside.name).replace(path)


def _start(what: tuple[str, Path], command: list[str], folder: Path, wish: Wish) -> Service:
    """A server, ready; `what`: its name and the folder it works in."""
    name, root = what
    log = folder / f"{name}.log"
    for attempt in range(1, PORT_ATTEMPTS_MAX + 1):
        port = _choose(folder / f"{name}.port", wish.port, name)
        log.unlink(missing_ok=True)
        listen = f"--web.listen-address={ports.LOOPBACK}:{port}"
        process = spawn([*command, listen, "--log.level=warn"], log, wish.environment, root)
        try:
            return _ready(name, process, Service(f"http://{ports.LOOPBACK}:{port}", "program"), log, wish)
        except StackError:
            if wish.port is not None or attempt == PORT_ATTEMPTS_MAX or _TAKEN not in tail(log):
                raise
            (folder / f"{name}.port").unlink(missing_ok=True)
    raise AssertionError("unreachable: the last attempt raises")


def _choose(file: Path, port: int | None, name: str) -> int:
    """The port asked for, else the last one if it is free: an address that lasts is worth having."""
    if port is not None:
        return ports.demand(port, name, f"--{name}-port")
    former = file.read_text(encoding="ascii").strip() if file.exists() else ""
    chosen = int(former) if former.isdigit() and ports.is_free(int(former)) else ports.any_free(1)[0]
    file.write_text(str(chosen), encoding="ascii")
    return chosen


def _ready(name: str, process: subprocess.Popen[bytes], service: Service, log: Path, wish: Wish) -> Service:
    marked = mark(process.pid)
    try:
        wish.born(marked)
        deadline = time.monotonic() + READY_SECONDS
        while not answers(service):
            if process.poll() is not None or time.monotonic() >= deadline:
                how = "did not answer in time" if process.poll() is None else "ended at once"
                raise StackError(f"{name} {how}, at {service.address}. The end of {log}:\n{tail(log)}")
            time.sleep(POLL_SECONDS)
    except BaseException:
        end(marked, STOP_SECONDS)
        raise
    return service._replace(pid=marked.pid, started=marked.started)
