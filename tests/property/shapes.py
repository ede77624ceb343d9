"""What may happen in a history: tiny id spaces, so that everything collides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

# Repeated: more likely.
ACCOUNTS = ("a", "a", "a", "b")
PROFILES = ("p1", "p2", "p3", "p4", "p5")
MESSAGES = ("m1", "m1", "m1", "m1", "m1", "m2", None, "")
ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Asuncion", "Asia/Kathmandu",
    "Pacific/Kiritimati", "America/St_Johns",
)  # fmt: skip

TOUCHES = (
    "email_opened", "email_clicked", "email_unique_opened", "email_unique_clicked", "viber_clicked",
    "viber_unique_clicked", "email_proxy_opened", "whatsapp_opened", "email_sent", "telegram_clicked",
)  # fmt: skip
_OTHERS = ("crm_purchase", "profile_updated", "account_system", "crm_custom")
_ADDRESSES = tuple(
    f"{channel}_{verb}"
    for channel in ("email", "sms")
    for verb in (
        "delivered", "delivered", "hard_bounced", "soft_bounced", "soft_bounced", "soft_bounced", "paused", "resumed",
        "subscribed", "unsubscribed",
    )
)  # fmt: skip
_SHEET = (
    *_ADDRESSES,
    "email_blocked", "email_unblocked",
    "push_subscribed", "push_unsubscribed", "push_subscription_refreshed", "push_subscription_migrated",
    *("profile_updated", "profile_identified") * 3, "profile_imported",
    *("profile_entered_segment", "profile_exited_segment") * 2,
    *("crm_purchase", "crm_cart_updated", "crm_cart_product_added", "crm_cart_product_removed") * 2,
    "crm_balance_updated", "crm_custom", "crm_cart_abandoned",
    "email_sent", "email_opened", "email_proxy_opened", "email_replied", "sms_clicked", "web_page_visited",
    "popup_opened", "telegram_clicked", "account_system",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What may happen in a history."""

    size: int = 30
    long_gaps: bool = True
    outside_window: bool = True
    conflicts: bool = True
    copies: bool = True
    bad: bool = True
    operations: bool = True
    plans: bool = True
    tests: bool = True
    accounts: Sequence[str] = ACCOUNTS
    profiles: Sequence[str] = PROFILES
    messages: Sequence[str | None] = MESSAGES
    allowances: Sequence[int] = (1, 2, 3, 5, 10)
    anchors: Sequence[int] = (1, 2, 4, 15, 28, 30, 31)
    zones: Sequence[str] = ZONES
    types: Sequence[str] = (*TOUCHES[:2] * 6, *TOUCHES[2:4] * 2, *TOUCHES, *_OTHERS)


NEAR = Shape(long_gaps=False)
MONTHS = Shape()
# A few contacts who open one message again and again, and who are merged and split.
DENSE = Shape(
    size=40,
    long_gaps=False,
    outside_window=False,
    bad=False,
    plans=False,
    accounts=("a",),
    profiles=("p1", "p2", "p3", "p4"),
    messages=("m1", "m1", "m1", "m2"),
    types=("email_opened", "email_clicked", "email_opened", "email_unique_opened", "email_unique_clicked"),
)
# One account that uses its allowance up and changes its plan again and again.
BUSY = Shape(
    long_gaps=False,
    outside_window=False,
    bad=False,
    operations=False,
    copies=False,
    accounts=("a",),
    anchors=(2, 2, 2, 2, 15),
    zones=("UTC", "UTC", "UTC", "Asia/Kathmandu"),
    types=("crm_purchase", "crm_purchase", "email_opened", "email_sent"),
)
# The same over weeks, with allowances that last long enough to be forecast to run out.
STEADY = replace(BUSY, long_gaps=True, outside_window=False, allowances=(5, 20, 30), anchors=(2, 2, 2, 28))
# Everything that a contact's sheet shows, of a few contacts who are merged and split.
CONTACTS = Shape(
    size=40,
    long_gaps=False,
    plans=False,
    accounts=("a", "a", "a", "a", "b"),
    profiles=("p1", "p2", "p3", "p4"),
    types=_SHEET,
)
# Whatever may not depend on the order of arrival: nothing is refused, no plan judges what comes after it.
STILL = replace(NEAR, plans=False, outside_window=False, bad=False)
