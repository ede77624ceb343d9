"""What an accepted event may be the first of, channel by channel; labels of facts."""

from __future__ import annotations

import pytest

from pipeline.core.vocabulary import CHANNELS, load
from tests.events import event
from tests.partition import Partition

# Verb of a channel's type to (open, click, link click).
MAY_BE_FIRST = {"opened": (1, 0, 0), "unique_opened": (1, 0, 0), "clicked": (0, 1, 1), "unique_clicked": (0, 1, 1)}


@pytest.mark.parametrize("name", sorted(name for name, info in load().types.items() if info.channel in CHANNELS))
def test_only_opens_and_clicks_of_a_channel_are_firsts(name: str) -> None:
    partition = Partition()
    partition.send(event(name, profile_id="p", message_id="m", link="l"))
    found = partition.uniques()
    expected = (0, 1, 0) if name == "viber_unique_clicked" else MAY_BE_FIRST.get(load().types[name].verb, (0, 0, 0))
    assert (found["unique_open"], found["unique_click"], found["unique_link_click"]) == expected


def test_labels_are_accounts_campaigns_and_channels_in_the_order_of_their_making() -> None:
    partition = Partition()
    fields = {"profile_id": "p", "message_id": "m"}
    record = partition.send(
        event("email_opened", campaign_id="c", **fields),
        event("email_clicked", campaign_id="c", **fields),
        event("email_opened", campaign_id="c", account_id="other", **fields),
        event("whatsapp_opened", **fields),
        event("email_sent", campaign_id="unlabelled", **fields),
    )
    labels = [tuple(label) for label in record.labels]
    assert sorted(labels, key=str) == [("acme", "c", "email"), ("acme", None, "whatsapp"), ("other", "c", "email")]
    assert partition.send(event("email_opened", campaign_id="c", **(fields | {"profile_id": "q"}))).labels == []


def test_many_campaigns_and_accounts_in_one_batch_keep_their_own_labels() -> None:
    partition = Partition()
    opened = [
        event("email_opened", profile_id=f"p{n}", message_id="m", campaign_id=f"c{n % 70}", account_id=f"a{n % 3}")
        for n in range(210)
    ]
    partition.send(*opened)
    earlier = [one | {"occurred_at": one["occurred_at"] - 1, "campaign_id": None} for one in opened]
    partition.send(*earlier)
    corrected = [row for row in partition.outcome.rows if not row["hits"]]
    expected = sorted((one["account_id"], one["campaign_id"]) for one in opened)
    assert sorted((row["account_id"], row["campaign_id"]) for row in corrected) == expected
