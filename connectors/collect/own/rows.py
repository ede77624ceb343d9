"""Canonical events of an account's own to Avro's values: pure.

In:   a JSON object with the fields of SEMANTICS section 9, or a CloudEvent.  Out: one event or one refusal.
The checks are those of `tally produce`; account and source are the endpoint's, plans are set by the operator alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from connectors.collect.endpoint import Endpoint
from connectors.collect.own import cloudevents
from connectors.collect.reading import Unfit
from connectors.collect.translation import Event, Refusal
from connectors.producer.fields import Wrong
from connectors.producer.rows import Checks
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject

_PLAN_SET = "account_plan_set"
_MAPS = ("properties", "attributes")  # whose entries are columns `properties.order_id`
_LISTS = ("sources", "parts")  # columns of JSON


def items(document: Any) -> list[Any] | None:
    """One event, or a list of them."""
    if isinstance(document, list):
        return document
    return [document] if isinstance(document, dict) else None


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    """One event, checked."""
    try:
        event = cloudevents.canonical(item) if cloudevents.MARK in item else dict(item)
        _take_endpoints(event, endpoint)
        checked = _checks().event(event)
    except Unfit as unfit:
        return unfit.refusal
    except Wrong as wrong:
        return Refusal(wrong.reject, wrong.quiet)
    except UnicodeEncodeError:
        return Refusal(Reject.IMPOSSIBLE_FIELD, "an id of the event is not Unicode text: it has half of a pair")
    return Event(checked.body)


def row(columns: Mapping[str, str], endpoint: Endpoint) -> Mapping[str, Any]:
    """The event of a file's row: columns are its fields, `properties.order_id` an entry of one, lists are JSON."""
    event: dict[str, Any] = {}
    for column, value in columns.items():
        field, _, name = column.partition(".")
        if not value:
            continue
        if name and field in _MAPS:
            event.setdefault(field, {})[name] = value
        elif column in _LISTS:
            event[column] = _parsed(value)
        else:
            event[column] = value.strip().lower() == "true" if column == "is_test" else value
    return event


def _take_endpoints(event: dict[str, Any], endpoint: Endpoint) -> None:
    """Fill in what the endpoint says; what says otherwise than it is refused."""
    for name, ours in (("account_id", endpoint.account), ("source", endpoint.source)):
        if event.get(name) not in (None, "", ours):
            raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{name} is another one than the endpoint's: leave it out")
        event[name] = ours
    if event.get("type") == _PLAN_SET:
        raise Unfit(Reject.IMPOSSIBLE_FIELD, f"type {_PLAN_SET} is the operator's: set plans with `tally plan set`")


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # which the checks refuse


@functools.cache
def _checks() -> Checks:
    return Checks(vocabulary.load())
