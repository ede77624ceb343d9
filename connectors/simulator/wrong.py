"""What goes wrong on the way: bytes that are no event, unknown types, refused operations; each with its reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from connectors.simulator.truth import Item
from connectors.simulator.world import Account
from pipeline.core.reasons import Reject

OVERSIZED_BYTES = (1 << 20) + 4096  # just above what a body may have
OVERSIZED_MAX = 3  # of a run: each is a megabyte
UNKNOWN_SCHEMA_ID = 4_000_000_000
_NOBODY = ("null", "undefined", "Guest", "anonymous", "0", "-1", "[object Object]")
_CHANNEL_BASE = {"profile_id": None, "campaign_id": "spring-sale", "message_id": None, "link": None}


class Wrongs:
    """Draws one of the things that go wrong."""

    def __init__(self, rng: random.Random, profiles_max: int, oversized: bool) -> None:
        self._rng, self._profiles_max = rng, profiles_max
        self._oversized_left = OVERSIZED_MAX if oversized else 0
        self._kinds: tuple[Callable[[Account, dict[str, Any]], Item], ...] = (
            self._unframed, self._without_value, self._unknown_schema, self._truncated, self._oversized,
            self._unknown_type, self._unknown_type, self._wrong_topic, self._source_missing, self._target_missing,
            self._impossible_plan, self._nobody, self._nobody, self._nobody_merged, self._merge_with_itself,
            self._named_twice, self._too_many_profiles,
        )  # fmt: skip

    def one(self, account: Account, header: dict[str, Any]) -> Item:
        """A wrong record of an account; `header` is what every event has."""
        return self._rng.choice(self._kinds)(account, header)

    def _raw(self, account: Account, topic: str, raw: bytes | None, fate: Reject) -> Item:
        return Item(topic, account.name, None, fate, raw)

    def _event(self, account: Account, topic: str, event: dict[str, Any], fate: Reject) -> Item:
        return Item(topic, account.name, event, fate)

    # ---- no event at all --------------------------------------------------------------------------------------

    def _unframed(self, account: Account, header: dict[str, Any]) -> Item:
        raw = b'{"event":"opened","id":"%d"}' % self._rng.getrandbits(32)
        return self._raw(account, "events.web", raw, Reject.NOT_FRAMED)

    def _without_value(self, account: Account, header: dict[str, Any]) -> Item:
        return self._raw(account, "events.push", None, Reject.NOT_FRAMED)

    def _unknown_schema(self, account: Account, header: dict[str, Any]) -> Item:
        raw = b"\0" + UNKNOWN_SCHEMA_ID.to_bytes(4, "big") + self._rng.randbytes(40)
        return self._raw(account, "events.crm", raw, Reject.UNKNOWN_SCHEMA)

    def _truncated(self, account: Account, header: dict[str, Any]) -> Item:
        """A frame whose text is said to be longer than the bytes that are left."""
        raw = b"\0" + (1).to_bytes(4, "big") + b"\x7e" + account.name.encode()[:5]
        return self._raw(account, "events.email", raw, Reject.UNDECODABLE)

    def _oversized(self, account: Account, header: dict[str, Any]) -> Item:
        if not self._oversized_left:
            return self._truncated(account, header)
        self._oversized_left -= 1
        raw = b"\0" + (1).to_bytes(4, "big") + b"x" * OVERSIZED_BYTES
        return self._raw(account, "events.email", raw, Reject.OVERSIZED)

    # ---- events that cannot be --------------------------------------------------------------------------------

    def _unknown_type(self, account: Account, header: dict[str, Any]) -> Item:
        channel = self._rng.choice(("email", "sms", "viber"))
        event = {**_CHANNEL_BASE, **header, "type": f"{channel}_teleported", "profile_id": account.contacts[0]}
        return self._event(account, f"events.{channel}", event, Reject.UNKNOWN_TYPE)

    def _wrong_topic(self, account: Account, header: dict[str, Any]) -> Item:
        event = {**_CHANNEL_BASE, **header, "type": "sms_sent", "profile_id": account.contacts[1]}
        return self._event(account, "events.email", event, Reject.WRONG_TOPIC)

    def _source_missing(self, account: Account, header: dict[str, Any]) -> Item:
        event = {**_CHANNEL_BASE, **header, "type": "whatsapp_sent", "source": "", "profile_id": account.contacts[2]}
        return self._event(account, "events.whatsapp", event, Reject.MISSING_FIELD)

    def _impossible_plan(self, account: Account, header: dict[str, Any]) -> Item:
        wrong = self._rng.choice(({"anchor_day": 45}, {"time_zone": "Mars/Olympus_Mons"}, {"allowance": 0}))
        plan = {"allowance": 100, "anchor_day": 1, "time_zone": "UTC", "thresholds": [1.0], "activities": None} | wrong
        event = {**header, "type": "account_plan_set", "plan": plan}
        return self._event(account, "events.account", event, Reject.IMPOSSIBLE_FIELD)

    def _nobody(self, account: Account, header: dict[str, Any]) -> Item:
        event = {**_CHANNEL_BASE, **header, "type": "web_page_visited", "profile_id": self._rng.choice(_NOBODY)}
        return self._event(account, "events.web", event, Reject.NOBODY)

    # ---- operations that are refused ----------------------------------------------------------------------------

    def _operation(self, account: Account, header: dict[str, Any], said: dict[str, Any], fate: Reject) -> Item:
        type_ = "profile_split" if "parts" in said else "profile_merged"
        return self._event(account, "events.profile", {**header, "type": type_, **said}, fate)

    def _target_missing(self, account: Account, header: dict[str, Any]) -> Item:
        said = {"sources": [account.contacts[3]], "target": None}
        return self._operation(account, header, said, Reject.MISSING_FIELD)

    def _nobody_merged(self, account: Account, header: dict[str, Any]) -> Item:
        said = {"sources": [self._rng.choice(_NOBODY)], "target": account.contacts[4]}
        return self._operation(account, header, said, Reject.NOBODY)

    def _merge_with_itself(self, account: Account, header: dict[str, Any]) -> Item:
        contact = account.contacts[5]
        said = {"sources": [contact, account.contacts[6]], "target": contact}
        return self._operation(account, header, said, Reject.MERGE_WITH_ITSELF)

    def _named_twice(self, account: Account, header: dict[str, Any]) -> Item:
        one, other = account.contacts[7:9]
        parts = [{"target": one, "members": [other]}, {"target": other, "members": []}]
        said = {"split_source": one, "parts": parts}
        return self._operation(account, header, said, Reject.PROFILE_NAMED_TWICE)

    def _too_many_profiles(self, account: Account, header: dict[str, Any]) -> Item:
        """One merge of more profiles than a person may have."""
        some = self._rng.getrandbits(32)
        sources = [f"robot-{some:08x}-{number}" for number in range(self._profiles_max)]
        said = {"sources": sources, "target": f"robot-{some:08x}"}
        return self._operation(account, header, said, Reject.TOO_MANY_PROFILES)
