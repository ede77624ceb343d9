"""What the simulator is told, and the odds by which its traffic unfolds."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.settings_tree import Rules

DAY_US = 86_400_000_000
SPAN_PARTS = (
    3  # traffic of the past covers a third of the acceptance window, lateness another: a third is left as slack
)
SPAN_DAYS_MAX = 3


@dataclass(frozen=True)
class Traffic:
    """One run. With `events` its traffic is of the days before `start`; without (None) it is live, `rate` a second."""

    seed: int
    events: int | None
    accounts: int
    start: int  # UTC microseconds
    rate: float
    rules: Rules

    @property
    def span(self) -> int:
        """Microseconds before `start` that traffic of the past covers."""
        return min(SPAN_DAYS_MAX * DAY_US, self.rules.window_days * DAY_US // SPAN_PARTS)

    def time(self, number: int) -> int:
        """When the event of that number is sent, UTC microseconds."""
        if self.events is None:
            return self.start + int(number * 1_000_000 / self.rate)
        return self.start - self.span + self.span * number // max(self.events, 1)


NAMES = (
    "acme-shop", "bella-moda", "cafe-nordic", "delta-sport", "eco-garden", "fresh-market", "gala-tickets",
    "hobby-hall", "iris-optik", "jolly-toys", "kino-club", "luna-spa",
)  # fmt: skip
SOURCES = ("altcraft", "brevo", "connectif", "mindbox")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Europe/Moscow", "Australia/Sydney", "UTC")
CAMPAIGNS = ("spring-sale", "welcome", "cart-reminder", "black-friday", "birthday", "win-back", "new-arrivals")
UPGRADE = 1.4  # what the first account's allowance grows by in the middle of a run
PRODUCTS = 40
CONTACTS_PER_ACCOUNT = 400
ACTIVITY_SHARE = 0.31  # of an account's events, by the default list of activities: what allowances are sized by
# Allowance over expected usage, account by account: exhausted, past 0.9, past 0.8, far away, no plan.
ALLOWANCE_RATIOS = (0.85, 1.06, 1.18, 3.0, None)

# What an event is, when it is not a reaction to another.
ROOTS = {"send": 30, "visit": 16, "popup": 5, "profile": 5, "merge": 2.5, "split": 0.5, "group_click": 1, "account": 1}
SEND_CHANNELS = {"email": 50, "push": 16, "sms": 12, "whatsapp": 8, "viber": 8, "telegram": 6}

# verb -> what follows it: (verb, odds, mean number of events in between). Of `sent` the first hit is the only one.
REACTIONS: dict[str, tuple[tuple[str, float, int], ...]] = {
    "sent": (("hard_bounced", 0.012, 40), ("soft_bounced", 0.03, 40), ("delivered", 0.98, 40)),
    "delivered": (("opened", 0.45, 300), ("proxy_opened", 0.2, 30), ("clicked_unopened", 0.05, 300)),
    "opened": (("clicked", 0.35, 60), ("opened", 0.15, 250), ("unsubscribed", 0.012, 90), ("complained", 0.004, 120)),
    "clicked": (("clicked", 0.2, 40), ("visit", 0.3, 10)),
}
VENDOR_UNIQUES = {"opened": ("unique_opened", 0.7), "clicked": ("unique_clicked", 0.7)}
SOURCES_WITH_UNIQUES = ("altcraft",)
# Verbs that a channel does not know.
UNKNOWN_VERBS = {"sms": ("opened", "proxy_opened"), "push": ("proxy_opened",)}

# What happens to events on their way.
COPY = 0.05  # an exact copy
CONFLICT = 0.003  # a copy with another payload
WRONG = 0.018  # something that is rejected in itself
LATE = 0.01  # late, but inside the window
TOO_LATE = 0.004
FUTURE = 0.003
TEST = 0.007
RECENT = 2_000  # accepted events that copies are made of
PERSON_PROFILES = 8  # the largest person that ordinary merges make
