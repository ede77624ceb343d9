"""What there is: the parts that the settings point at, whether they answer, and how far behind the services are."""

from __future__ import annotations

from typing import Literal, NamedTuple

from connectors.local import clickhouse, companions, home, kafka, monitoring
from connectors.local.stack import is_running
from pipeline.kafka_security import kafka_client
from pipeline.lag import Lag, Total, lag, totals
from pipeline.settings import Settings

ANSWER_SECONDS = 3.0  # for a look; what needs longer is not well

State = Literal["answers", "runs", "runs, does not answer", "does not answer", "not running"]


class Part(NamedTuple):
    """Kafka, ClickHouse, what monitors them, or a service left running beside them."""

    service: str
    address: str | None
    by: str | None
    pid: int | None
    state: State


class Found(NamedTuple):
    """The whole look. `problems` are sentences for people, each with the way out."""

    parts: list[Part]
    lags: list[Lag]
    totals: list[Total]
    problems: list[str]

    @property
    def complete(self) -> bool:
        """Whether every part answers."""
        return all(part.state in ("answers", "runs") for part in self.parts)


def inspect(settings: Settings) -> Found:
    """Look at what the settings point at; asks Kafka and ClickHouse, changes nothing."""
    known = home.read(settings.home)
    parts = [_part(settings, name) for name in (*home.PARTS, *(part for part in home.MONITORING if part in known))]
    problems = [_problem(part) for part in parts if part.state != "answers"]
    lags: list[Lag] = []
    if parts[0].state == "answers":
        lags = _lags(settings, problems)
    beside = companions.read(settings.home).items()
    parts += [Part(name, None, "process", marked.pid, "runs") for name, marked in beside]
    return Found(parts, lags, totals(lags) if lags else [], problems)


def _lags(settings: Settings, problems: list[str]) -> list[Lag]:
    from confluent_kafka import KafkaException

    try:
        found = lag(settings)
    except (KafkaException, ConnectionError) as error:
        problems.append(f"the lag is unknown: {error}")
        return []
    if not found:
        problems.append("no topics yet, so there is no lag: create them with `tally topics apply`.")
    return found


def _part(settings: Settings, name: str) -> Part:
    given = {"kafka": settings.kafka.bootstrap_servers, "clickhouse": settings.clickhouse.url}.get(name)
    service = home.read(settings.home).get(name)
    if given is not None:
        return Part(name, given, "address", None, "answers" if _answers(settings, name) else "does not answer")
    if service is None:
        return Part(name, None, None, None, "not running")
    if service.by != "address" and not is_running(service):
        return Part(name, service.address, service.by, None, "not running")
    answers = _answers(settings, name)
    return Part(name, service.address, service.by, service.pid, "answers" if answers else "runs, does not answer")


def _answers(settings: Settings, name: str) -> bool:
    try:
        if name in home.MONITORING:
            monitoring.await_answer(home.read(settings.home)[name], ANSWER_SECONDS)
        elif name == "kafka":
            kafka.await_answer(kafka_client(settings), ANSWER_SECONDS)
        else:
            login = clickhouse.login(settings)
            clickhouse.await_answer(settings.clickhouse_address(), login, ANSWER_SECONDS)
    except (TimeoutError, PermissionError):
        return False
    return True


def _problem(part: Part) -> str:
    if part.state == "not running":
        command = "tally up --monitoring" if part.service in home.MONITORING else "tally up"
        return f"{part.service} is not running: start it with `{command}`."
    if part.by == "address":
        return f"{part.service} does not answer at {part.address}: check that it runs and that the address is right."
    return f"{part.service} runs, pid {part.pid}, but does not answer at {part.address}: `tally down`, then `tally up`."
