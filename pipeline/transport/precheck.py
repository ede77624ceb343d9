"""What is checked before Faust starts: it exits where there is no broker, and floods the log where a topic is missing.

In:   the settings and the cluster.  Out: nothing, or one message with every fault and how to mend it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from time import monotonic, sleep

from aiokafka.errors import KafkaError

from pipeline.journal.beginning import began_with
from pipeline.journal.ports import Place
from pipeline.journal.reader import KafkaReader
from pipeline.kafka_cluster import REACH_SECONDS, KafkaAbsent, absence
from pipeline.kafka_security import aiokafka_client
from pipeline.refusal import Unstartable, WrongSetting
from pipeline.settings import Settings
from pipeline.topic_admin import TopicsError, read
from pipeline.topic_plan import Found, wanted
from pipeline.topics import ALL_TOPICS, JOURNAL, SOURCE_TOPICS, physical

log = logging.getLogger(__name__)

PAUSE_S = 2.0  # between two looks for the broker: with REACH_SECONDS a line every 10 s while it is absent
_FOR_EVER = "-1"


def await_topics(settings: Settings, seconds: float) -> None:
    """Return when Kafka answers and all topics are as a worker needs them; an open port is no answer.

    A broker that goes away between two questions is waited for like one that was never there.

    Raises:
        SettingsError: no address.
        Unstartable: no answer within `seconds`, or topics that are wrong.
    """
    deadline = monotonic() + seconds
    while True:
        left = deadline - monotonic()
        try:
            _require_topics(settings, min(REACH_SECONDS, max(left, 1.0)))
        except KafkaAbsent as error:
            if monotonic() + PAUSE_S >= deadline:
                raise Unstartable(gave_up(str(error), seconds)) from error
            log.warning("%s; trying again", error)
            sleep(PAUSE_S)
        else:
            return


def gave_up(why: str, seconds: float) -> str:
    """The last words of a worker that has waited for its broker."""
    return f"{why}. Gave up after {seconds:.0f} s (--broker-wait)"


def _require_topics(settings: Settings, seconds: float) -> None:
    """Return when all topics are as a worker needs them.

    Raises:
        KafkaAbsent: no answer, or not to the end.
        Unstartable: with every fault; a WrongSetting where only the settings are wrong.
    """
    try:
        found = read(settings, wanted(settings), bounds=False, seconds=seconds)
    except TopicsError as error:
        raise Unstartable(str(error)) from error
    prefix, wanted_count = settings.topics.prefix, settings.topics.partitions
    began = 0
    if {topic.partitions for topic in found.values()} != {wanted_count}:
        began = asyncio.run(_began(settings, found))
    wrong = list(faults(found, prefix, settings.topics.journal_message_bytes, began))
    set_wrong = list(partition_faults(found, prefix, wanted_count, began))
    if set_wrong and not wrong:
        raise WrongSetting(f"the topics at {settings.kafka_address()} are not those of the settings: {set_wrong[0]}")
    if wrong:
        lines = "\n  ".join(wrong + set_wrong)
        raise Unstartable(
            f"the topics at {settings.kafka_address()} are not as a worker needs them:\n  {lines}\n"
            "Show the differences with `tally topics plan`, mend them with `tally topics apply`"
        )


async def _began(settings: Settings, found: Mapping[str, Found]) -> int:
    """The number of partitions that the journal began with; 0: it has no record."""
    name = physical(settings.topics.prefix, JOURNAL)
    if name not in found:
        return 0
    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    try:
        async with reader.session() as session:
            return await began_with(session, [Place(name, number) for number in range(found[name].partitions)])
    except (KafkaError, OSError, TimeoutError) as error:
        raise KafkaAbsent(absence(settings, [f"{name} cannot be read: {type(error).__name__} {error}"])) from error


def faults(found: Mapping[str, Found], prefix: str, message_bytes: int, began: int = 0) -> Iterator[str]:
    """What a worker cannot work with, of topics by their names in Kafka.

    `began` is the number of partitions that the journal began with. Where it has a record, it is known whom an added
    partition concerns, and each partition number is judged by itself: see `state.truth`.
    """
    names = {topic: physical(prefix, topic) for topic in ALL_TOPICS}
    yield from (f"{name}: missing" for name in names.values() if name not in found)
    counts = {name: found[name].partitions for name in names.values() if name in found}
    if len(set(counts.values())) > 1 and not began:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield f"all topics must have the same number of partitions, not: {told}"
    for topic in SOURCE_TOPICS:
        if names[topic] in found:
            yield from _source_faults(names[topic], found[names[topic]].configs)
    if names[JOURNAL] in found:
        yield from _journal_faults(names[JOURNAL], found[names[JOURNAL]].configs, message_bytes)


def partition_faults(found: Mapping[str, Found], prefix: str, partitions: int, began: int = 0) -> Iterator[str]:
    """Where the topics agree on a number of partitions that is not the settings', and is the journal's."""
    names = (physical(prefix, topic) for topic in ALL_TOPICS)
    counts = {found[name].partitions for name in names if name in found}
    if len(counts) == 1 and partitions not in counts and (not began or began in counts):
        (count,) = counts
        yield (
            f"TALLY_TOPICS__PARTITIONS is {partitions}, but the topics have {count} partitions: set it to {count}; "
            "the topics' number cannot be changed, since it decides where each account is"
        )


def _source_faults(name: str, configs: Mapping[str, str]) -> Iterator[str]:
    clock = configs.get("message.timestamp.type")
    if clock != "LogAppendTime":
        yield f"{name}: message.timestamp.type is {clock}; it must be LogAppendTime: one clock decides, the broker's"
    if configs.get("cleanup.policy") != "delete":
        yield f"{name}: cleanup.policy is {configs.get('cleanup.policy')}; it must be delete: none may vanish unread"


def _journal_faults(name: str, configs: Mapping[str, str], message_bytes: int) -> Iterator[str]:
    if configs.get("cleanup.policy") != "delete":
        yield f"{name}: cleanup.policy is {configs.get('cleanup.policy')}; it must be delete: the chain has no gaps"
    for limit in ("retention.ms", "retention.bytes"):
        if configs.get(limit) != _FOR_EVER:
            yield f"{name}: {limit} is {configs.get(limit)}; it must be -1: state is the fold of the whole journal"
    if int(configs.get("max.message.bytes") or 0) < message_bytes:
        yield (
            f"{name}: max.message.bytes is {configs.get('max.message.bytes')}, less than "
            f"TALLY_TOPICS__JOURNAL_MESSAGE_BYTES={message_bytes}; where the cluster caps it, lower the setting"
        )
