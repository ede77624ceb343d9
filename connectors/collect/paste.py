"""What people need to make a vendor's tool deliver to an endpoint: URL, how it authenticates, what to set there. Pure.

Each vendor's settings are those of its page in docs/vendors, which says where each of them is known from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from connectors.collect import signatures
from connectors.collect.endpoint import CredentialKind, Endpoint

SECRET_SHOWN = "SECRET"  # stands where a secret was that is shown no more
OWN = "own"
TEMPLATES = ("connectif", "mindbox")  # whose bodies an account writes itself

_VENDORS: Mapping[str, tuple[str, ...]] = {
    "altcraft": (
        "An action hook by HTTP POST of a JSON batch: this URL, no authorization",
        "Leave the success pattern empty: any answer with status 200 counts, and that is what it gets",
    ),
    "brevo": (
        "A webhook with this URL for each of its families; batched or not makes no difference",
        "Push payloads do not say what they are: give each of its events an endpoint of its own, with --event",
        "`--allow brevo` takes deliveries from Brevo's published networks alone",
    ),
    "connectif": (
        "A custom event type of category send: this URL as webhookUrl",
        "Define its fields so that the call carries the body below; leave out what the account does not have",
    ),
    "mindbox": (
        'A webhook of an integration "Интеграция для вебхуков": POST to this URL, with Content-Type: application/json',
        "Paste the body below as its template, and put the account's own parameters in place of what stands in <>",
    ),
    "own": ("POST events as JSON, JSON lines or CloudEvents: /openapi.json of the collector says how",),
}


class Shown(NamedTuple):
    """URL and steps; `secret` stands in them, or SECRET_SHOWN."""

    url: str
    authenticate: tuple[str, ...]
    steps: tuple[str, ...]


def shown(endpoint: Endpoint, kind: CredentialKind, name: str, base_url: str, secret: str = SECRET_SHOWN) -> Shown:
    """What to set for a key of this kind."""
    url = _url(endpoint, kind, base_url)
    if kind == "path":
        return Shown(f"{url}/{secret}", ("The URL is the key: whoever has it can deliver",), _VENDORS[endpoint.vendor])
    said = {
        "basic": (f"User {name}, password {secret}", f"In a URL: {_with_login(url, name, secret)}"),
        "bearer": (f"Authorization: Bearer {secret}",),
        "header": (f"{name}: {secret}",),
        "hmac": (
            f"{signatures.HMAC_TIME_HEADER}: the time of sending, in seconds since 1970",
            f"{name}: HMAC-SHA256 of that text, a full stop and the body, in hex or base64",
            f"The key of it are the characters of {secret}",
        ),
        "standard_webhooks": (
            f"The secret, as standardwebhooks.com has it: {secret}",
            f"Headers: {signatures.ID_HEADER}, {signatures.TIME_HEADER}, {signatures.SIGNATURE_HEADER}",
        ),
    }[kind]
    return Shown(url, said, _VENDORS[endpoint.vendor])


def body(endpoint: Endpoint) -> str | None:
    """The body to paste into a tool whose calls an account writes itself; None: the vendor has its own."""
    if endpoint.vendor == "connectif":
        from connectors.collect.connectif import template as connectif

        return connectif.body(endpoint)
    if endpoint.vendor == "mindbox":
        from connectors.collect.mindbox import template as mindbox

        return mindbox.body(endpoint)
    return None


def _url(endpoint: Endpoint, kind: CredentialKind, base_url: str) -> str:
    """The generic route where the key names the endpoint, else the endpoint's own."""
    if endpoint.vendor == OWN and kind in ("basic", "bearer"):
        return f"{base_url.rstrip('/')}/v1/events"
    return f"{base_url.rstrip('/')}/v1/hooks/{endpoint.id}"


def _with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()
