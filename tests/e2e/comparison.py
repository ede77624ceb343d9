"""Two sets of rows beside each other, in words: which row, which column, both values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHOWN = 20  # differences in a failure's message; the rest is counted

Row = dict[str, Any]
Views = Mapping[str, Sequence[Row]]


def differences(keys: Mapping[str, tuple[str, ...]], expected: Views, found: Views) -> list[str]:
    """All differences of all views; `keys` are the columns that name a row of a view."""
    return [line for view, names in keys.items() for line in _of_view(view, names, expected[view], found[view])]


def told(lines: Sequence[str]) -> str:
    """The first differences, and how many there are."""
    return "\n".join([f"{len(lines)} differences, the first of them:", *lines[:SHOWN]])


def _of_view(view: str, keys: tuple[str, ...], expected: Sequence[Row], found: Sequence[Row]) -> Iterator[str]:
    ours, theirs = _grouped(keys, expected), _grouped(keys, found)
    for key in sorted({*ours, *theirs}, key=repr):
        place = f"{view} ({', '.join(f'{name} {value}' for name, value in zip(keys, key, strict=True))})"
        if len(ours[key]) != len(theirs[key]):
            yield f"{place}: {len(theirs[key])} rows, the oracle has {len(ours[key])}"
        for one, other in zip(ours[key], theirs[key], strict=False):
            yield from (
                f"{place}: {column} is {other.get(column, 'missing')!r}, the oracle says {one.get(column, 'nothing')!r}"
                for column in sorted({*one, *other})
                if column not in one or column not in other or one[column] != other[column]
            )


def _grouped(keys: tuple[str, ...], rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[tuple(_hashable(row[key]) for key in keys)].append(row)
    return found


def _hashable(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value
