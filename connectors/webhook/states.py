"""What an alert may be at the webhook. Apart from the receipts, so that a command's help need not load Avro."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Of an alert at the webhook. One without a receipt waits."""

    WAITING = "waiting"
    RETRYING = "retrying"
    ASKED = "asked"
    DELIVERED = "delivered"
    PARKED = "parked"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is sent, unless somebody asks."""
        return self in (State.DELIVERED, State.PARKED)
