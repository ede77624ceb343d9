"""A place in a payload is a key or a JSON pointer, and what is not there is not null."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.collect.pointers import ABSENT, at, put

ITEM = {"a": {"b": [{"c": 1}, None], "/": 2, "m~n": 3}, "": 4, "x.y": 5, "/a": 6, "0": 7}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("a", ITEM["a"]),
        ("x.y", 5),  # a key as it stands, no path
        ("/a/b/0/c", 1),
        ("/a/b/1", None),
        ("/a/~1", 2),
        ("/a/m~0n", 3),
        ("/", 4),
        ("/0", 7),
    ],
)
def test_a_place_has_its_value(where: str, value: object) -> None:
    assert at(ITEM, where) == value


@pytest.mark.parametrize(
    "where", ["z", "/z", "/a/b/2", "/a/b/-1", "/a/b/00000000001", "/a/b/c", "/a/b/0/c/d", "/a/b/²", "//", "/a/b/-"]
)
def test_what_is_not_there_is_absent(where: str) -> None:
    assert at(ITEM, where) is ABSENT


@pytest.mark.parametrize("item", [None, 1, "text", [], True])
def test_what_is_no_object_holds_no_key(item: Any) -> None:
    assert at(item, "a") is ABSENT
    assert at(item, "/a") is ABSENT
    assert not ABSENT


def test_a_copy_with_another_value_at_a_place_leaves_the_item_as_it_was() -> None:
    item = {"a": [{"b/c": 1}, 2], "/a": 3}
    assert put(item, "/a/0/b~1c", 5) == {"a": [{"b/c": 5}, 2], "/a": 3}
    assert put({"a": 1, "b": 2}, "a", 5) == {"a": 5, "b": 2}
    assert item == {"a": [{"b/c": 1}, 2], "/a": 3}
