"""Lines about requests: the place, not the path, so that no secret, no query and no endpoint can be among them."""

from __future__ import annotations

import logging
import sys
from time import gmtime

from connectors.collect.answers import Outcome
from connectors.collect.counts import NO_VENDOR
from connectors.collect.routes import Place
from connectors.collect.translation import Vendor

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # others are a sender's own words

_log = logging.getLogger("tally.collect.access")
_log.setLevel(logging.WARNING)
_log.propagate = False


def setup() -> None:
    """Write a line for every request from now on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ ACCESS %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = gmtime
    handler.setFormatter(formatter)
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)


def logs() -> bool:
    """Whether lines are written."""
    return _log.isEnabledFor(logging.INFO)


def line(method: str, place: Place, came: tuple[Vendor | None, Outcome, int], seconds: float) -> None:
    """A request was answered: with what, and how long it took."""
    vendor, outcome, status = came
    shown = method if method in _METHODS else "other"
    name = NO_VENDOR if vendor is None else vendor.name
    _log.info("%s %s %s %s %d %.1f ms", shown, place.value, name, outcome.value, status, seconds * 1_000)
