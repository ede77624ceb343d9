"""What accepted events may be the first of, and how facts are labelled for the corrections that come later.

In:   accepted rows.  Out: opportunities for `uniques`; label numbers of facts.
A vendor's unique event is evidence: it makes a fact only where no raw event has. Viber's is never about a link.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.accepted import Accepted
from pipeline.core.events import valid
from pipeline.core.hashing import hash_column, mix
from pipeline.core.record import Label
from pipeline.core.uniques import Facts, Opportunities
from pipeline.core.vocabulary import BY_VENDOR, CLICKED, NO_LINK, OPENED

_CAMPAIGN_BITS, _CHANNEL_BITS = 21, 8  # of a batch's distinct campaigns and channels
_CAMPAIGN_MASK, _CHANNEL_MASK = (1 << _CAMPAIGN_BITS) - 1, (1 << _CHANNEL_BITS) - 1


def opportunities(accepted: Accepted, seed: int) -> Opportunities:
    """Opens and clicks of somebody, of some message."""
    rows = np.flatnonzero((accepted.marks & (OPENED | CLICKED) != 0) & accepted.has_profile & accepted.live)
    at, marks = pa.array(rows), accepted.marks[rows]
    message = _either(accepted.columns["message_id"].take(at), accepted.columns["campaign_id"], at)
    is_named = valid(message)
    clicked = (marks & CLICKED != 0) & is_named
    linked = np.flatnonzero(clicked & (marks & NO_LINK == 0))
    link = accepted.columns["link"].take(pa.array(rows[linked]))
    return Opportunities(
        row=rows,
        opened=(marks & OPENED != 0) & is_named,
        clicked=clicked,
        linked=linked[valid(link)],
        vendor=marks & BY_VENDOR != 0,
        message=mix(hash_column(message, seed), accepted.channel.take(rows).hashes(seed)),
        link=hash_column(link.drop_null(), seed),
        profile=accepted.profile[rows],
        occurred_at=accepted.occurred_at[rows],
        identity=accepted.identity[rows],
    )


def _either(first: pa.Array, second: pa.Array, at: pa.Array) -> pa.Array:
    """The first column, and where it is null the second at these rows."""
    return pc.coalesce(first, second.take(at)) if first.null_count else first


def label(accepted: Accepted, facts: Facts, known: Mapping[Label, int]) -> tuple[npt.NDArray[np.uint32], list[Label]]:
    """The label number of each fact, and the labels that are new."""
    rows = facts["row"].astype(np.int64)
    campaign, channel = accepted.campaign, accepted.channel
    account = accepted.account.code[rows].astype(np.int64)
    combined = ((account << _CAMPAIGN_BITS) + campaign.code[rows] + 1 << _CHANNEL_BITS) + channel.code[rows]
    distinct, inverse = np.unique(combined, return_inverse=True)
    accounts, campaigns, channels = accepted.account.values, [None, *campaign.values], channel.values
    said = [
        (
            accounts[one >> _CAMPAIGN_BITS + _CHANNEL_BITS],
            campaigns[one >> _CHANNEL_BITS & _CAMPAIGN_MASK],
            channels[one & _CHANNEL_MASK],
        )
        for one in distinct.tolist()
    ]
    numbers = [known.get(one) for one in said]  # type: ignore[call-overload]  # a Label is a tuple; making one costs more
    new = [place for place, number in enumerate(numbers) if number is None]
    for number, place in enumerate(new, len(known)):
        numbers[place] = number
    return np.array(numbers, np.uint32)[inverse], [Label(*said[place]) for place in new]
