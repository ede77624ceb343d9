"""Every vendor's samples through a collector, Kafka, two workers, a sink and ClickHouse: what their tables expect.

The expectations were written by hand. A delivery that comes again, whole or in part, changes nothing.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import schemas
from connectors.clickhouse import recount
from tests.e2e.deployment import deployed
from tests.e2e.promised import KEYS
from tests.e2e.vendors_world import Answered, Collector
from tests.e2e.views import rows
from tests.vendor_samples import ACCOUNTS, UNIQUES, days_to_now, expected, samples, table

VENDORS = tuple(ACCOUNTS)
DAYS = days_to_now()
SAID = ("type", "channel", "profile_id", "message_id", "campaign_id", "link")
REFUSED = ("conservation", "dead_letters", "ingestion_warnings")  # every copy of what is invalid is refused anew
ANY_KEY = "*"
KEYS_OF = {"altcraft": 80, "brevo": 93, "connectif": 39, "mindbox": 2}  # that their pages document
CAMPAIGN_MERGED = "9001"
LETTER = ("account_id", "topic", "reason", "detail")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w|\b\d{9,}\b")  # of a contact: email, phone

Rows = list[dict[str, Any]]


class Told(NamedTuple):
    """The samples, what the collector answered to each, and what the views say of them."""

    collector: Collector
    answers: dict[tuple[str, str], Answered]
    views: dict[str, Rows]

    def of(self, view: str, vendor: str) -> Rows:
        """A view's rows of a vendor's account."""
        return [row for row in self.views[view] if row["account_id"] == ACCOUNTS[vendor]]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows that no view gives."""
        service = self.collector.deployment.clickhouse
        return service.query(sql.replace("FROM ", f"FROM {service.target.database}.")).rows


