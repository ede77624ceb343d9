"""What the producer takes from the settings: the ids that its schemas have in frames."""

from __future__ import annotations

from pipeline.settings import Settings

_LOCKED = {"channel": 1, "profile": 2, "account": 3, "crm": 4}


def schema_ids(settings: Settings) -> dict[str, int]:
    """Schema id by schema."""
    return dict(_LOCKED)
