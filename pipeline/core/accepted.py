"""The accepted rows of a batch: what the stages behind deduplication work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.core.context import Context
from pipeline.core.events import Events, valid
from pipeline.core.hashing import Codes, Hashes, Ints, Mask, hash_column, mix
from pipeline.core.vocabulary import Vocabulary


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
    marks: npt.NDArray[np.uint8]  # of each row's type: `vocabulary.OPENED` and the others
    channel: Codes  # empty for profile, account and crm types
    campaign: Codes
    columns: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.seq)


class Keys(NamedTuple):
    """Columns derived from all decoded rows of a batch."""

    account: Codes
    types: Codes
    account_hash: Hashes
    identity: Hashes


def accept(events: Events, rows: Ints, keys: Keys, context: Context) -> Accepted:
    """The accepted ones of the decoded rows, ascending."""
    columns = events.take(rows)
    types, vocabulary = keys.types.take(rows), context.vocabulary
    return Accepted(
        row=rows,
        seq=events.seq[rows],
        origin=events.origin[rows],
        arrived_at=events.arrived_at[rows],
        occurred_at=events.occurred_at[rows],
        identity=keys.identity[rows],
        profile=mix(hash_column(columns["profile_id"], context.seed), keys.account_hash[rows]),
        has_profile=valid(columns["profile_id"]),
        live=~events.is_test[rows],
        account=keys.account.take(rows),
        types=types,
        marks=np.array([vocabulary.marks.get(name, 0) for name in types.values], np.uint8)[types.code],
        channel=_channels(types, vocabulary),
        campaign=events.codes("campaign_id").take(rows),
        columns=columns,
    )


def _channels(types: Codes, vocabulary: Vocabulary) -> Codes:
    """The channel of each row, coded by distinct channel; a type that nobody knows has rejected rows alone."""
    number: dict[str, int] = {}
    known = [vocabulary.types.get(name) for name in types.values]
    of_type = [number.setdefault(info.channel if info else "", len(number)) for info in known]
    return Codes.of(np.array(of_type, np.int32)[types.code], list(number))
