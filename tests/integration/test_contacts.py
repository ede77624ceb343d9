"""Contact sheets in the engine: a case worked out by hand for every line of docs/decisions/contact-state.md."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.integration.contact_journal import Account, at, event

STATUSES = ("email_status", "newsletter_status", "mobile_status", "sms_status", "web_push")
MIGRATED = "push_subscription_migrated"
ADDED, REMOVED = "crm_cart_product_added", "crm_cart_product_removed"
ENTERED, EXITED = "profile_entered_segment", "profile_exited_segment"


@pytest.fixture(scope="module")
def service(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    database = f"c{uuid.uuid4().hex[:12]}"
    settings = load(
        {"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path_factory.mktemp("home")
    )
    found = Service(target(settings), 60)
    migrations.apply(found, migrations.find(found))
    found.command(f"SYSTEM STOP MERGES {database}.profile_state")  # the views must be right while parts are unmerged
    found.command(f"SYSTEM STOP MERGES {database}.profile_seen")
    yield found
    found.command(f"DROP DATABASE {database}")
    found.close()


@pytest.fixture
def account(service: Service, request: pytest.FixtureRequest) -> Account:
    return Account(service, request.node.name)


def test_a_contact_of_whom_nothing_is_known_is_an_empty_sheet(account: Account) -> None:
    account.tell(event("email_sent", 1))
    assert account.sheet(*STATUSES) == ("active", "not_subscribed", "active", "not_subscribed", False)
    assert account.sheet("email", "points", "points_updated_at", "last_purchase_at", "last_active") == (
        *("", None, None, None, None),
    )
    assert account.sheet("purchases", "purchases_value", "cart", "segments") == (0, 0, [], [])
    assert account.sheet("first_seen", "last_seen", "profiles") == (at(1), at(1), ["p"])


def test_the_last_event_that_holds_an_attribute_says_it_and_an_empty_text_empties_it(account: Account) -> None:
    account.tell(event("profile_updated", 5, said={"email": "new@x", "first_name": "Ann", "mobile_phone": "1"}))
    account.tell(event("profile_updated", 3, said={"email": "old@x", "last_name": "Older", "date_of_birth": "2000"}))
    account.tell(event("profile_updated", 6, said={"first_name": "", "shoe_size": "44"}))
    account.tell(event("profile_updated", 9, said={"email": "test@x"}, is_test=True))
    names = ("email", "first_name", "last_name", "date_of_birth", "mobile_phone")
    assert account.sheet(*names) == ("new@x", "", "Older", "2000", "1")


def test_of_two_events_at_one_instant_the_one_with_the_greater_identity_is_the_last(account: Account) -> None:
    top = 2**64 - 1
    account.tell(event("profile_updated", 5, identity=top, said={"email": "greater@x", "points": "2"}))
    account.tell(event("profile_updated", 5, identity=top - 1, said={"email": "smaller@x", "points": "9"}))
    account.tell(event("email_unsubscribed", 5, identity=8), event("email_subscribed", 5, identity=7))
    account.tell(event("email_hard_bounced", 5, identity=3), event("email_delivered", 5, identity=4))
    account.tell(event("sms_hard_bounced", 5, identity=4), event("sms_delivered", 5, identity=3))
    account.tell(
        event(ENTERED, 5, identity=1, said={"segment": "s"}), event(EXITED, 5, identity=2, said={"segment": "s"})
    )
    assert account.sheet("email", "points", "segments") == ("greater@x", Decimal(2), [])
    assert account.sheet(*STATUSES[:3]) == ("active", "unsubscribed", "bounced")


EMAIL_CASES = {
    "blocked": "blocked",
    "blocked unblocked": "active",
    "paused": "paused",
    "paused resumed": "active",
    "paused blocked resumed": "active",
    "hard_bounced": "bounced",
    "hard_bounced delivered": "active",
    "delivered hard_bounced": "bounced",
    "hard_bounced blocked": "blocked",
    "hard_bounced paused resumed": "bounced",
    "soft_bounced soft_bounced": "active",
    "soft_bounced soft_bounced soft_bounced": "bounced",
    "soft_bounced delivered soft_bounced soft_bounced": "active",
    "delivered soft_bounced soft_bounced soft_bounced soft_bounced": "bounced",
    "soft_bounced soft_bounced soft_bounced delivered": "active",
    "undelivered soft_bounced hard_bounced sent opened": "bounced",
}
MOBILE_CASES = {
    "paused": "paused",
    "paused resumed": "active",
    "hard_bounced": "bounced",
    "hard_bounced delivered": "active",
    "soft_bounced soft_bounced soft_bounced": "bounced",
    "soft_bounced soft_bounced soft_bounced delivered": "active",
}


@pytest.mark.parametrize(
    ("channel", "column", "cases"),
    [("email", "email_status", EMAIL_CASES), ("sms", "mobile_status", MOBILE_CASES)],
)
def test_an_address_is_blocked_paused_bounced_or_active(
    account: Account, channel: str, column: str, cases: dict[str, str]
) -> None:
    """A profile a case, named by what happens to it; what happens later arrives earlier."""
    for second in reversed(range(max(len(case.split()) for case in cases))):
        verbs = {case: case.split()[second] for case in cases if len(case.split()) > second}
        account.tell(*(event(f"{channel}_{verb}", second, case) for case, verb in verbs.items()))
    sheets = account.sheets()
    assert {case: sheets[case][column] for case in cases} == cases
    other = {"email_status": "mobile_status", "mobile_status": "email_status"}[column]
    assert {sheet[other] for sheet in sheets.values()} == {"active"}


def test_subscriptions_are_as_the_last_event_says(account: Account) -> None:
    account.tell(event("email_subscribed", 4), event("sms_unsubscribed", 4))
    account.tell(
        event("email_unsubscribed", 3), event("sms_subscribed", 3), event("email_unsubscribed", 9, is_test=True)
    )
    assert account.sheet("newsletter_status", "sms_status") == ("subscribed", "unsubscribed")


def test_web_push_is_on_until_it_is_unsubscribed_and_a_migration_takes_it_from_one_to_the_other(
    account: Account,
) -> None:
    account.tell(event("push_subscribed", 1), event("push_unsubscribed", 2), event("push_subscription_refreshed", 3))
    account.tell(event("push_subscribed", 1, "q"), event("push_unsubscribed", 2, "q"))
    assert {who: sheet["web_push"] for who, sheet in account.sheets().items()} == {"p": True, "q": False}
    account.tell(
        event(MIGRATED, 4, "q", said={"from_profile_id": "p"}), event(MIGRATED, 4, "r", said={"from_profile_id": ""})
    )
    account.tell(event(MIGRATED, 4, "s", said={"from_profile_id": "unseen"}))
    on = {who: sheet["web_push"] for who, sheet in account.sheets().items()}
    assert on == {"p": False, "q": True, "r": True, "s": True}
    account.tell(persons={"p": "q"})
    assert account.sheet("web_push", "profiles", person="q") == (True, ["p", "q"])


def test_points_are_the_last_that_are_a_number(account: Account) -> None:
    account.tell(event("crm_balance_updated", 3, said={"points": "-12.34569"}))
    account.tell(event("profile_updated", 2, said={"points": "7"}))
    for second, said in enumerate(("", "many", "1e3", " 5", "5 ", ".5", "5.", "+5", "1" * 19, "0x1", "5\n"), 10):
        account.tell(event("crm_custom", second, said={"points": said}))
    account.tell(
        event("email_opened", 30, said={"points": "99"}), event("crm_custom", 31, said={"points": "8"}, is_test=True)
    )
    assert account.sheet("points", "points_updated_at") == (Decimal("-12.3456"), at(3))
    account.tell(event("profile_updated", 40, said={"points": "9" * 18 + ".99999"}))
    assert account.sheet("points", "points_updated_at") == (Decimal("9" * 18 + ".9999"), at(40))


def test_purchases_are_counted_and_summed_and_what_is_no_number_adds_nothing(account: Account) -> None:
    for second, value in enumerate(("10.50", "0.00019", "a lot", "-1", "1" * 19), 1):
        account.tell(event("crm_purchase", second, said={"value": value}))
    account.tell(event("crm_purchase", 0), event("crm_purchase", 99, said={"value": "5"}, is_test=True))
    found = account.sheet("purchases", "purchases_value", "last_purchase_at")
    assert found == (6, Decimal("9.5001"), at(5))


def test_a_cart_is_what_was_stated_last_and_what_was_added_or_removed_since(account: Account) -> None:
    account.tell(event(ADDED, 1, said={"product_id": "before"}), event(ADDED, 6, said={"product_id": "z"}))
    assert account.sheet("cart") == ["before", "z"]
    account.tell(event("crm_cart_updated", 3, said={"product_ids": "b,a,,a,gone, c"}), event("crm_cart_updated", 9))
    account.tell(event(REMOVED, 5, said={"product_id": "gone"}), event(REMOVED, 2, said={"product_id": "a"}))
    account.tell(event(ADDED, 7, said={"product_id": ""}), event(ADDED, 8, said={"product_id": "t"}, is_test=True))
    assert account.sheet("cart") == [" c", "a", "b", "z"]
    account.tell(event("crm_purchase", 4), event(REMOVED, 6.5, said={"product_id": "z"}))
    assert account.sheet("cart") == []
    account.tell(event("crm_cart_updated", 20, said={"product_ids": "x"}))
    assert account.sheet("cart") == ["x"]
    account.tell(event("crm_cart_updated", 21, said={"product_ids": ""}))
    assert account.sheet("cart") == []


def test_segments_are_those_entered_last(account: Account) -> None:
    account.tell(event(EXITED, 2, said={"segment": "left"}), event(ENTERED, 3, said={"segment": "b"}))
    account.tell(event(ENTERED, 1, said={"segment": "left"}), event(EXITED, 1, said={"segment": "b"}))
    account.tell(event(ENTERED, 1, said={"segment": "a"}), event(ENTERED, 1, said={"segment": ""}), event(ENTERED, 2))
    account.tell(event(EXITED, 9, said={"segment": "a"}, is_test=True))
    assert account.sheet("segments") == ["a", "b"]


def test_seen_is_any_event_active_is_what_the_person_did_itself(account: Account) -> None:
    account.tell(event("email_opened", 3.000001), event("sms_sent", 5), event("profile_updated", 8))
    account.tell(event("email_proxy_opened", 6), event("push_closed", 2), event("email_sent", 0.5))
    account.tell(event("email_opened", 9, is_test=True), event("email_sent", 0, is_test=True))
    assert account.sheet("first_seen", "last_seen", "last_active") == (at(0.5), at(8), at(3.000001))
    assert account.sheet("last_by_channel") == {"email": at(6), "push": at(2), "sms": at(5)}


def test_a_merge_puts_two_sheets_together_and_a_split_takes_them_apart(account: Account) -> None:
    account.tell(
        event("profile_updated", 1, "p", said={"email": "p@x", "points": "1"}), event("email_soft_bounced", 2, "p")
    )
    account.tell(event("profile_updated", 2, "q", said={"email": "q@x"}), event("email_soft_bounced", 3, "q", 1))
    account.tell(event("email_soft_bounced", 3, "q", 2), event("crm_purchase", 4, "q", said={"value": "2"}))
    account.tell(event(ADDED, 3, "p", said={"product_id": "early"}), event(ADDED, 5, "p", said={"product_id": "late"}))
    account.tell(event(ENTERED, 1, "q", said={"segment": "s"}), event(EXITED, 2, "p", said={"segment": "s"}))
    account.tell(event("crm_purchase", 1, "p", said={"value": "3"}), event("sms_delivered", 9, "q"))
    before = account.sheets()
    account.tell(persons={"p": "q", "unseen": "q"})
    both = account.sheets()
    assert list(both) == ["q"]
    expected = {"email": "q@x", "points": Decimal(1), "email_status": "bounced", "cart": ["late"], "segments": []}
    expected |= {"purchases": 2, "purchases_value": Decimal(5), "last_purchase_at": at(4), "first_seen": at(1)}
    expected |= {"last_seen": at(9), "profiles": ["p", "q", "unseen"], "last_active": at(5)}
    assert {name: both["q"][name] for name in expected} == expected
    account.tell(event("email_delivered", 2.5, "p"))
    assert account.sheet("email_status", person="q") == "active"
    account.tell(persons={"p": "p", "unseen": "new", "new": "new"})
    after = account.sheets()
    assert after["q"] == before["q"]
    assert after["p"]["email"] == "p@x"
    assert (after["new"]["first_seen"], after["new"]["profiles"]) == (None, ["new", "unseen"])


def test_the_timeline_is_the_persons_events_newest_first_with_tests_marked(account: Account) -> None:
    account.tell(event("email_sent", 1), event("email_opened", 3, "q"), event("email_sent", 2, "other"))
    account.tell(event("email_opened", 2, is_test=True), persons={"q": "p", "p": "p"})
    found = [(row["type"], row["profile_id"], row["is_test"]) for row in account.timeline("p")]
    assert found == [("email_opened", "q", False), ("email_opened", "p", True), ("email_sent", "p", False)]
    assert [row["occurred_at"] for row in account.timeline("p", "type = 'email_opened'")] == [at(3), at(2)]
    assert account.timeline("q") == []


def test_a_range_that_is_inserted_again_changes_nothing_in_any_table(account: Account, service: Service) -> None:
    events = [
        event(f"email_{verb}", n, f"p{n % 3}") for n, verb in enumerate(["soft_bounced", "delivered", "opened"] * 4)
    ]
    crm = [event("crm_purchase", n, f"p{n % 3}", said={"value": "1", "points": "2"}) for n in range(60, 90)]
    told = account.tell(*events, *crm, event(MIGRATED, 5, said={"from_profile_id": "p1"}), persons={"p2": "p1"})
    sheets, sizes = account.sheets(), _sizes(service)
    assert {"profile_state", "profile_seen", "person_members", "engagement"} <= sizes.keys()
    account.insert(*told)
    account.insert(*told)
    assert _sizes(service) == sizes
    assert account.sheets() == sheets
    assert sum(sheet["purchases"] for sheet in sheets.values()) == len(crm)


def _sizes(service: Service) -> dict[str, int]:
    """Rows of every table that events or persons fill, before any merge."""
    tables = ["events", "engagement", "profile_seen", "profile_state", "person_map", "person_members"]
    database = service.target.database
    return {table: service.query(f"SELECT count() FROM {database}.{table}").rows[0][0] for table in tables}
