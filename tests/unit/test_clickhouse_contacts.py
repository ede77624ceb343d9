"""The literal lists of types in the rollups' SQL, held to the vocabulary and to the written rules of contact state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.clickhouse import migrations, statements
from connectors.clickhouse.settings import Target
from pipeline.core import vocabulary

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "decisions" / "contact-state.md"
QUOTED = re.compile(r"'(\w+)'")
WORDS = vocabulary.load()
ATTRIBUTES = ("email", "first_name", "last_name", "date_of_birth", "mobile_phone")


def view(name: str) -> str:
    """The statement that makes it, of several the last."""
    values = statements.variables(Target("127.0.0.1", 8123, False, "default", "", "tally", None))
    made = [s for m in migrations.committed() for s in statements.split(m.text, values)]
    return [s for s in made if re.search(rf"VIEW (IF NOT EXISTS )?`tally`\.{name}\s", s)][-1]


def types(text: str) -> set[str]:
    return set(QUOTED.findall(text)) & WORDS.types.keys()


def test_last_active_counts_the_types_that_the_vocabulary_gives_to_the_person() -> None:
    (listed,) = re.findall(r"maxIf\(e\.occurred_at, e\.type IN \((.*?)\)\) AS active_at", view("profile_seen_mv"), re.S)
    names = QUOTED.findall(listed)
    assert len(names) == len(set(names))
    assert set(names) == {name for name, known in WORDS.types.items() if known.by_person}


def test_the_types_that_say_something_are_the_ones_that_the_rules_name() -> None:
    named = set(re.findall(r"`(\w+)`", RULES.read_text(encoding="utf-8"))) & WORDS.types.keys()
    (delivered,) = re.findall(r"e\.type IN \(([^()]*)\)\s*\) AS delivered_at", view("profile_seen_mv"))
    assert types(delivered) == {"email_delivered", "sms_delivered"}
    said = types(view("profile_state_mv")) | types(view("profile_state_several_mv")) | types(view("said_events_mv"))
    assert said | types(delivered) == named


def test_every_type_in_the_lists_is_a_type_and_says_one_kind_of_thing() -> None:
    lists = re.findall(r"\[([^\[\]]*)\]", view("profile_state_mv"))
    said, kinds = (QUOTED.findall(text) for text in lists[:2])
    assert len(said) == len(set(said)) == len(kinds)
    assert set(said) <= WORDS.types.keys()
    by_kind = {kind: {t for t, k in zip(said, kinds, strict=True) if k == kind} for kind in kinds}
    assert by_kind == {
        "newsletter": {"email_subscribed", "email_unsubscribed"},
        "email_flag": {"email_blocked", "email_unblocked", "email_paused", "email_resumed"},
        "email_hard": {"email_hard_bounced"},
        "email_soft": {"email_soft_bounced"},
        "sms": {"sms_subscribed", "sms_unsubscribed"},
        "mobile_flag": {"sms_paused", "sms_resumed"},
        "mobile_hard": {"sms_hard_bounced"},
        "mobile_soft": {"sms_soft_bounced"},
        "web_push": {
            *("push_subscribed", "push_unsubscribed", "push_subscription_refreshed", "push_subscription_migrated"),
        },
    }


def test_every_type_outside_the_empty_channel_that_says_several_things_is_relayed_to_the_view_that_says_them() -> None:
    others = {t for t in types(view("profile_state_several_mv")) if WORDS.types[t].channel}
    assert types(view("said_events_mv")) == others


def test_ties_between_events_that_say_something_have_an_identity_to_settle_them() -> None:
    for name in ("profile_state_mv", "profile_state_several_mv"):
        assert {t for t in types(view(name)) if not WORDS.types[t].has_contact_state} == set()
    assert WORDS.types["email_delivered"].has_contact_state
    assert WORDS.types["sms_delivered"].has_contact_state


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_of_the_rules_is_taken_up_and_read_by_the_sheets(attribute: str) -> None:
    assert f"`{attribute}`" in RULES.read_text(encoding="utf-8")
    (listed,) = re.findall(r"key IN \((.*?)\)", view("profile_state_several_mv"))
    assert set(QUOTED.findall(listed)) == set(ATTRIBUTES)
    for sheet in ("contacts", "contact_sheets", "contact_sheet"):
        assert f"says['{attribute}'].2 AS {attribute}" in view(sheet)
