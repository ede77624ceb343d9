"""The vocabulary is complete: every key of every vendor has a type, every type a reason to be there."""

from __future__ import annotations

import csv
import io

import pytest

import schemas
from pipeline.core import vocabulary

TABLES = {
    "altcraft": ("group", "key", 80),
    "brevo": ("group", "key", 93),
    "connectif": ("group", "key", 39),
    "mindbox": ("group", "key", 2),
}

# How the note of a row begins whose key payloads hold and the vendor's own list does not.
BEYOND = "not in the vendor's list: "

# Types that no vendor's table names, each with what needs it.
STATE_TYPES = {  # contact state, SEMANTICS section 6
    "email_blocked",
    "email_unblocked",
    "email_paused",
    "email_resumed",
    "sms_paused",
    "sms_resumed",
    "sms_subscribed",
    "profile_updated",
}
OWN_TYPES = {"account_plan_set"}  # SEMANTICS section 7
MESSAGE_CHANNELS = ("email", "sms", "push", "telegram", "whatsapp", "viber")
MESSAGE_VERBS = {  # what any sender of messages may report, whether or not one of the four vendors does
    "sent", "delivered", "undelivered", "suppressed", "failed", "soft_bounced", "hard_bounced", "opened",
    "unique_opened", "clicked", "unique_clicked", "replied", "complained", "subscribed", "unsubscribed",
}  # fmt: skip
NO_SUCH_MESSAGE_TYPES = {"sms_opened", "sms_unique_opened", "push_replied"}


def vendor_rows(vendor: str) -> list[dict[str, str]]:
    text = schemas.text(f"vocabulary/vendors/{vendor}.tsv")
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def unmapped(vendor: str, rows: list[dict[str, str]], known: vocabulary.Vocabulary) -> list[str]:
    keys = [f"{row['group']}/{row['key']}" for row in rows]
    return [key for key in keys if (vendor, key) not in known.vendors]


@pytest.mark.parametrize("vendor", TABLES)
def test_every_key_of_a_vendor_has_a_type(vendor: str) -> None:
    rows = vendor_rows(vendor)
    assert len(rows) == TABLES[vendor][2]
    missing = unmapped(vendor, rows, vocabulary.load())
    assert not missing, f"{vendor}: no type for {missing}; add a row to schemas/vocabulary/vendors.tsv"


def test_a_vendor_row_that_nobody_mapped_is_found() -> None:
    doctored = [*vendor_rows("brevo"), {"group": "email_marketing", "key": "Forwarded"}]
    assert unmapped("brevo", doctored, vocabulary.load()) == ["email_marketing/Forwarded"]


def test_a_row_maps_a_key_of_its_vendors_list_or_says_that_it_does_not() -> None:
    theirs = {(vendor, f"{row['group']}/{row['key']}") for vendor in TABLES for row in vendor_rows(vendor)}
    beyond = beyond_the_lists()
    assert beyond.isdisjoint(theirs)
    assert set(vocabulary.load().vendors) == theirs | beyond


