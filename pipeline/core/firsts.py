"""What accepted events may be the first of, and how facts are labelled for the corrections that come later.

In:   accepted rows.  Out: opportunities for `uniques`; label numbers of facts.
A vendor's unique event is evidence: it makes a fact only where no raw event has. Viber's is never about a link.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline.core.accepted import Accepted
from pipeline.core.hashing import Codes, mix
from pipeline.core.record import Label
from pipeline.core.uniques import Facts, Opportunities

_CAMPAIGN_BITS, _CHANNEL_BITS = 21, 8  # of a batch's distinct campaigns and channels


def opportunities(accepted: Accepted, seed: int) -> Opportunities:
    """Opens and clicks of somebody, of some message."""
    columns = accepted.columns
    message = Codes(pc.coalesce(columns["message_id"], columns["campaign_id"]))
    about_somebody = accepted.has_profile & (message.code >= 0)
    opened = accepted.is_verb(lambda i: bool(i.channel) and i.verb in ("opened", "unique_opened"))
    clicked = accepted.is_verb(lambda i: bool(i.channel) and i.verb in ("clicked", "unique_clicked"))
    vendor = accepted.is_verb(lambda i: i.verb in ("unique_opened", "unique_clicked"))
    no_link = accepted.is_verb(lambda i: i.channel == "viber" and i.verb == "unique_clicked")
    link = Codes(columns["link"])
    clicked &= about_somebody
    return Opportunities(
        opened=opened & about_somebody,
        clicked=clicked,
        linked=clicked & (link.code >= 0) & ~no_link,
        vendor=vendor,
        message=mix(message.hashes(seed), _channels(accepted).hashes(seed)),
        link=link.hashes(seed),
        profile=accepted.profile,
        occurred_at=accepted.occurred_at,
        identity=accepted.identity,
    )


def _channels(accepted: Accepted) -> Codes:
    """The channel of each row, coded by distinct channel."""
    values = list(dict.fromkeys(info.channel for info in accepted.infos))
    of_type = np.array([values.index(info.channel) for info in accepted.infos], np.int32)
    return Codes.of(of_type[accepted.types.code], values)


def label(accepted: Accepted, facts: Facts, known: Mapping[Label, int]) -> tuple[npt.NDArray[np.uint32], list[Label]]:
    """The label number of each fact, and the labels that are new."""
    rows = facts["row"]
    campaign, channel = Codes(accepted.columns["campaign_id"]), _channels(accepted)
    account = accepted.account.code[rows].astype(np.int64)
    combined = ((account << _CAMPAIGN_BITS) + campaign.code[rows] + 1 << _CHANNEL_BITS) + channel.code[rows]
    distinct, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
    new: dict[Label, int] = {}
    numbers = np.zeros(len(distinct), np.uint32)
    for at, row in enumerate(rows[first].tolist()):
        made = Label(accepted.account.at(row) or "", campaign.at(row), channel.at(row) or "")
        number = known.get(made)
        numbers[at] = new.setdefault(made, len(known) + len(new)) if number is None else number
    return numbers[inverse], list(new)
