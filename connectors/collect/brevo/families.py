"""What a payload is: its family by the fields that it has, its event by the name that it gives itself. Pure."""

from __future__ import annotations

from typing import NamedTuple

from connectors.collect.brevo import keys
from connectors.collect.brevo.keys import Key
from connectors.collect.brevo.payload import Payload
from connectors.collect.reading import Unfit
from connectors.producer.fields import shown
from pipeline.core.reasons import Reject


class Said(NamedTuple):
    """What a payload calls itself, and the groups that may mean it, the likeliest first.

    `closed`: the payload's fields leave no other group; else its name may say another one.
    """

    name: str | None
    groups: tuple[str, ...]
    closed: bool


def key_of(payload: Payload) -> Key:
    """The vocabulary's key of a payload: as it calls itself, else the endpoint's default event.

    Raises:
        Unfit: nobody says it, or Brevo has no such key.
    """
    event = payload.endpoint.event
    group, key = keys.default(event)
    said = _said(payload, group)
    if said.name is not None:
        return _known(said.name, said)
    if key is not None and (not said.closed or group in said.groups):
        return key
    if group == keys.CUSTOM:
        return Key(keys.CUSTOM, "*", "crm_custom")
    if event and group is None:
        raise Unfit(Reject.UNKNOWN_TYPE, "the endpoint's event names no group and no one key of Brevo's vocabulary")
    raise Unfit(
        Reject.MISSING_FIELD,
        "event: the payload does not say what it is; give it an endpoint whose event does, such as"
        " --event push/push_notification_clicked",
    )


def _known(name: str, said: Said) -> Key:
    found = (keys.find(group, name) for group in said.groups)
    key = next((key for key in found if key is not None), None) or (None if said.closed else keys.anywhere(name))
    if key is None:
        of = f" of {' or '.join(said.groups)}" if said.groups else ""
        raise Unfit(
            Reject.UNKNOWN_TYPE,
            f"{shown(name)} is no event{of} that is counted here; see docs/vendors/brevo.md",
        )
    return key


def _said(payload: Payload, default: str | None) -> Said:
    """In the order in which the families can be told apart."""
    own, has = payload.endpoint.fields.get("event"), payload.has
    places = (own,) if own else ()
    name = payload.name(*places, "event")
    others = (default,) if default else ()
    if default == keys.WHATSAPP:  # its statuses are named as those of emails are, and its payload is not documented
        return Said(name or payload.name("msg_status", "status"), (keys.WHATSAPP,), True)
    if has("camp_id") and (name is not None or not has("msg_status")):
        return Said(name, (keys.EMAIL_MARKETING,), True)
    if has("message-id"):
        return Said(name, (keys.EMAIL_TRANSACTIONAL,), True)
    if has("msg_status"):
        return Said(payload.name(*places, "msg_status"), _smses(payload, default), True)
    if has("eventName"):
        return Said(payload.name(*places, "eventName"), (keys.CONVERSATIONS, *others), False)
    if has("event_name"):
        return Said(payload.name(*places, "event_name"), (keys.LOYALTY, *others), False)
    if name is None and default == keys.PUSH:
        name = payload.name("subtype")
    address = payload.endpoint.fields.get("email", "email")
    return Said(name, others or (keys.EMAILS if has(address) else ()), False)


def _smses(payload: Payload, default: str | None) -> tuple[str, ...]:
    """By `type`; without one by the endpoint's default, else by which has the status."""
    type_ = (payload.name("type") or "").casefold()
    for group in keys.SMSES:
        if group == f"sms_{type_}":
            return (group,)
    return (default,) if default in keys.SMSES else keys.SMSES
