"""Connectif's names of events to the vocabulary's keys: pure.

An export says `contact-merged` where the list of activities says `entity-merged`, and prints it with another hyphen.
"""

from __future__ import annotations

from pipeline.core import vocabulary

VENDOR = "connectif"
CALL = "execute-webhook"  # Connectif's own act of calling out: each call received is one
NO_TYPE = "of a row without a type"  # no event: a row is no call, so it is no execute-webhook by itself

# Names of the Activities export that differ from the list's.
DOCUMENTED = {"contact-created": "entity-created", "contact-merged": "entity-merged"}
# By the same rule; their literal names stand on no page.
INFERRED = {
    "contact-identified": "entity-identified",
    "contact-entered-segment": "entity-entered-segment",
    "contact-exited-segment": "entity-exited-segment",
}

# Hyphens, dashes, minus signs, underscore and spaces are one; a soft hyphen is none.
_HYPHENS = str.maketrans({**dict.fromkeys("‐‑‒–—―⁃−﹘﹣－_ \u00a0", "-"), "\u00ad": None})  # noqa: RUF001

_TYPES = {
    place.partition("/")[2]: type_ for (vendor, place), type_ in vocabulary.load().vendors.items() if vendor == VENDOR
}


def _spelled(name: str) -> str:
    return name.strip().lower().translate(_HYPHENS)


_PLACES = {_spelled(place): place.partition("/")[2] for vendor, place in vocabulary.load().vendors if vendor == VENDOR}


def normal(name: str) -> str:
    """The vocabulary's key of a name, `group/key` or `key`; of an unknown name its plain spelling."""
    key = _spelled(name)
    return DOCUMENTED.get(key) or INFERRED.get(key) or _PLACES.get(key) or key


def type_of(key: str) -> str | None:
    """The canonical type of a vocabulary's key, None where there is none."""
    return _TYPES.get(key)
