"""The accepted rows of a batch: what the stages behind deduplication work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from pipeline.core.context import Context
from pipeline.core.events import Events
from pipeline.core.hashing import Codes, Hashes, Ints, Mask, hash_column, mix
from pipeline.core.vocabulary import TypeInfo

_NOTHING = TypeInfo("", "", "", "", False, False)  # of a type that nobody knows: all its rows were rejected before


@dataclass(frozen=True, slots=True)
class Accepted:
    """One row an accepted event, in the batch's layout; `seq` is its place in the stream, `row` among the decoded."""

    row: Ints
    seq: Ints
    origin: Hashes
    arrived_at: Ints
    occurred_at: Ints
    identity: Hashes
    profile: Hashes  # key of (account, profile)
    has_profile: Mask
    live: Mask  # no test
    account: Codes
    types: Codes
    infos: list[TypeInfo]  # of `types.values`
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.seq)

    def is_verb(self, says: Callable[[TypeInfo], bool]) -> Mask:
        """Live rows whose type is as asked."""
        return self.types.mask(says(info) for info in self.infos) & self.live


class Keys(NamedTuple):
    """Columns derived from all decoded rows of a batch."""

    account: Codes
    types: Codes
    account_hash: Hashes
    identity: Hashes


def accept(events: Events, rows: Ints, keys: Keys, context: Context) -> Accepted:
    """The accepted ones of the decoded rows, ascending."""
    columns = events.take(rows)
    types = keys.types.take(rows)
    return Accepted(
        row=rows,
        seq=events.seq[rows],
        origin=events.origin[rows],
        arrived_at=events.arrived_at[rows],
        occurred_at=events.ints("occurred_at")[rows],
        identity=keys.identity[rows],
        profile=mix(hash_column(columns["profile_id"], context.seed), keys.account_hash[rows]),
        has_profile=columns["profile_id"].is_valid().to_numpy(zero_copy_only=False),
        live=~events.is_test()[rows],
        account=keys.account.take(rows),
        types=types,
        infos=[context.vocabulary.types.get(name, _NOTHING) for name in types.values],
        columns=columns,
    )
