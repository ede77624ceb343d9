"""One audit of a running system: which accounts and partitions, what must be there, and one partition after another."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Collection, Mapping, Sequence

from aiokafka.errors import KafkaError

from connectors.clickhouse import migrations, statements
from connectors.clickhouse.service import Service
from pipeline.audit.commits import Commits
from pipeline.audit.comparison import Difference, Kind
from pipeline.audit.faults import AuditFailed, UnknownAccounts
from pipeline.audit.fold import STATE, Fold
from pipeline.audit.look import VIEW, Looks, Unit, units
from pipeline.audit.partition import PartitionAudit, Tell
from pipeline.audit.result import Audit
from pipeline.journal.reader import KafkaReader
from pipeline.kafka_cluster import KafkaAbsent, connect
from pipeline.kafka_security import aiokafka_client
from pipeline.settings import Settings
from pipeline.topics import JOURNAL, physical

NEAR_MAX = 3  # names near an unknown account that are told

Size = tuple[str, int, int]  # account, partition, about how many rows


def audit(settings: Settings, service: Service, wanted: Collection[str], timeout: float, tell: Tell) -> Audit:
    """Audit everything; or the accounts wanted and nothing else, so no fates of whole partitions.

    `timeout`: seconds to wait for any one moment without an open insert.

    Raises:
        AuditFailed, Unavailable, Refused, MigrationRefused: there is no verdict.
        UnknownAccounts: an account that is wanted has no rows.
        WrongSetting: the hash seed is not the journal's.
        SettingsError: no address, or no seed.
    """
    began = time.monotonic()
    settings.seed()
    partitions = _partitions(settings)
    migrations.require(service)
    result = Audit(whole=not wanted)
    with Commits(settings) as commits:
        _refuse_foreign_rows(settings, service, commits, partitions)
        looks = Looks(service, commits, settings.rules.unique_days - settings.rules.window_days - 1, timeout)
        chosen = _placed(_chosen(looks.accounts(), wanted), result)
        parts: dict[int, list[Unit]] = {} if wanted else {partition: [] for partition in range(partitions)}
        for unit in units(chosen):
            parts.setdefault(unit.partition, []).append(unit)
        try:
            asyncio.run(_audit(settings, looks, parts, (result, tell)))
        except (KafkaError, TimeoutError, OSError) as error:
            where = settings.kafka_address()
            raise AuditFailed(f"the journal at {where} cannot be read ({error or type(error).__name__})") from error
    result.seconds = time.monotonic() - began
    return result


async def _audit(settings: Settings, looks: Looks, parts: Mapping[int, list[Unit]], out: tuple[Audit, Tell]) -> None:
    """One partition after another: one state in memory."""
    whole = out[0].whole
    reader = KafkaReader(aiokafka_client(settings), settings.topics.journal_message_bytes)
    async with reader.session() as session:
        for partition, of_accounts in sorted(parts.items()):
            one = PartitionAudit(Fold(settings, partition), looks, *out)
            await one.run(session, [*([Unit(partition)] if whole else []), *of_accounts], whole)


def _partitions(settings: Settings) -> int:
    name = physical(settings.topics.prefix, JOURNAL)
    try:
        _, cluster = connect(settings)
    except KafkaAbsent as error:
        raise AuditFailed(str(error)) from None
    if name not in cluster.topics:
        raise AuditFailed(f"there is no topic {name} at {settings.kafka_address()}: run `tally topics apply`")
    return len(cluster.topics[name].partitions)


def _refuse_foreign_rows(settings: Settings, service: Service, commits: Commits, partitions: int) -> None:
    """Rows that the sinks' group has not inserted: nobody knows as of which offset they are."""
    for partition in range(partitions):
        if commits.position(partition) is not None:
            continue
        if service.query(statements.taken_in(service.target), {"partition": partition}).rows[0][0]:
            raise AuditFailed(
                f"database {service.target.database} has rows of journal partition {partition}, but the group"
                f" {settings.sink.group_id} has no offset there: set TALLY_SINK__GROUP_ID to the group of the sinks"
                " that filled it"
            )


def _chosen(sizes: Sequence[Size], wanted: Collection[str]) -> list[Size]:
    """The accounts wanted; all where none is named.

    Raises:
        UnknownAccounts
    """
    known = {account for account, _, _ in sizes}
    if unknown := [account for account in dict.fromkeys(wanted) if account not in known]:
        said = []
        for account in unknown:
            near = difflib.get_close_matches(account, known, NEAR_MAX, cutoff=0.5)
            said.append(
                f"no account {account!r} has rows in ClickHouse" + (f"; near: {', '.join(near)}" if near else "")
            )
        raise UnknownAccounts("\n".join(said))
    return [size for size in sizes if not wanted or size[0] in wanted]


def _placed(sizes: Sequence[Size], result: Audit) -> list[Size]:
    """One partition for each account: the one with the most rows. Rows in several are a difference of their own."""
    found: dict[str, list[Size]] = {}
    for size in sizes:
        found.setdefault(size[0], []).append(size)
    result.numbers[Kind.PARTITIONS] += len(found)
    placed = [max(places, key=lambda place: place[2]) for places in found.values()]
    for account, partition, _ in placed:
        if (count := len(found[account])) > 1:
            values: dict[str, int | str | None] = {STATE: 1, VIEW: count}
            result.differences.append(Difference(Kind.PARTITIONS, (account,), "partitions", partition, 0, values))
    return placed
