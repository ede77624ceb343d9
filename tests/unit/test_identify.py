"""Identity: (account, source, event id); a minted id follows from the payload alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.core.decode import read
from pipeline.core.events import unify
from pipeline.core.hashing import Codes
from pipeline.core.identify import identify, mint
from tests.events import SCHEMAS, SEED, event, slab

FROZEN = "c8c629438defc6ed0768d93aa5579093"


def identities(*events: dict[str, Any]) -> list[int]:
    """The identity hash of channel events, all of them needed."""
    unified = unify(read([slab("events.email", 0, *events)], SCHEMAS), SEED)
    account = Codes(unified.columns["account_id"]).hashes(SEED)
    found: list[int] = identify(unified, account, np.ones(len(unified), bool), SEED).tolist()
    return found


def test_a_minted_id_never_changes() -> None:
    assert mint(event("email_opened", profile_id="p1", message_id="m1", properties={"b": "1", "a": "ß"})) == FROZEN


def test_a_minted_id_does_not_depend_on_order_nor_on_what_is_not_said() -> None:
    one = event("email_opened", profile_id="p1", properties={"a": "1", "b": "2"})
    other = dict(reversed(one.items())) | {"properties": {"b": "2", "a": "1"}}
    said = {name: value for name, value in one.items() if value}
    assert mint(one) == mint(other) == mint(said) == mint(one | {"a_newer_field": None, "received_at": 5})


@pytest.mark.parametrize("change", [{"profile_id": "p2"}, {"occurred_at": 1}, {"is_test": True}, {"link": "x"}])
def test_a_minted_id_changes_with_what_the_payload_says(change: dict[str, Any]) -> None:
    one = event("email_opened", profile_id="p1")
    assert mint(one) != mint(one | change)


@pytest.mark.parametrize("field", ["account_id", "source", "event_id"])
def test_identity_is_account_source_and_event_id(field: str) -> None:
    one = event("email_opened", event_id="1", profile_id="p1")
    same, other = identities(one, one | {"profile_id": "p2", "occurred_at": 5})
    assert same == other
    assert identities(one) != identities(one | {field: "other"})


def test_the_parts_of_an_identity_are_not_run_together() -> None:
    assert identities(event("email_opened", source="ab", event_id="c")) != identities(
        event("email_opened", source="a", event_id="bc")
    )


def test_an_empty_event_id_is_none_and_minted() -> None:
    null, empty = event("email_opened", event_id=None), event("email_opened", event_id="")
    assert identities(null) == identities(empty)
    assert identities(null) != identities(null | {"profile_id": "p9"})


def test_only_rows_that_need_an_identity_are_minted() -> None:
    unified = unify(read([slab("events.email", 0, event("email_opened", event_id=None))], SCHEMAS), SEED)
    account = Codes(unified.columns["account_id"]).hashes(SEED)
    minted, plain = (identify(unified, account, np.array([needed]), SEED).tolist() for needed in (True, False))
    assert minted != plain
