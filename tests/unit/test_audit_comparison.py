"""The comparison: which numbers differ, who stands against whom, and what a second look keeps."""

from __future__ import annotations

from pipeline.audit.comparison import Difference, Kind, Side, compare, odd_ones, still

KEY = ("acme", "c1", "email", "2024-03-01")
OTHER = ("acme", "c2", "email", "2024-03-01")


def side(name: str, *columns: str, **numbers: int) -> Side:
    return Side(name, columns, {KEY: numbers})


def test_equal_numbers_are_no_difference_and_are_counted() -> None:
    found = compare(Kind.ENGAGEMENT, [side("journal", "sent", sent=2), side("view", "sent", sent=2)], 0, 5)
    assert (found.numbers, found.differences) == (1, [])


def test_a_number_that_differs_is_told_with_its_coordinates_and_all_values() -> None:
    sides = [side("journal", "sent", sent=2), side("view", "sent", sent=2), side("recount", "sent", sent=1)]
    assert compare(Kind.ENGAGEMENT, sides, 3, 7).differences == [
        Difference(Kind.ENGAGEMENT, KEY, "sent", 3, 7, {"journal": 2, "view": 2, "recount": 1})
    ]


def test_a_row_that_is_missing_is_zeros() -> None:
    empty = Side("view", ("sent",), {})
    found = compare(Kind.ENGAGEMENT, [side("journal", "sent", sent=2), empty], 0, 0)
    assert [difference.values for difference in found.differences] == [{"journal": 2, "view": 0}]
    assert compare(Kind.ENGAGEMENT, [side("journal", "sent", sent=0), empty], 0, 0).differences == []


def test_a_side_that_says_nothing_of_a_column_is_not_asked() -> None:
    sides = [side("journal", "sent", sent=2), side("view", "sent", sent=2), side("state", "opened", opened=9)]
    assert compare(Kind.ENGAGEMENT, sides, 0, 0).differences == []


def test_a_side_that_refuses_a_key_is_not_asked() -> None:
    deaf = Side("state", ("sent",), {}, lambda key, column: key != KEY)
    found = compare(Kind.ENGAGEMENT, [side("journal", "sent", sent=2), deaf], 0, 0)
    assert (found.numbers, found.differences) == (0, [])
    more = Side("journal", ("sent",), {KEY: {"sent": 2}, OTHER: {"sent": 1}})
    assert [d.key for d in compare(Kind.ENGAGEMENT, [more, deaf], 0, 0).differences] == [OTHER]


def test_who_stands_against_the_most_common_value_is_odd() -> None:
    assert odd_ones({"journal": 1, "state": 1, "view": 1, "recount": 2}) == ["recount"]
    assert odd_ones({"journal": 1, "state": None, "view": 2, "recount": 1}) == ["view"]
    assert odd_ones({"journal": 1, "view": 2}) == []
    assert odd_ones({"journal": 1, "state": 1, "view": 2, "recount": 3}) == ["view", "recount"]


def test_a_second_look_keeps_what_differs_both_times_with_its_own_numbers() -> None:
    first = [Difference(Kind.ENGAGEMENT, KEY, "sent", 0, 5, {"journal": 1, "view": 2})]
    again = Difference(Kind.ENGAGEMENT, KEY, "sent", 0, 9, {"journal": 3, "view": 4})
    new = Difference(Kind.ENGAGEMENT, OTHER, "sent", 0, 9, {"journal": 3, "view": 4})
    assert still(first, [again, new]) == [again]
    assert still(first, []) == []
