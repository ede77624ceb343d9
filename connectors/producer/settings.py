"""What the producer takes from the settings: the ids that its schemas have in frames."""

from __future__ import annotations

from pipeline import schema_ids as ids
from pipeline.settings import Settings


def schema_ids(settings: Settings) -> dict[str, int]:
    """Schema id by schema: of the newest version, from the Schema Registry where one is set."""
    return ids.newest(ids.resolve(settings))
