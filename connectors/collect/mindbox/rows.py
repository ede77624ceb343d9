"""Mindbox's webhooks and customer actions to canonical events: pure.

In:   a body as `template` prescribes it, or a customer action as Mindbox's SDK models it; the endpoint.
Out:  one event or one refusal. Names are free: what tells the two families apart is whether a customer is attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect import placeholders
from connectors.collect.default_types import canonical
from connectors.collect.endpoint import Endpoint
from connectors.collect.mindbox import customers, template
from connectors.collect.pointers import at
from connectors.collect.reading import Reading, Unfit, unfilled
from connectors.collect.translation import Event, Refusal, minted, text
from pipeline.core import vocabulary
from pipeline.core.reasons import Reject

VENDOR = "mindbox"
_ACTIONS, _ACTION = "customerActions", "customerAction"
_NAMES = ("event", "/actionTemplate/systemName", "/actionTemplate/name")
# Of a customer action: what it concerns may change after it; its customer and its name are told elsewhere in the event.
_NOT_KEPT = ("ids", "actionTemplate", "customer", "customerBalanceChanges", "order")
_OF_MESSAGE = ("channel", "mailing", "campaign", "link")
_ORDER_IDS = "/order/ids"
_ROLES = (*_OF_MESSAGE, "message_id", "campaign_id")  # where no value of an account's own stands


def items(document: Any) -> list[Any] | None:
    """One object a webhook; a list of them; or the customer actions of an operation's answer."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    first_list = next((value for value in document.values() if isinstance(value, list)), None)
    actions = document.get(_ACTIONS)
    if not isinstance(actions, list) or actions is not first_list:
        return [document]
    customer = document.get("customer")
    return [_with_customer(action, customer) for action in actions]


def translate(item: Mapping[str, Any], endpoint: Endpoint) -> Event | Refusal:
    """A webhook's body, or a customer action, to its event."""
    action = item.get(_ACTION)
    try:
        return Event(
            _event(_with_customer(action, item.get("customer")) if isinstance(action, dict) else item, endpoint)
        )
    except Unfit as unfit:
        return unfit.refusal


def row(columns: Mapping[str, str], endpoint: Endpoint) -> Mapping[str, Any]:
    """A row of a file that an account exported itself: its columns are found as a body's keys are."""
    return {name: value for name, value in columns.items() if value and value.strip()}


def _with_customer(action: Any, customer: Any) -> Any:
    """An action of an operation on one customer is that customer's, where it does not say whose it is."""
    if isinstance(action, dict) and isinstance(inner := action.get(_ACTION), dict):
        action = inner
    return {"customer": customer, **action} if isinstance(action, dict) and isinstance(customer, dict) else action


def _event(item: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    said = {key: value for key, value in item.items() if key not in _NOT_KEPT} | {"order.ids": at(item, _ORDER_IDS)}
    if (place := placeholders.left(item, endpoint, template.MARKS, said, _ROLES)) is not None:
        raise unfilled(place)
    reading = Reading(item, endpoint)
    default = canonical(endpoint.event)
    name = reading.text("event", *_NAMES) or (None if default else _default_name(endpoint))
    if name is None and default is None:
        raise Unfit(Reject.MISSING_FIELD, "event is missing: put the event's name at event in the template")
    customer = customers.named(reading, item)
    type_ = default or vocabulary.load().vendors[VENDOR, "customer/*" if customer else "system/*"]
    info = vocabulary.load().types[type_]
    is_anyones = info.topic == "events.account"
    if customer is None and not is_anyones:
        raise Unfit(Reject.MISSING_FIELD, f"customer is missing: {type_} is of one; fill customer.mindbox_id")
    occurred_at, context = reading.instant("occurred_at", "occurred_at", utc=("dateTimeUtc",)), _context(reading)
    message = _message(reading) if info.channel else {}
    told = (default, name, customer, occurred_at, context, message or [item.get(key) for key in _OF_MESSAGE])
    event = {
        "type": type_,
        "vendor_type": name,
        "occurred_at": occurred_at,
        "is_test": reading.flag("is_test", "is_test"),
        "event_id": customers.one_of(reading.value("event_id", "event_id", "ids"), "event_id") or minted(VENDOR, *told),
        **message,
        "properties": _properties(reading, name, context),
    }
    return event if is_anyones else event | {"profile_id": customer}


def _default_name(endpoint: Endpoint) -> str | None:
    """The name of what its bodies leave unnamed; `customer/*` and `system/*` are families, not names."""
    name = (endpoint.event or "").removeprefix("customer/").removeprefix("system/").strip()
    return name if name not in ("", vocabulary.ANY_KEY) else None


def _context(reading: Reading) -> dict[str, str]:
    """The event's variables by their codes; it never changes after the event."""
    context = reading.value("context", "context")
    if isinstance(context, Mapping):
        return {f"context.{code}": text(value) for code, value in context.items() if value not in (None, "")}
    return {} if context is None else {"context": text(context)}


def _message(reading: Reading) -> dict[str, str]:
    """What went to many people is the mailing; a campaign of its own where the body names one."""
    mailing = reading.name("message_id", "message_id", "/mailing/id", "mailing")
    campaign = reading.name("campaign_id", "campaign_id", "/campaign/id", "campaign") or mailing
    found = {"message_id": mailing, "campaign_id": campaign, "link": reading.text("link", "link")}
    return {role: value for role, value in found.items() if value}


def _properties(reading: Reading, name: str | None, context: dict[str, str]) -> dict[str, str]:
    order = reading.value("order_ids", _ORDER_IDS)
    reading.leave_out("", *_NOT_KEPT)
    said = {"event": name, "order_ids": None if order is None else text(order)}
    return reading.named() | reading.rest() | {key: value for key, value in said.items() if value} | context
