"""`unique_differences`: an example worked out by hand for every class, and random histories beside the oracle."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import target
from pipeline.settings import load
from tests.e2e import comparison
from tests.e2e.reconciled import RECONCILED, classified, reconciliation
from tests.e2e.views import rows
from tests.events import merge, split
from tests.integration.uniques_world import DAY_S, Tenant, touch
from tests.oracle.history import Rules
from tests.oracle.verdict import judge
from tests.property.histories import rolled
from tests.property.shapes import DENSE, NEAR, Shape

CHANNELS = ("email", "push", "viber", "whatsapp")
VERBS = ("opened", "unique_opened", "unique_opened", "clicked", "unique_clicked", "unique_clicked")
TOUCHED = replace(NEAR, types=(*(f"{c}_{v}" for c in CHANNELS for v in VERBS), *("email_proxy_opened",) * 6))
SHAPES: dict[str, Shape] = {"near": NEAR, "dense": DENSE, "touched": TOUCHED}
ACCOUNTS, EVENTS, CUTS = 4, 400, 15  # of a shape's history: short enough that nothing is forgotten

LINK = {"link": "https://shop.example/a"}
OTHER_LINK = {"link": "https://shop.example/b"}


@pytest.fixture(scope="module")
def service(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    database = f"u{uuid.uuid4().hex[:12]}"
    settings = load(
        {"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path_factory.mktemp("home")
    )
    made = Service(target(settings), 60)
    migrations.apply(made, migrations.find(made))
    found = Service(target(settings), 60, database)
    yield found
    found.command(f"DROP DATABASE {database}")
    found.close()
    made.close()


@pytest.fixture
def tenant(service: Service, request: pytest.FixtureRequest) -> Tenant:
    return Tenant(service, request.node.name)


def test_an_open_with_the_vendor_s_unique_is_one_open_and_one_unique_and_no_difference(tenant: Tenant) -> None:
    tenant.tell(touch("email_unique_opened", 1), touch("email_opened", 1), touch("email_opened", 9))
    assert tenant.engagement() == [("c", 2, 1, 0, 0)]
    assert tenant.reconciled() == [("c", 1, 1, 0, 0)]
    assert tenant.parts() == []


def test_a_source_without_uniques_of_its_own_has_no_differences(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1), touch("email_clicked", 2, **LINK))
    assert tenant.engagement() == [("c", 1, 1, 1, 1)]
    assert tenant.parts() == []


def test_a_vendor_s_unique_without_a_raw_event_makes_ours_and_is_evidence_until_the_raw_event_comes(
    tenant: Tenant,
) -> None:
    tenant.tell(touch("email_unique_opened", 1), touch("email_unique_clicked", 2, **LINK))
    assert tenant.reconciled() == [("c", 1, 1, 1, 1)]
    assert tenant.parts() == [("c", "click", "raw_missing", 0, 1), ("c", "open", "raw_missing", 0, 1)]
    tenant.tell(touch("email_opened", 5), day=1)
    assert tenant.parts() == [("c", "click", "raw_missing", 0, 1)]


def test_a_vendor_s_unique_where_only_a_machine_opened_is_called_so(tenant: Tenant) -> None:
    tenant.tell(touch("email_proxy_opened", 1), touch("email_unique_opened", 1))
    tenant.tell(
        touch("email_proxy_opened", 1, "q"), touch("email_unique_opened", 1, "q"), touch("email_opened", 3, "q")
    )
    assert tenant.reconciled() == [("c", 2, 2, 0, 0)]
    assert tenant.parts() == [("c", "open", "machine", 0, 1)]


def test_a_unique_that_the_vendor_reports_again_is_repeated(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1), *(touch("email_unique_opened", n) for n in (1, 2, 3)))
    assert tenant.reconciled() == [("c", 1, 3, 0, 0)]
    assert tenant.parts() == [("c", "open", "repeated", -2, 2)]


def test_profiles_that_were_merged_are_one_person_s_unique_and_two_again_when_split(tenant: Tenant) -> None:
    for profile, second in (("p", 1), ("q", 2)):
        tenant.tell(touch("email_opened", second, profile), touch("email_unique_opened", second, profile))
        tenant.tell(touch("viber_clicked", second, profile), touch("viber_unique_clicked", second, profile))
    assert tenant.parts() == tenant.parts("viber") == []
    tenant.tell(merge(["q"], "p"), day=1)
    assert tenant.engagement() == [("c", 2, 1, 0, 0)]
    assert tenant.reconciled() == [("c", 1, 2, 0, 0)]
    assert tenant.parts() == [("c", "open", "merged", -1, 1)]
    assert tenant.parts("viber") == [("c", "click", "merged", -1, 1)]
    tenant.tell(split("p", {"p": [], "q": []}, occurred_at=merge([], "")["occurred_at"] + DAY_S * 1_000_000), day=2)
    assert tenant.engagement() == [("c", 2, 2, 0, 0)]
    assert tenant.parts() == tenant.parts("viber") == []


def test_a_unique_that_the_vendor_never_reports_is_unreported(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1), touch("email_unique_opened", 1), touch("email_opened", 2, "q"))
    tenant.tell(touch("email_clicked", 3, **LINK))
    assert tenant.reconciled() == [("c", 2, 1, 1, 0)]
    assert tenant.parts() == [("c", "click", "unreported", 1, 1), ("c", "open", "unreported", 1, 1)]


def test_clicks_are_compared_by_link_and_on_viber_by_message(tenant: Tenant) -> None:
    for channel in ("email", "viber"):
        tenant.tell(*(touch(f"{channel}_clicked", n, **link) for n, link in enumerate((LINK, OTHER_LINK, LINK))))
        tenant.tell(touch(f"{channel}_unique_clicked", 0, **LINK))
    assert tenant.engagement() == [("c", 0, 0, 3, 1)]
    assert tenant.parts() == [("c", "click", "unreported", 1, 1)]
    assert tenant.engagement("viber") == [("c", 0, 0, 3, 1)]
    assert tenant.parts("viber") == []
    tenant.tell(touch("viber_unique_clicked", 1, **OTHER_LINK))
    assert tenant.parts("viber") == [("c", "click", "repeated", -1, 1)]


def test_a_vendor_s_unique_that_names_no_person_no_message_or_no_link_is_incomplete(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1), touch("email_unique_opened", 1), touch("email_clicked", 2, **LINK))
    tenant.tell(touch("email_unique_opened", 1, None), touch("email_unique_clicked", 2))
    tenant.tell(touch("email_unique_opened", 1, message_id=None, campaign_id=None))
    assert tenant.reconciled() == [("", 0, 1, 0, 0), ("c", 1, 2, 1, 1)]
    assert tenant.parts() == [
        ("", "open", "incomplete", -1, 1),
        ("c", "click", "incomplete", -1, 1),
        ("c", "click", "unreported", 1, 1),
        ("c", "open", "incomplete", -1, 1),
    ]


def test_a_unique_that_the_vendor_reports_of_another_campaign_is_told_of_both(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1, campaign_id="a"), touch("email_unique_opened", 1, campaign_id="b"))
    tenant.tell(touch("email_unique_opened", 2, "q", message_id="n", campaign_id="a"))
    assert tenant.reconciled() == [("a", 2, 1, 0, 0), ("b", 0, 1, 0, 0)]
    assert tenant.parts() == [
        ("a", "open", "other_campaign", 1, 1),
        ("a", "open", "raw_missing", 0, 1),
        ("b", "open", "other_campaign", -1, 1),
    ]


@pytest.mark.parametrize("turn", range(8))
def test_of_two_opens_at_one_instant_what_was_counted_says_which_campaign_s_it_is(tenant: Tenant, turn: int) -> None:
    tied = [touch("email_opened", 1, campaign_id=name, event_id=f"{turn}") for name in ("a", "b")]
    tenant.tell(*(one | {"event_id": f"{turn} {n}"} for n, one in enumerate(tied)))
    tenant.tell(touch("email_unique_opened", 1, campaign_id="a"))
    tenant.tell(*(touch("email_unique_opened", 2, None, campaign_id=name) for name in ("a", "b")))
    (ours, *_), (others, *_) = ([row[1] for row in tenant.reconciled()][n : n + 1] for n in (0, 1))
    moved = [] if ours else [("a", "open", "other_campaign", -1, 1), ("b", "open", "other_campaign", 1, 1)]
    assert ours + others == 1
    assert tenant.parts() == sorted([*moved, *((name, "open", "incomplete", -1, 1) for name in ("a", "b"))])


def test_an_open_that_counts_again_after_the_horizon_is_the_only_other_one(service: Service, seed: int) -> None:
    tenant = Tenant(service, f"horizon {seed}", unique_days=2)
    tenant.tell(touch("email_opened", 1), touch("email_unique_opened", 1))
    tenant.tell(touch("email_opened", 6 * DAY_S), day=6)
    assert tenant.reconciled() == [("c", 2, 1, 0, 0)]
    assert tenant.parts() == [("c", "open", "other", 1, 1)]


def test_tests_are_in_no_class(tenant: Tenant) -> None:
    tenant.tell(touch("email_opened", 1), touch("email_unique_opened", 1))
    marked = ("email_unique_opened", "email_opened", "email_proxy_opened", "email_clicked", "email_unique_clicked")
    tenant.tell(*(touch(name, 2, who, is_test=True, **LINK) for name in marked for who in ("p", "q", None)))
    assert tenant.reconciled() == [("c", 1, 1, 0, 0)]
    assert tenant.parts() == []


def test_random_histories_are_classified_as_the_oracle_does_and_the_classes_add_up(service: Service, seed: int) -> None:
    dice, accounts = random.Random(f"{seed} differences"), []
    says: dict[str, list[dict[str, object]]] = {view: [] for view in RECONCILED}
    for name, shape in SHAPES.items():
        accounts += (own := [f"{name} {number} {seed}" for number in range(ACCOUNTS)])
        tenant = Tenant(service, name)
        history = rolled(dice.randrange(1 << 32), replace(shape, accounts=own, bad=False), Rules(), EVENTS)
        tenant.arrive(history, sorted({dice.randrange(1, EVENTS) for _ in range(CUTS)}))
        verdict = judge(told := tenant.told, Rules())
        assert not verdict.order_matters
        published = reconciliation(told, verdict)
        says["unique_reconciliation"] += published
        says["unique_differences"] += classified(told, verdict, published)
    found = {view: [row for row in rows(service, view) if row["account_id"] in accounts] for view in RECONCILED}
    lines = comparison.differences(RECONCILED, says, found)
    assert lines == [], f"seed {seed}: {comparison.told(lines)}"
    assert {row["class"] for row in found["unique_differences"]} == {
        *("raw_missing", "machine", "unreported", "repeated", "merged", "incomplete", "other_campaign"),
    }
    assert _sums(found["unique_differences"]) == _published(found["unique_reconciliation"])


def _sums(parts: list[dict[str, object]]) -> dict[tuple[object, ...], int]:
    found: dict[tuple[object, ...], int] = {}
    for row in parts:
        key = (row["account_id"], row["campaign_id"], row["channel"], row["kind"])
        found[key] = found.get(key, 0) + int(str(row["events"]))
    return {key: n for key, n in found.items() if n}


def _published(reconciled: list[dict[str, object]]) -> dict[tuple[object, ...], int]:
    return {
        (row["account_id"], row["campaign_id"], row["channel"], kind): int(str(row[f"{kind}s_difference"]))
        for row in reconciled
        for kind in ("open", "click")
        if row[f"{kind}s_difference"]
    }
