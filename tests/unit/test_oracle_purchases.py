"""The contact sheets of the oracle: points, purchases, carts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.events import NOON_US, Event, event
from tests.oracle.contacts import number
from tests.unit.oracle_contacts_world import HOUR, of, says, sheet


def test_points_are_the_last_number_that_was_said() -> None:
    assert sheet(of("email_sent", points="5"))[10:12] == (None, None)
    assert sheet(says(points="12.5"))[10:12] == (Decimal("12.5"), NOON_US)
    said = (
        says(points="7"),
        of("crm_balance_updated", points="9.99999"),
        says(points="many"),
        of("crm_custom", value="3"),
    )
    assert sheet(*said)[10:12] == (Decimal("9.9999"), NOON_US + HOUR)
    late = says(points="3") | {"occurred_at": NOON_US - 1}
    assert sheet(*said, late)[10:12] == sheet(*said)[10:12]
    assert sheet(of("crm_balance_updated", points="9"), event("profile_updated", properties={"points": "4"}))[10] == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-3", "-3"),
        ("007.50", "7.5"),
        ("0.00019", "0.0001"),
        ("-0.00019", "-0.0001"),
        ("999999999999999999.9999", "999999999999999999.9999"),
    ],
)
def test_a_number_is_cut_off_behind_the_fourth_digit(text: str, expected: str) -> None:
    assert number(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text", [None, "", " 1", "+1", "1e3", "1,5", "NaN", "inf", "0x1", "1000000000000000000", "--1", "٣"]
)
def test_what_is_no_number_is_none(text: str | None) -> None:
    assert number(text) is None


def test_purchases_are_counted_and_summed_up() -> None:
    assert sheet(of("email_sent"))[12:15] == (0, Decimal(0), None)
    bought = [of("crm_purchase", value=value) for value in ("10.25", "-0.25", "free", "0.00019")]
    assert sheet(*bought, of("crm_purchase"), of("crm_custom", value="99"))[12:15] == (
        5,
        Decimal("10.0001"),
        NOON_US + 4 * HOUR,
    )


def added(product: str) -> Event:
    return of("crm_cart_product_added", product_id=product)


def removed(product: str) -> Event:
    return of("crm_cart_product_removed", product_id=product)


def stated(products: str) -> Event:
    return of("crm_cart_updated", product_ids=products)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([added("b"), added("a"), added("b")], ["a", "b"]),
        ([added("a"), removed("a")], []),
        ([removed("a"), added("a")], ["a"]),
        ([added("a"), of("crm_purchase")], []),
        ([of("crm_purchase"), added("a")], ["a"]),
        ([added("a"), stated("c,b")], ["b", "c"]),
        ([stated("c,b"), removed("c"), added("a")], ["a", "b"]),
        ([stated("c,b"), removed("z")], ["b", "c"]),
        ([stated("c,b"), stated("d")], ["d"]),
        ([stated("c,b"), stated("")], []),
        ([stated("c,,b,")], ["b", "c"]),
        ([stated("c"), of("crm_purchase")], []),
        ([of("crm_purchase"), stated("c")], ["c"]),
        ([added("a"), of("crm_cart_updated")], ["a"]),
        ([added("a"), added(""), of("crm_cart_product_removed"), of("crm_cart_abandoned")], ["a"]),
    ],
)
def test_a_cart_is_what_was_stated_and_what_changed_since(events: list[Event], expected: list[str]) -> None:
    assert sheet(*events).cart == expected
