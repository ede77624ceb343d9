"""The local stack as a whole: start, stop, look.

`start` is harmless a second time: what runs is left alone, what has died is started again on its data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from connectors.local import clickhouse, docker, home, kafka, monitoring
from connectors.local.faults import StackError
from connectors.local.keeper import Keeper
from connectors.local.processes import Mark, end, runs
from connectors.local.progress import Progress, silent
from connectors.local.service import Service, Wish
from pipeline.settings import Settings

UNDO_SECONDS = 3.0  # a start that is given up has no data to flush
STOP_SECONDS = {
    "kafka": kafka.STOP_SECONDS,
    "clickhouse": clickhouse.STOP_SECONDS,
    "prometheus": monitoring.STOP_SECONDS,
    "alertmanager": monitoring.STOP_SECONDS,
}
_STARTERS: dict[str, Callable[[Settings, Wish, Progress], Service]] = {
    "kafka": kafka.start,
    "clickhouse": clickhouse.start,
    "prometheus": monitoring.start_prometheus,
    "alertmanager": monitoring.start_alertmanager,
}


class Wishes(NamedTuple):
    """How the parts are to be started; without a wish for them, neither Prometheus nor Alertmanager."""

    kafka: Wish = Wish()
    clickhouse: Wish = Wish()
    prometheus: Wish | None = None
    alertmanager: Wish | None = None

    def by_part(self) -> dict[str, Wish]:
        """Those that there are."""
        return {part: wish for part, wish in self._asdict().items() if wish is not None}


AS_IT_COMES = Wishes()


class Stack:
    """A started stack."""

    def __init__(self, home: Path, services: dict[str, Service], started: list[str], keeper: Keeper | None) -> None:
        self.home = home
        self.services = services
        self.started = started  # names of the parts that were not running before
        self._keeper = keeper

    @property
    def kafka(self) -> Service:
        """Kafka's address and process."""
        return self.services["kafka"]

    @property
    def clickhouse(self) -> Service:
        """ClickHouse's address and process."""
        return self.services["clickhouse"]

    def stop(self) -> None:
        """Stop what this start began; the data is kept."""
        stop(self.home, self.started)
        if self._keeper is not None:
            self._keeper.close()


class Stopped(NamedTuple):
    """A part that was stopped, and whether it did so by itself (False: SIGKILL after the deadline)."""

    part: str
    service: Service
    clean: bool


def start(
    settings: Settings, *, bound_to_parent: bool = False, progress: Progress = silent, wishes: Wishes = AS_IT_COMES
) -> Stack:
    """Bring up Kafka and ClickHouse, and the monitoring if wished, by their ladders and write <home>/stack.json.

    `bound_to_parent`: they end when this process does, however it ends; else they outlive it and its terminal.

    Raises:
        StackError: the message says what, where and how to mend it. Nothing that this call started is left running.
    """
    with home.opened(settings.home):
        home.ensure_seed(settings.home)
        recorded = home.read(settings.home)
        before = {part: service for part, service in recorded.items() if is_running(service)}
        _check_running(settings, before)
        births = _Births(Keeper() if bound_to_parent else None)
        missing = [part for part in wishes.by_part() if part not in before]
        try:
            services = before | _start_parts(settings, missing, births, progress, wishes)
            home.write(settings.home, services)
        except BaseException:
            births.undo()
            raise
    return Stack(settings.home, services, missing, births.keeper)


def stop(folder: Path, parts: Iterable[str] = tuple(_STARTERS)) -> list[Stopped]:
    """Stop those parts of the stack that run and forget those that are gone; returns what was stopped.

    Raises:
        StackError: another start or stop is at work, or the folder is no home of this format.
    """
    if not folder.exists():
        return []
    with home.opened(folder):
        services = home.read(folder)
        chosen = {part: services[part] for part in parts if part in services}
        stopped = _stop_parts({part: service for part, service in chosen.items() if is_running(service)})
        home.write(folder, {part: service for part, service in services.items() if part not in chosen})
    return stopped


def is_running(service: Service) -> bool:
    """Whether a part that we started still runs. An address given is nobody's to run: False."""
    if service.container is not None:
        return docker.runs(service.container)
    return service.marked is not None and runs(service.marked)


class _Births:
    """The processes of one start, bound or undone as soon as they exist."""

    def __init__(self, keeper: Keeper | None) -> None:
        self.keeper = keeper
        self._marks: list[Mark] = []

    def note(self, marked: Mark) -> None:
        self._marks.append(marked)
        if self.keeper is not None:
            self.keeper.bind(marked)

    def undo(self) -> None:
        for marked in self._marks:
            end(marked, UNDO_SECONDS)
        if self.keeper is not None:
            self.keeper.close()


def _start_parts(
    settings: Settings, parts: list[str], births: _Births, progress: Progress, wishes: Wishes
) -> dict[str, Service]:
    """Start parts at the same time; the first fault ends the others' processes, so that nobody waits for them."""
    bound = births.keeper is not None
    with ThreadPoolExecutor(len(_STARTERS)) as pool:
        futures: dict[str, Future[Service]] = {}
        for part in parts:
            wish = wishes.by_part()[part]._replace(bound_to_parent=bound, born=births.note)
            futures[part] = pool.submit(_STARTERS[part], settings, wish, progress)
        try:
            for future in as_completed(futures.values()):
                future.result()
        except BaseException:
            births.undo()
            raise
        return {part: future.result() for part, future in futures.items()}


def _stop_parts(services: dict[str, Service]) -> list[Stopped]:
    def one(part: str) -> Stopped:
        service = services[part]
        if service.container is not None:
            docker.stop(service.container)
            return Stopped(part, service, clean=True)
        assert service.marked is not None
        return Stopped(part, service, end(service.marked, STOP_SECONDS[part]))

    with ThreadPoolExecutor(len(_STARTERS)) as pool:
        return list(pool.map(one, services))


def _check_running(settings: Settings, before: dict[str, Service]) -> None:
    """What runs answers, and the settings do not name another one."""
    named = {"kafka": settings.kafka.bootstrap_servers, "clickhouse": settings.clickhouse.url}
    for part, service in before.items():
        if named.get(part) is not None:
            raise StackError(
                f"the settings name {part} at {named[part]}, but this home's own {part} runs at {service.address}. "
                "Run `tally down` first, or unset the address."
            )
        try:
            if part in home.MONITORING:
                monitoring.await_answer(service, monitoring.ANSWER_SECONDS)
            elif part == "kafka":
                kafka.await_answer({"bootstrap.servers": service.address}, kafka.ANSWER_SECONDS)
            else:
                clickhouse.await_answer(service.address, None, clickhouse.ANSWER_SECONDS)
        except TimeoutError:
            raise StackError(
                f"{part} runs ({_who(service)}) but does not answer at {service.address}. "
                "Run `tally down`, which ends it, and `tally up` again."
            ) from None


def _who(service: Service) -> str:
    return f"container {service.container[:12]}" if service.container else f"pid {service.pid}"
