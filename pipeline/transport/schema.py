"""Faust's schema for batches: nothing is decoded, the message's value is the batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import AppT, EventT


class BatchSchema(faust.Schema[Any, Any]):
    """Makes an event of a message as it is."""

    def compile(self, app: AppT, **_: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        """The decoder that Faust calls for each message."""

        async def decode(message: Any, *, propagate: bool = False) -> EventT[Any]:
            return app.create_event(message.key, message.value, None, message)

        return decode
