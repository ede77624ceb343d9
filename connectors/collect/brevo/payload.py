"""One payload, read field by field: when, who, and which message. Pure.

Words of a refusal never hold a value: it may be a contact's address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connectors.collect.brevo import keys
from connectors.collect.brevo.keys import Key
from connectors.collect.endpoint import Endpoint
from connectors.collect.instants import instant
from connectors.collect.pointers import ABSENT, at
from connectors.collect.reading import Unfit, bounded
from connectors.collect.translation import minted, text
from pipeline.core.reasons import Reject
from pipeline.core.validate import ID_BYTES_MAX, is_nobody

# Roles that an endpoint's `fields` may place; a name beside them becomes a property of that name.
ROLES = frozenset(
    {"event", "event_id", "occurred_at", "is_test", "profile_id", "email", "phone"}
    | {"message_id", "campaign_id", "link"}
)
# In the order of trust. Of one capture only `ts_epoch` was right; `ts` is never asked.
CLOCKS = ("ts_epoch", "s_epoch", "ts_event", "event_date", "date_event", "date")
COMPLETION_DATE = "completion_date"  # a completed task's own clock
CREATED_AT = "createdAt"  # of a conversation's message: its payload has no other clock
_EPOCHS = ((10**9, 10**10, 1_000_000), (10**12, 10**13, 1_000))  # 10 digits are seconds, 13 milliseconds
_EPOCH_DIGITS = frozenset({10, 13})

_TRUE = frozenset({"true", "1", "yes"})

# Where a person stands beside `email`, addresses first: they are the same person's in email events.
_ADDRESSES = (
    "/identifiers/email_id",
    "/identifiers/email",
    "/event_participants/EMAIL",
    "/event_participants/0/EMAIL",
    "/visitor/email",
    "/visitor/attributes/EMAIL",
)
_IDS = (
    "contact_id",
    "/identifiers/contact_id",
    "/identifiers/ext_id",
    "/visitor/id",
    "visitor",
)
_PHONES = ("/identifiers/phone_id", "to")


class Payload:
    """An item and its endpoint."""

    def __init__(self, item: Mapping[str, Any], endpoint: Endpoint) -> None:
        self.item, self.endpoint = item, endpoint

    def at(self, where: str) -> Any:
        """What stands at a place; None where that says nothing."""
        value = at(self.item, where) if where[:1] == "/" else self.item.get(where)
        return None if value is ABSENT or value is None or value in ("", [], {}) else value

    def has(self, where: str) -> bool:
        """Whether something stands at a place."""
        return self.at(where) is not None

    def name(self, *places: str) -> str | None:
        """The first text at one of the places."""
        found = (self.at(place) for place in places)
        return next((value.strip() for value in found if isinstance(value, str) and value.strip()), None)

    def id(self, field: str, *places: str) -> str | None:
        """The first id, a text or a whole number, at one of the places; one that names nobody is none.

        Raises:
            Unfit: longer than an id may be.
        """
        for place in places:
            found = _plain(self.at(place))
            if found is not None and not is_nobody(found):
                return bounded(field, found)
        return None

    def occurred_at(self, key: Key) -> int:
        """UTC microseconds by the first clock that can be read.

        Raises:
            Unfit: there is none.
        """
        own = self.endpoint.fields.get("occurred_at")
        clocks = (*([own] if own else []), *CLOCKS, self.said(CREATED_AT))
        clocks += (COMPLETION_DATE,) if key.key == "task_completed" else ()
        wrong: list[str] = []
        for clock in clocks:
            value = self.at(clock)
            if value is None:
                continue
            try:
                return _instant(value, self.endpoint.time_zone)
            except ValueError as error:
                wrong.append(f"{clock} {error}")
            except KeyError:
                raise Unfit(Reject.IMPOSSIBLE_FIELD, f"{clock} is local, and the endpoint's zone is none") from None
        if wrong:
            raise Unfit(Reject.IMPOSSIBLE_FIELD, f"no clock can be read: {'; '.join(wrong)}")
        raise Unfit(
            Reject.MISSING_FIELD,
            "occurred_at: the payload has none of the clocks ts_epoch, ts_event, event_date, date_event, date; where it"
            " has another, name it in the endpoint's fields (occurred_at=KEY)",
        )

    def said(self, part: str) -> str:
        """Where a part of a conversation's message is: of the only one, else of the last one."""
        messages = self.at("messages")
        last = f"/messages/{len(messages) - 1}" if isinstance(messages, list) else "/message"
        return f"{last}/{part}"

    def profile(self, key: Key) -> str | None:
        """Whom it is about: email in lower case, else contact, else the family's own names; None where it names nobody.

        Raises:
            Unfit: an email's or an SMS's recipient is missing.
        """
        own, email = self.endpoint.fields.get("profile_id"), self.endpoint.fields.get("email", "email")
        phone = self.endpoint.fields.get("phone")
        found = self.id("profile_id", own) if own else None
        if key.group in keys.SMSES:
            found = found or self._phone(phone or "to")
        found = found or self._address(email, *(_ADDRESSES if key.group not in keys.EMAILS else ()))
        found = found or self.id("profile_id", *(_IDS if key.group not in keys.EMAILS else _IDS[:1]))
        found = found or (self._phone(*([phone] if phone else []), *_PHONES) if key.group not in keys.EMAILS else None)
        if found is None and key.group in (*keys.EMAILS, *keys.SMSES):
            field = "to" if key.group in keys.SMSES else f"{email}, and contact_id,"
            raise Unfit(Reject.MISSING_FIELD, f"{field} is missing or names nobody: the recipient is not known")
        return found

    def _address(self, *places: str) -> str | None:
        found = self.id("email", *places)
        return None if found is None else found.lower()

    def _phone(self, *places: str) -> str | None:
        """A phone without the plus sign: the vendor writes none."""
        found = self.id("phone", *places)
        return None if found is None else found.removeprefix("+")

    def message(self, key: Key) -> tuple[str | None, str | None]:
        """Message and campaign. What went to many: a campaign; of transactional ones the template, else the tags.

        The latter stand as campaign too, since numbers are shown by campaign, and with a prefix: template 7 is not
        campaign 7.
        """
        message = self.id("message_id", own) if (own := self.endpoint.fields.get("message_id")) else None
        campaign = self.id("campaign_id", own) if (own := self.endpoint.fields.get("campaign_id")) else None
        if campaign is None and key.group != keys.EMAIL_TRANSACTIONAL:
            campaign = self.id("campaign_id", "camp_id", "campaign_id", "/reporting/campaignId")
        if campaign is None and key.group in (keys.EMAIL_TRANSACTIONAL, *keys.SMSES):
            sent = self._sent()
            return message or sent, sent or message
        return message, campaign

    def _sent(self) -> str | None:
        template = self.id("template_id", "template_id")
        if template is not None:
            return bounded("template_id", f"template:{template}")
        tags = sorted(set(_tags(self.at("tags")) or _tags(self.at("tag"))))
        if not tags:
            return None
        whole = f"tag:{tags[0] if len(tags) == 1 else text(tags)}"
        return whole if len(whole.encode("utf-8", "surrogatepass")) <= ID_BYTES_MAX else f"tag:{minted(tags)}"

    def is_test(self) -> bool:
        """Whether the endpoint places a mark of tests, and it is set: Brevo itself documents none."""
        own = self.endpoint.fields.get("is_test")
        return own is not None and text(self.at(own)).casefold() in _TRUE

    def link(self) -> str | None:
        """The link that was clicked."""
        own = self.endpoint.fields.get("link")
        return self.name(*([own] if own else []), "URL", "link", "url")


