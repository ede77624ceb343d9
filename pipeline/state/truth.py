"""Whether the broker's topics are those that a partition's journal was decided from. Pure.

In:   what the journal says of its topics, what the broker says.  Out: nothing, or why the partition is refused.
A topic that was made anew has other events at the same offsets. With another number of partitions accounts move:
partition = murmur2(account) mod count. Where the new count is a multiple of the old one, all that still comes to an
old partition number belongs there; with any other count nothing is sure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pipeline.journal.ports import Described
from pipeline.refusal import Refused

_WAITS = "Nothing was skipped: what was decided stays counted, what was published meanwhile waits in the topics"
_ANEW = "begin anew under another TALLY_TOPICS__PREFIX (`tally topics apply` makes its topics) and publish there again"


def require_topics(topics: Collection[str], found: Mapping[str, Described]) -> None:
    """Return when all topics are there.

    Raises:
        Refused: one is not.
    """
    gone = [topic for topic in topics if topic not in found]
    if gone:
        raise Refused(
            f"there is no topic {', '.join(gone)}: it was deleted, and without it nobody knows what was to come next. "
            f"{_WAITS}. Where it was never read, make it with `tally topics apply`. Else a topic made anew is another "
            f"one than the journal has read: {_ANEW}"
        )


def require_same(read: Mapping[str, str], positions: Mapping[str, int], found: Mapping[str, Described]) -> None:
    """Return when the topics are the ones that the journal read. `read` are their ids.

    Raises:
        Refused: one was made anew.
    """
    faults = [
        f"{topic} was deleted and made anew: the journal has read the one of id {read[topic]} up to offset "
        f"{positions.get(topic, 0)}, the broker has one of id {found[topic].id}"
        for topic in made_anew(read, found)
    ]
    if faults:
        raise Refused(
            f"{'; '.join(faults)}. At the same offsets are other events now, so going on would skip or recount some. "
            f"{_WAITS}. To go on, {_ANEW}, or delete all topics and the journal and make them anew together"
        )


def made_anew(read: Mapping[str, str], found: Mapping[str, Described]) -> list[str]:
    """Topics whose id is not the one that was read."""
    return [topic for topic, id_ in sorted(read.items()) if topic in found and found[topic].id not in ("", id_)]


def require_partitions(partition: int, began: int, found: Mapping[str, Described]) -> None:
    """Return when this partition number holds no other accounts than when the journal began with `began` partitions.

    Raises:
        Refused: it does, or may.
    """
    said = moved(partition, began, found)
    if said:
        raise Refused(said)


def moved(partition: int, began: int, found: Mapping[str, Described]) -> str:
    """Why this partition number holds other accounts than when the journal began; empty: it does not."""
    why = next(_why_moved(partition, began, found), "")
    if not why:
        return ""
    counts = sorted({said.partitions for said in found.values()} - {began})
    told = "; ".join(f"{_which(found, count)} has {count} partitions" for count in counts)
    return (
        f"{told}; the journal began with {began}. The number decides in which partition an account is (murmur2 of its "
        f"id, mod the number): {why}. {_WAITS}. Kafka takes no partition away, so to count that, {_ANEW}"
    )


def _which(found: Mapping[str, Described], count: int) -> str:
    topics = sorted(topic for topic, said in found.items() if said.partitions == count)
    return "every topic" if len(topics) == len(found) else "each of " * (len(topics) > 1) + ", ".join(topics)


def _why_moved(partition: int, began: int, found: Mapping[str, Described]) -> Iterator[str]:
    for said in found.values():
        if said.partitions % began:
            yield (
                f"{said.partitions} is no multiple of {began}, so accounts of every partition went elsewhere, and "
                "this one would count them apart from their history"
            )
    if partition >= began:
        yield (
            f"partition {partition} was added, and what comes to it has its history in partition {partition % began}: "
            f"here it would count anew. The partitions 0 to {began - 1} go on"
        )
