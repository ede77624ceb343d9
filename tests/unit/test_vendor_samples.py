"""The vendors' samples as the contract tests use them: the same events in every season, and words without addresses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.collect.translation import Event, Refusal
from connectors.collect.vendors import VENDORS
from tests.vendor_samples import ACCOUNTS, expected, samples

SEASONS = (-130, 0, 4, 135)  # days from the sampled one: July, itself, within the week, March
ADDRESSES = (
    *("leaked@secret.example", "leaked%40secret.example", "leaked\uff20secret.example", ["leaked@secret.example"]),
    *("+49 170 5550123", "491705550123", 491705550123, "0170 5550 123", "0170/5550123", "49-170-5550123", "170-5550"),
)
NAMES = [address for address in ADDRESSES if isinstance(address, str)]  # may stand as a key, too
SHOWN = ("leaked", "secret.example", "5550")
Path = tuple[str | int, ...]


@pytest.mark.parametrize("days", SEASONS)
@pytest.mark.parametrize("vendor", [name for name in ACCOUNTS if name != "own"])
def test_a_sample_that_is_moved_becomes_the_same_event_moved(vendor: str, days: int) -> None:
    """Moved into summer too, where a wall's clock is another hour."""
    says = {(row["file"], row["item"]): row["occurred_at"] for row in expected(vendor, days)}
    found = {}
    for sample in samples(vendor, days):
        for number, item in enumerate(sample.items):
            if (sample.file, number) in says:
                event = VENDORS[vendor].translate(item, sample.endpoint)
                assert isinstance(event, Event), (sample.file, number, event)
                found[sample.file, number] = event.fields["occurred_at"]
    assert found == says


@pytest.mark.parametrize("vendor", ACCOUNTS)
def test_an_address_that_stands_anywhere_in_a_sample_is_in_no_refusal_s_words(vendor: str) -> None:
    refused = 0
    for sample in samples(vendor, 0):
        for item in (one for one in sample.items if isinstance(one, dict)):
            for changed in _poisoned(item):
                found = VENDORS[vendor].translate(changed, sample.endpoint)
                if isinstance(found, Refusal):
                    refused += 1
                    words = found.detail.replace(" ", "")
                    assert not any(part in words for part in SHOWN), (sample.file, found)
    assert refused


def _poisoned(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The item with an address in place of one of its values, or as the name of one."""
    for *outer, last in _places(item):
        for address in ADDRESSES:
            changed = copy.deepcopy(item)
            inside: Any = changed
            for name in outer:
                inside = inside[name]
            value, inside[last] = inside[last], address
            yield changed
        if isinstance(last, str):
            del inside[last]
            for name in NAMES:
                yield changed | {name: value}
                yield changed | {"properties": {name: 5}}


def _places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Where an item has values, at any depth."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (*at, name)
        yield from _places(one, (*at, name))
