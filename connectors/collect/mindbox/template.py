"""The body to paste into a webhook of Mindbox: pure.

The one form of parameter that Mindbox's pages show is `${Recipient.FirstName}`; the names of the others are those of
the account's own picker, so a placeholder says in words what to pick.
"""

from __future__ import annotations

from connectors.collect import template_body
from connectors.collect.default_types import canonical
from connectors.collect.endpoint import Endpoint
from connectors.collect.template_body import Part

_PARTS = (
    Part("event", "event", "<name of the event, as it is in Mindbox>"),
    Part("event_id", "event_id", "<parameter unique to this occurrence; delete the line if there is none>"),
    Part("occurred_at", "occurred_at", "<parameter: date and time of the event, with a zone if it can be printed>"),
    Part("profile_id", "/customer/mindbox_id", "<parameter: the customer's Mindbox id>"),
    Part("email", "/customer/email", "<parameter: the customer's email>"),
    Part("phone", "/customer/mobile_phone", "<parameter: the customer's mobile phone>"),
    Part("channel", "channel", "<constant: email, sms, push, ...; delete the line where there is none>"),
    Part("message_id", "mailing", "<id of the mailing; delete the line where there is none>"),
)
_LINK = Part("link", "link", "<parameter: address of the link that was clicked>")
_CONTEXT = Part("context", "/context/code", "<parameter: a variable of the event; one line each, its code as the key>")
MARKS = frozenset(part.value for part in (*_PARTS, _LINK, _CONTEXT))


def body(endpoint: Endpoint) -> str:
    """JSON: for a customer's event as it stands; for a system event without `customer`."""
    clicks = (canonical(endpoint.event) or "").endswith("_clicked")
    return template_body.body((*_PARTS, *((_LINK,) if clicks else ()), _CONTEXT), endpoint)
