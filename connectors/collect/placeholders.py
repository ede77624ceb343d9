"""What a template leaves where nobody put a value, or where its tool did not know the parameter: pure.

Taken as a value, all customers would be one, and what an event is would be a mark. Free values are refused for the
marks of our own bodies, as they are printed, and for `${...}` and `{{...}}`; where a role stands, for any `<...>`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint
from connectors.collect.pointers import at
from connectors.producer.fields import shown_place

_TOOLS = re.compile(r"\$\{.*\}|\{\{.*\}\}", re.DOTALL)
_ANY = re.compile(r"<[^<>]*>", re.DOTALL)
_OURS = re.compile(r"<(parameter|constant)\b[^<>]*>", re.DOTALL)
_BEGINS = ("$", "{", "<")
_TELLING = (str, Mapping, list)  # what may hold a placeholder
_KEYS_SHOWN_MAX = 8  # of a way into an item: words have some hundred characters
_Way = tuple["_Way | None", str]  # the outer way, a key: a place in words is made for what is refused alone
ANY_MARK = None  # as the marks of a place where no honest value stands in `<>`


def is_placeholder(text: str, marks: Collection[str] | None = ANY_MARK) -> bool:
    """Whether all of a text, but for the space around it, is a tool's placeholder or one of the marks."""
    text = text.strip()
    if text[:1] not in _BEGINS:
        return False
    if _TOOLS.fullmatch(text):
        return True
    return _ANY.fullmatch(text) is not None if marks is None else text in marks or _OURS.fullmatch(text) is not None


def left(
    item: Mapping[str, Any], endpoint: Endpoint, marks: frozenset[str], told: Mapping[str, Any], roles: Collection[str]
) -> str | None:
    """Where the first placeholder stands in what is told of an item, or at a place that its endpoint names; else None.

    `told`: values by their keys; at those of `roles`, `<...>` is no value whatever it says.
    """
    own = marks | {f"<{role}>" for role in endpoint.fields}
    named = {role: at(item, place) for role, place in endpoint.fields.items()}
    for name, value in (*told.items(), *named.items()):
        if is_placeholder(name, own):
            return shown_place(name)
        found = _first(name, value, ANY_MARK if name in roles else own)
        if found is not None:
            return found
    return None


def _first(name: str, value: Any, marks: Collection[str] | None) -> str | None:
    """The place of a value, or inside of it, where a placeholder stands; however deep, without recursion."""
    rest: list[tuple[_Way, Any]] = [((None, name), value)]
    while rest:
        way, one = rest.pop()
        if isinstance(one, str):
            if is_placeholder(one, marks):
                return _shown(way)
        elif isinstance(one, Mapping):
            if any(is_placeholder(key, marks) for key in one):
                return _shown(way)
            rest += [((way, key), inner) for key, inner in one.items() if isinstance(inner, _TELLING)]
        elif isinstance(one, list):
            rest += [((way, str(n)), inner) for n, inner in enumerate(one) if isinstance(inner, _TELLING)]
    return None


def _shown(way: _Way) -> str:
    """A way in words; of a long one its end."""
    outer, key = way
    keys = [key]
    while outer is not None and len(keys) < _KEYS_SHOWN_MAX:
        outer, key = outer
        keys.append(key)
    place = "" if outer is None else "..."
    for key in reversed(keys):
        place = shown_place(key, place)
    return place