def beyond_the_lists() -> set[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(schemas.text("vocabulary/vendors.tsv")), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {(row["vendor"], f"{row['group']}/{row['key']}") for row in rows if (row["note"] or "").startswith(BEYOND)}


def test_every_type_is_mapped_or_has_a_reason() -> None:
    known = vocabulary.load()
    messages = {f"{channel}_{verb}" for channel in MESSAGE_CHANNELS for verb in MESSAGE_VERBS}
    explained = set(known.vendors.values()) | STATE_TYPES | OWN_TYPES | (messages - NO_SUCH_MESSAGE_TYPES)
    assert set(known.types) == explained


def test_the_default_activities_are_the_types_of_connectifs_list() -> None:
    known = vocabulary.load()
    theirs = [known.vendors["connectif", f"{row['group']}/{row['key']}"] for row in vendor_rows("connectif")]
    assert all(row["uses_activity_allowance"] == "yes" for row in vendor_rows("connectif"))
    assert known.default_activities == frozenset(theirs)
    assert len(theirs) == len(set(theirs)) == 39, "each of the 39 keys needs a type of its own, or plans cannot name it"


@pytest.mark.parametrize(
    ("name", "topic", "channel", "verb"),
    [
        ("email_opened", "events.email", "email", "opened"),
        ("email_soft_bounced", "events.email", "email", "soft_bounced"),
        ("profile_merged", "events.profile", "", "merged"),
        ("account_plan_set", "events.account", "", "plan_set"),
        ("crm_cart_updated", "events.crm", "", "cart_updated"),
    ],
)
def test_a_types_prefix_decides_topic_and_channel(name: str, topic: str, channel: str, verb: str) -> None:
    found = vocabulary.load().types[name]
    assert (found.type, found.topic, found.channel, found.verb) == (name, topic, channel, verb)


@pytest.mark.parametrize(
    ("vendor", "group", "key", "name"),
    [
        ("brevo", "email_marketing", "proxy_open", "email_proxy_opened"),  # a machine's open is none
        ("altcraft", "email", "uopen", "email_unique_opened"),  # evidence, not an open
        ("altcraft", "push", "uclick_push", "push_unique_clicked"),
        ("altcraft", "email", "read", "email_read"),  # 8 seconds
        ("altcraft", "whatsapp", "whatsapp_read", "whatsapp_opened"),
        ("altcraft", "viber", "viber_read", "viber_opened"),
        ("brevo", "whatsapp", "Read", "whatsapp_opened"),
        ("altcraft", "email", "undeliv", "email_undelivered"),  # not a bounce
        ("altcraft", "popup", "popup_bounce", "popup_submit_failed"),  # not a bounce either
        ("connectif", "push", "push-notification-migrate-subscription", "push_subscription_migrated"),
        ("connectif", "email", "email-sent-alert", "email_alerted"),  # else every email sent would be an activity
        ("brevo", "custom", "Added to wishlist", "crm_custom"),
        ("mindbox", "customer", "A call to the call centre", "crm_custom"),
        ("mindbox", "system", "An item is in stock", "account_system"),
    ],
)
def test_a_vendors_key_means_what_semantics_says(vendor: str, group: str, key: str, name: str) -> None:
    assert vocabulary.load().type_of(vendor, group, key) == name


def test_what_a_person_does_itself_is_told_from_what_is_done_to_it() -> None:
    types = vocabulary.load().types
    itself = ("email_opened", "email_read", "sms_replied", "push_closed", "popup_submitted", "crm_purchase")
    others = (
        "email_sent",
        "email_proxy_opened",
        "email_delivered",
        "popup_opened",
        "profile_merged",
        "crm_deal_created",
    )
    assert all(types[name].by_person for name in itself)
    assert not any(types[name].by_person for name in others)
    assert all(info.by_person for name, info in types.items() if name.startswith("web_"))


def test_an_unknown_key_has_no_type() -> None:
    assert vocabulary.load().type_of("altcraft", "email", "forwarded") is None


def test_no_message_type_is_counted_under_another_verb_by_its_ending() -> None:
    """Views that match the end of a type must know these and only these exceptions."""
    counted = ("_sent", "_delivered", "_opened", "_clicked", "_bounced", "_unsubscribed", "_complained")
    plain = {"sent", "delivered", "opened", "clicked", "unsubscribed", "complained", "soft_bounced", "hard_bounced"}
    known = [info for info in vocabulary.load().types.values() if info.channel]
    odd = {info.verb for info in known if info.type.endswith(counted) and info.verb not in plain}
    assert odd == {"proxy_opened", "unique_opened", "unique_clicked"}


TYPES = "type\tactivity\tby_person\tdescription\nemail_sent\tno\tno\tSent\n"
VENDORS = "vendor\tgroup\tkey\ttype\tnote\nbrevo\temail\tSent\temail_sent\tas it is\n"


@pytest.mark.parametrize(
    ("types", "vendors", "fault"),
    [
        ("kind\tactivity\n", VENDORS, r"types.tsv line 1: columns are \['kind', 'activity'\]"),
        (TYPES + "email_sent\tno\tno\tAgain\n", VENDORS, "types.tsv line 3: 'email_sent' stands there twice"),
        (TYPES + "fax_sent\tno\tno\tBy fax\n", VENDORS, "types.tsv line 3: 'fax_sent' must be <prefix>_<verb>"),
        (TYPES + "email\tno\tno\tNo verb\n", VENDORS, "types.tsv line 3: 'email' must be <prefix>_<verb>"),
        (TYPES + "email_read\tmaybe\tno\tRead\n", VENDORS, "types.tsv line 3: activity of 'email_read' is 'maybe'"),
        (TYPES + "email_read\tno\t?\tRead\n", VENDORS, "types.tsv line 3: by_person of 'email_read' is '\\?'"),
        (TYPES + "email_read\n", VENDORS, "types.tsv line 3: 1 columns; there must be 4"),
        (TYPES + "\tno\tno\tNameless\n", VENDORS, "types.tsv line 3: type is empty"),
        (TYPES, VENDORS + "brevo\tsms\tSent\tsms_sent\n", "vendors.tsv line 3: 'sms_sent' is no type of types.tsv"),
        (
            TYPES,
            VENDORS + "brevo\temail\tSent\temail_sent\n",
            "vendors.tsv line 3: brevo email/Sent stands there twice",
        ),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(types: str, vendors: str, fault: str) -> None:
    with pytest.raises(vocabulary.VocabularyError, match=fault):
        vocabulary.parse(types, vendors)


def test_a_last_empty_column_may_be_left_out() -> None:
    known = vocabulary.parse(TYPES, "vendor\tgroup\tkey\ttype\tnote\nbrevo\temail\tSent\temail_sent\n")
    assert known.vendors == {("brevo", "email/Sent"): "email_sent"}
