"""The fields to define for a send event in Connectif, as the body that its call is expected to have: pure.

Not known of Connectif, and so to be looked at in the first call that arrives: whether a field's id or its name becomes
the key (give both the name that stands here), the method, and whether anything is added.
"""

from __future__ import annotations

from connectors.collect import template_body
from connectors.collect.connectif import keys
from connectors.collect.default_types import canonical
from connectors.collect.endpoint import Endpoint
from connectors.collect.template_body import Part

_PARTS = (
    Part("event_id", "event_id", "<what tells this occurrence from all others; leave the field out if there is none>"),
    Part("occurred_at", "occurred_at", "<date and time of the event, ISO 8601 with a zone>"),
    Part("email", "email", "<the contact's email>"),
    Part("external_id", "external_id", "<the contact's external id; leave the field out if there is none>"),
    Part("phone", "phone", "<the contact's mobile phone, with its prefix>"),
    Part("message_id", "content_id", "<id of the content that was sent or shown>"),
    Part("content_name", "content_name", "<name of that content>"),
    Part("campaign_id", "workflow_id", "<id of this workflow>"),
    Part("link", "link", "<address of the link that was clicked; leave the field out where there is none>"),
)
_EVENT = "<constant: what this workflow tells, as email-opened>"
MARKS = frozenset({_EVENT, *(part.value for part in _PARTS)})


def body(endpoint: Endpoint) -> str:
    """JSON: a key for every field to define, `event` included unless the endpoint says what its calls are."""
    if canonical(endpoint.event):
        return template_body.body(_PARTS, endpoint)
    event = keys.normal(endpoint.event) if endpoint.event else _EVENT
    return template_body.body((Part("event", "event", event), *_PARTS), endpoint)
