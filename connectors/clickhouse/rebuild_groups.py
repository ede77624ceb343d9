"""The consumer groups of rebuilds that are over: none stays in Kafka. A group of one that can go on is left alone.

A rebuild's member has a name, and the broker holds its place for the session's 10 s after it has gone; a group with a
member cannot be deleted. So at its end the member is signed off by its name, as Kafka's own admin client does it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError as ClientError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from connectors.clickhouse import rebuild_statements as sql
from connectors.clickhouse.service import Service
from pipeline.kafka_cluster import REACH_SECONDS, connect
from pipeline.kafka_security import aiokafka_client
from pipeline.settings import Settings

_TEXT = String("utf-8")
_DELETED = (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.NON_EMPTY_GROUP)  # by another one, or somebody is in it


class _LeaveResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 13
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT), ("error_code", Int16))),
    )


class _LeaveStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 13
    API_VERSION = 3  # Kafka 2.4: the first that knows names (KIP-345)
    RESPONSE_TYPE = _LeaveResponse
    SCHEMA = Schema(("group", _TEXT), ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT))))


class _Leave(Request[_LeaveStruct]):  # type: ignore[misc]  # aiokafka has no types
    """A member leaves, by its name alone."""

    API_KEY = 13

    def __init__(self, group: str, name: str) -> None:
        self._group, self._name = group, name

    def build(self, request_struct_class: type[_LeaveStruct]) -> _LeaveStruct:
        return request_struct_class(self._group, [("", self._name)])


def delete_over(settings: Settings, service: Service, ended: str, member: str) -> list[str]:
    """Delete the groups of rebuilds that are over, `ended` among them, whose `member` is signed off.

    Returns:
        The groups that are still there, each with what Kafka says; a group in which somebody is left out.

    Raises:
        Unavailable, Refused: ClickHouse does not say which rebuilds can go on.
    """
    found = service.query(sql.databases()).rows
    going_on = {stamp for _, stamp in sql.begun(service.target.database, (str(name) for name, _ in found))}
    try:
        asyncio.run(_sign_off(settings, ended, member))
        admin, _ = connect(settings)
        listed = admin.list_consumer_groups(request_timeout=REACH_SECONDS).result().valid
        names = [group.group_id for group in listed]
        return _delete(admin, over(settings.sink.group_id, names, going_on))
    except (ClientError, KafkaException, OSError, TimeoutError) as error:
        return [f"{ended} ({error})"]


def over(sinks: str, groups: Iterable[str], going_on: Iterable[str]) -> list[str]:
    """The groups of the rebuilds of a sinks' group whose stamp is none of those that can go on."""
    pattern = re.compile(re.escape(sql.names("", sinks, "").group) + sql.STAMP)
    kept = set(going_on)
    return sorted(name for name in groups if (match := pattern.fullmatch(name)) and match[1] not in kept)


async def _sign_off(settings: Settings, group: str, member: str) -> None:
    """The member's place is free. Harmless where it is free already."""
    client = AIOKafkaClient(**aiokafka_client(settings))
    async with asyncio.timeout(REACH_SECONDS):
        await client.bootstrap()
        try:
            node = await client.coordinator_lookup(CoordinationType.GROUP, group)
            await client.ready(node, group=ConnectionGroup.COORDINATION)
            await client.send(node, _Leave(group, member), group=ConnectionGroup.COORDINATION)
        finally:
            await client.close()


def _delete(admin: AdminClient, groups: list[str]) -> list[str]:
    if not groups:
        return []
    left = []
    for name, done in admin.delete_consumer_groups(groups, request_timeout=REACH_SECONDS).items():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() not in _DELETED:
                left.append(f"{name} ({error.args[0].str()})")
    return left
