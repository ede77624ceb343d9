"""Canonical types that an endpoint's default event may name, for what a vendor has no key of its own: pure."""

from __future__ import annotations

from pipeline.core import vocabulary

# A plan is the operator's alone; a merge and a split name several profiles, which a template cannot.
NOT_BY_ENDPOINT = frozenset({"account_plan_set", "profile_merged", "profile_split"})


def canonical(event: str | None) -> str | None:
    """The type where an endpoint's default event is one, such as `email_sent`; None where it is a vendor's key."""
    return event if event in vocabulary.load().types and event not in NOT_BY_ENDPOINT else None