@pytest.fixture(scope="module")
def told(kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Every sample, delivered once; its clocks moved to now."""
    with deployed(kafka, clickhouse, tmp_path_factory.mktemp("vendors")) as deployment:
        delivered = [one for vendor in VENDORS for one in samples(vendor, DAYS)]
        collector = Collector(deployment, delivered)
        answers = {(one.vendor, one.file): collector.deliver(one) for one in delivered}
        collector.await_sunk()
        yield Told(collector, answers, _views(collector))


def _views(collector: Collector) -> dict[str, Rows]:
    return {view: rows(collector.deployment.clickhouse, view) for view in KEYS}


def _words(row: dict[str, Any]) -> tuple[Any, ...]:
    return (*(row[name] for name in SAID), row["occurred_at"])


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_item_is_answered_as_taken_or_as_refused(told: Told, vendor: str) -> None:
    taken = Counter(row["file"] for name in ("expected.tsv", "duplicates.tsv") for row in table(vendor, name))
    refused = Counter(row["file"] for row in table(vendor, "refused.tsv"))
    found = {file: answer for (of, file), answer in told.answers.items() if of == vendor}
    assert found == {file: Answered(200, taken[file], refused[file]) for file in found}
    assert found.keys() >= {*taken, *refused}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_item_is_the_event_that_is_expected_by_type_channel_profile_message_link_and_time(
    told: Told, vendor: str
) -> None:
    found = Counter(map(_words, told.of("contact_activity", vendor)))
    says = Counter(map(_words, expected(vendor, DAYS)))
    assert (found - says, says - found) == (Counter(), Counter())


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_event_is_a_unique_and_an_activity_as_expected(told: Told, vendor: str) -> None:
    """What corrections take back is dated and labelled like the event that had it."""
    uniques: dict[tuple[str, str, int], Counter[str]] = defaultdict(Counter)
    for row in expected(vendor, DAYS):
        uniques[row["channel"], row["campaign_id"], row["occurred_at"]].update({name: row[name] for name in UNIQUES})
    columns = ", ".join(f"sum({name})" for name in UNIQUES)
    sql = f"SELECT channel, campaign_id, toUnixTimestamp64Micro(occurred_at) AS at, {columns} FROM events"
    found = told.query(f"{sql} WHERE account_id = '{ACCOUNTS[vendor]}' GROUP BY channel, campaign_id, at")
    assert {row[:3]: row[3:] for row in found} == {key: tuple(n[u] for u in UNIQUES) for key, n in uniques.items()}
    burnt = Counter[tuple[str, ...]]()
    for row in expected(vendor, DAYS):
        burnt[row["campaign_id"], row["channel"], row["type"]] += row["activity"]
    used = told.of("allowance_burn", vendor)
    assert Counter({(r["campaign_id"], r["channel"], r["type"]): r["used"] for r in used}) == +burnt


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_refused_is_a_dead_letter_and_a_warning_of_its_account_with_its_bytes(told: Told, vendor: str) -> None:
    files = {one.file: one for one in samples(vendor, DAYS)}
    refused = [(row["reason"], files[row["file"]].items[int(row["item"])]) for row in table(vendor, "refused.tsv")]
    says = sorted((reason, _canonical(json.dumps(item).encode().hex())) for reason, item in refused)
    letters = told.of("dead_letters", vendor)
    assert sorted((row["reason"], _canonical(row["raw"])) for row in letters) == says
    assert all(any(bytes.fromhex(row["raw"]) in one.body for one in files.values()) for row in letters)
    reasons = Counter(reason for reason, _ in says)
    warnings = told.of("ingestion_warnings", vendor)
    assert {row["reason"]: row["events"] for row in warnings} == reasons
    shown = [row["sample"] for row in warnings] + [row["detail"] for row in letters]
    assert [text for text in shown if ADDRESS.search(text)] == []
    assert all(text.startswith(f"{vendor} endpoint {vendor}-") for text in shown)


def _canonical(raw: str) -> str:
    """An item's bytes as hex, however it was written and whether it was alone in a list."""
    document = json.loads(bytes.fromhex(raw))
    return json.dumps(document[0] if isinstance(document, list) and len(document) == 1 else document, sort_keys=True)


def test_every_documented_key_has_a_sample_that_became_an_event_of_its_type(told: Told) -> None:
    found = set(told.query("SELECT DISTINCT source, vendor_type, type FROM events"))
    by_type = {(source, type_name) for source, _, type_name in found}
    lines = [(*line.split("\t"), "")[:5] for line in schemas.text("vocabulary/vendors.tsv").splitlines()[1:]]
    documented = [line[:4] for line in lines if not line[4].startswith("not in the vendor's list")]
    missing = [
        (vendor, group, key, type_name)
        for vendor, group, key, type_name in documented
        if not {(vendor, key, type_name), (vendor, f"{group}/{key}", type_name)} & found
        and (key != ANY_KEY or (vendor, type_name) not in by_type)
    ]
    assert missing == []
    assert Counter(line[0] for line in documented) == KEYS_OF


@pytest.mark.parametrize(
    ("channel", "campaign", "counts"),
    [
        ("email", "1101", {"opened": 2, "unique_opened": 1}),  # open and uopen, and an open again
        ("email", "1102", {"clicked": 3, "unique_clicked": 1, "unique_link_clicked": 2}),  # two links, each with uclick
        ("viber", "1103", {"clicked": 2, "unique_clicked": 1, "unique_link_clicked": 2}),  # one uclick a message
        ("email", "template:137", {}),  # a machine opens, twice
    ],
)
def test_the_vendors_own_uniques_and_machines_add_nothing(
    told: Told, channel: str, campaign: str, counts: dict[str, int]
) -> None:
    (row,) = [r for r in told.views["campaign_engagement"] if (r["channel"], r["campaign_id"]) == (channel, campaign)]
    names = ("opened", "unique_opened", "clicked", "unique_clicked", "unique_link_clicked")
    assert {name: row[name] for name in names if row[name]} == counts
    about = [r for r in told.views["unique_reconciliation"] if r["campaign_id"] == campaign]
    assert [(r["opens_difference"], r["clicks_difference"]) for r in about] == [(0, 0)] * (
        channel != "email" or bool(counts)
    )
    assert [r for r in told.views["unique_differences"] if r["campaign_id"] == campaign] == []


def test_a_delivery_that_comes_again_whole_or_in_part_changes_nothing(told: Told, seed: int) -> None:
    collector, before = told.collector, _views(told.collector)
    again = [one for vendor in VENDORS for one in samples(vendor, DAYS)]
    again += [one.alone(n) for one in again if len(one.items) > 1 for n in range(len(one.items))]
    random.Random(f"{seed} again").shuffle(again)
    answers = [collector.deliver(one) for one in again]
    collector.await_sunk()
    after = _views(collector)
    assert {view for view in KEYS if _sorted(before[view]) != _sorted(after[view])} == set(REFUSED)
    copies, refused = sum(one.accepted for one in answers), sum(one.rejected for one in answers)
    was, is_now = _totals(before["conservation"]), _totals(after["conservation"])
    assert is_now - was == +Counter(read=copies + refused, duplicates=copies, rejected=refused)
    refusals = [{(*(r[n] for n in LETTER), _canonical(r["raw"])) for r in at["dead_letters"]} for at in (before, after)]
    assert refusals[0] == refusals[1]


def _sorted(found: Rows) -> list[str]:
    return sorted(map(repr, found))


def _totals(found: Rows) -> Counter[str]:
    return sum(
        (Counter({k: row[k] for k in ("read", "accepted", "duplicates", "rejected")}) for row in found), Counter()
    )


def test_profiles_that_altcraft_merges_are_one_person_s_unique(told: Told) -> None:
    sample = {one.file: one for one in samples("altcraft", DAYS)}
    opened, merged = sample["batch_open_and_uopen.json"], sample["profile_merge.json"]
    (operation,) = merged.items
    profiles = (operation["event_data"]["target"], *operation["event_data"]["sources"])
    items = [_of(item, profile) for profile in profiles for item in opened.items[:2]]
    assert told.collector.deliver(opened._replace(body=json.dumps(items).encode())) == Answered(200, len(items), 0)
    told.collector.await_sunk()
    after = _views(told.collector)
    (row,) = [r for r in after["campaign_engagement"] if r["campaign_id"] == CAMPAIGN_MERGED]
    assert (row["opened"], row["unique_opened"]) == (len(profiles), 1)
    parts = [r for r in after["unique_differences"] if r["campaign_id"] == CAMPAIGN_MERGED]
    assert [(r["kind"], r["class"], r["events"]) for r in parts] == [("open", "merged", 1 - len(profiles))]


def _of(item: dict[str, Any], profile: str) -> dict[str, Any]:
    """An event of another profile and of a campaign of its own."""
    data = item["event_data"] | {"campaign_id": int(CAMPAIGN_MERGED)}
    return item | {"profile_id": profile, "event_data": data}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_body_that_is_no_json_is_taken_and_kept_as_a_dead_letter(told: Told, vendor: str) -> None:
    sample = samples(vendor, DAYS)[0]
    broken = sample._replace(body=sample.body[:-2] + b"\xff", headers={"Content-Type": "application/json"})
    assert told.collector.deliver(broken) == Answered(200, 0, 1)
    told.collector.await_sunk()
    letters = [row for row in told.collector.deployment.rows("dead_letters") if row["account_id"] == ACCOUNTS[vendor]]
    assert [row["reason"] for row in letters if row["raw"] == broken.body.hex()] == ["undecodable"]


def test_everything_read_has_one_fate_and_the_tables_add_up(told: Told) -> None:
    totals = _totals(told.collector.deployment.rows("conservation"))
    assert totals["read"] == totals["accepted"] + totals["duplicates"] + totals["rejected"] == told.collector.taken
    assert recount.compare(told.collector.deployment.clickhouse) == []