def _plain(value: Any) -> str | None:
    """A text or a whole number as text."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _tags(value: Any) -> list[str]:
    """Tags as a list, as JSON of a list inside a text, or as one plain text."""
    if isinstance(value, str):
        value = _parsed(value)
    listed = value if isinstance(value, list) else [value]
    return [tag.strip() for tag in listed if isinstance(tag, str) and tag.strip()]


def _parsed(given: str) -> Any:
    try:
        return json.loads(given) if given.startswith("[") else given
    except ValueError:
        return given
    except RecursionError:  # lists of lists are no tags, however many there are
        return None


def _instant(value: Any, time_zone: str) -> int:
    """UTC microseconds of 10 or 13 digits since 1970, or of a text, which is of the zone where it has no offset.

    Raises:
        ValueError: neither; in words without the value.
        KeyError: no such zone.
    """
    if isinstance(value, str):
        value = value.strip()
        if not (value.isascii() and value.isdecimal()):
            return instant(value, time_zone)
        value = int(value) if len(value) in _EPOCH_DIGITS else 0
    if isinstance(value, int) and not isinstance(value, bool):
        for low, high, micros in _EPOCHS:
            if low <= value < high:
                return value * micros
        raise ValueError("has neither 10 nor 13 digits")
    raise ValueError("is no time")
