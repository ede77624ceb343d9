"""The group's session, as its heartbeats tell of it: the coordinator answers one that it accepts without an error.

A rebalance is told by an error, of which aiokafka makes a success: so the answers themselves are looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from aiokafka.protocol.group import HeartbeatRequest

from pipeline.telemetry.tenure import Tenure


def follow(client: Any, tenure: Tenure) -> None:
    """Let a consumer's aiokafka client confirm the tenure with every heartbeat that is accepted."""
    client.send = functools.partial(_sent, client.send, tenure)


async def _sent(send: Callable[..., Awaitable[Any]], tenure: Tenure, node: int, request: Any, **kind: Any) -> Any:
    began = monotonic()
    answer = await send(node, request, **kind)
    if isinstance(request, HeartbeatRequest) and answer.error_code == 0:
        tenure.confirm(began)
    return answer
