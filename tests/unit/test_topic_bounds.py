"""How much of the source topics was not read, by how many events were, whatever has been deleted."""

from __future__ import annotations

import pytest

from pipeline.topic_bounds import Extent, missing


def test_what_is_missing_is_what_was_not_read() -> None:
    wanted = {("events.email", 0): Extent(0, 5), ("events.email", 1): Extent(0, 2), ("events.sms", 0): Extent(0, 0)}
    assert missing(wanted, {("events.email", 0): 3}) == {("events.email", 0): 2, ("events.email", 1): 2}
    assert missing(wanted, {("events.email", 0): 9, ("events.email", 1): 2}) == {}


@pytest.mark.parametrize(
    ("extent", "read", "unread"),
    [
        (Extent(0, 10), 7, 3),
        (Extent(5, 10), 7, 3),  # deleted behind what was read
        (Extent(8, 10), 7, 2),  # and in front of it: nobody can wait for those
        (Extent(10, 10), 7, 0),
        (Extent(4, 10, origin=4), 0, 6),  # reading began behind the topic's beginning
        (Extent(4, 10, origin=4), 3, 3),
        (Extent(6, 10, origin=4), 3, 3),
        (Extent(4, 10, origin=4), 6, 0),
    ],
)
def test_what_is_there_and_behind_what_was_read_is_unread(extent: Extent, read: int, unread: int) -> None:
    assert extent.unread(read) == unread
