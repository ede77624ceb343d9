"""`tally migrate` on a real engine: what it makes, that it can be repeated, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.clickhouse import migrations, statements
from connectors.clickhouse.migrations import MigrationRefused, Status
from connectors.clickhouse.service import Service
from connectors.clickhouse.settings import WINDOW_BLOCKS, Target, target
from connectors.local.ports import any_free
from pipeline.settings import load

ROOT = Path(__file__).parents[2]
TARGETS_OF_VIEWS = {"burn", "engagement", "profile_seen", "profile_state", "person_members"}
PROMISED = {
    "engagement_daily": "account_id campaign_id channel day sent delivered opened unique_opened clicked unique_clicked"
    " unique_link_clicked bounced unsubscribed complained events",
    "campaign_engagement": "account_id campaign_id channel sent delivered opened unique_opened clicked unique_clicked"
    " unique_link_clicked bounced unsubscribed complained events open_rate click_rate click_to_open_rate",
    "allowance_cycles": "account_id cycle_start cycle_end allowance used_as_closed used_as_corrected remaining ratio"
    " forecast_at forecast forecast_low forecast_high forecast_ratio low_confidence exhausted_at exhausted_earliest"
    " exhausted_latest",
    "allowance_burn": "account_id cycle_start campaign_id channel type used",
    "allowance_plans": "account_id set_at allowance anchor_day time_zone thresholds activities own_activities plan",
    "allowance_alerts": "account_id cycle_start kind threshold used allowance occurred_at",
    "persons": "account_id profile_id person_id",
    "contact_activity": "account_id person_id profile_id type channel campaign_id message_id link occurred_at is_test"
    " properties",
    "ingestion_warnings": "account_id reason day events sample",
    "dead_letters": "account_id topic partition offset reason detail arrived_at size raw raw_base64",
    "conservation": "topic partition read accepted duplicates rejected",
    "unique_reconciliation": "account_id campaign_id channel our_opens vendor_opens opens_difference our_clicks"
    " vendor_clicks clicks_difference",
    "unique_differences": "account_id campaign_id channel kind class events evidence",
    "contacts": "account_id person_id email first_name last_name date_of_birth mobile_phone email_status"
    " newsletter_status mobile_status sms_status web_push points points_updated_at purchases purchases_value"
    " last_purchase_at cart segments first_seen last_seen last_active last_by_channel profiles",
}
# Called like functions.
FAST = {
    "contact_sheet(account = 'a', person = 'p')": PROMISED["contacts"],
    "contact_sheets(account = 'a', people = ['p', 'q'])": PROMISED["contacts"],
    "contact_timeline(account = 'a', person = 'p')": PROMISED["contact_activity"],
    "contact_ranks(account = 'a')": "person_id first_seen last_seen last_active",
}


@pytest.fixture
def service(clickhouse: str, tmp_path: Path) -> Iterator[Service]:
    """A connection whose database is the test's own, and not there yet."""
    database = f"t{uuid.uuid4().hex[:12]}"
    found = Service(target(load({"clickhouse.url": clickhouse, "clickhouse.database": database}, {}, tmp_path)), 60)
    yield found
    found.command(f"DROP DATABASE IF EXISTS {database}")
    found.close()


def tally(url: str, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli.app", "--set", f"clickhouse.url={url}"]
    command += ["--set", f"clickhouse.database={database}", *arguments]
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_all_tables_remember_inserts_the_targets_of_views_too(service: Service) -> None:
    migrations.apply(service, migrations.find(service))
    found = dict(
        service.query(
            "SELECT name, engine_full FROM system.tables WHERE database = {db:String} AND engine LIKE '%MergeTree'",
            {"db": service.target.database},
        ).rows
    )
    assert found.keys() > TARGETS_OF_VIEWS
    del found["migrations"]  # written by people, a row at a time
    for name, engine in found.items():
        assert f"non_replicated_deduplication_window = {WINDOW_BLOCKS}" in engine, name


def test_the_promised_views_have_the_promised_columns(service: Service) -> None:
    migrations.apply(service, migrations.find(service))
    for view, columns in (PROMISED | FAST).items():
        sql = f"SELECT * FROM {service.target.database}.{view}"
        assert service.columns(sql) == columns.split(), view
        assert service.query(sql).rows == [], view


def test_every_table_view_and_column_says_what_it_is(service: Service) -> None:
    migrations.apply(service, migrations.find(service))
    parameters = {"db": service.target.database}
    tables = "SELECT name FROM system.tables WHERE database = {db:String} AND comment = ''"
    columns = "SELECT table, name FROM system.columns WHERE database = {db:String} AND comment = ''"
    assert service.query(tables, parameters).rows == []
    assert service.query(columns, parameters).rows == []


def test_a_view_declares_the_types_that_its_select_gives(service: Service) -> None:
    """Another type would be a cast that nobody sees."""
    migrations.apply(service, migrations.find(service))
    columns = (
        "SELECT table, groupArray((name, type)) FROM (SELECT * FROM system.columns ORDER BY position)"
        " WHERE database = {db:String} AND table IN"
        " (SELECT name FROM system.tables WHERE database = {db:String} AND engine LIKE '%View') GROUP BY table"
    )
    declared = dict(service.query(columns, {"db": service.target.database}).rows)
    assert declared.keys() >= PROMISED.keys() | {f"{table}_mv" for table in TARGETS_OF_VIEWS}
    select = "SELECT as_select FROM system.tables WHERE database = {db:String} AND name = {name:String}"
    for name, types in declared.items():
        (made,) = service.query(select, {"db": service.target.database, "name": name}).rows[0]
        found = service.query(f"DESCRIBE TABLE ({made})").rows
        assert types == [row[:2] for row in found], name


def test_applying_again_changes_nothing(service: Service) -> None:
    migrations.apply(service, migrations.find(service))
    first = migrations.find(service)
    assert {step.status for step in first} == {Status.APPLIED}
    migrations.apply(service, first)
    assert migrations.find(service) == first


def test_two_at_once_leave_one_database(service: Service) -> None:
    pending = migrations.find(service)
    migrations.apply(service, pending)
    migrations.apply(service, pending)
    assert {step.status for step in migrations.find(service)} == {Status.APPLIED}
    migrations.require(service)


def test_a_migration_that_stopped_half_way_is_run_again(service: Service) -> None:
    values = statements.variables(service.target)
    service.command(statements.create_database(service.target))
    for statement in statements.split(migrations.committed()[0].text, values)[:3]:
        service.command(statement)
    migrations.apply(service, migrations.find(service))
    migrations.require(service)


def test_nothing_is_applied_in_the_middle_of_a_range(service: Service) -> None:
    steps = migrations.find(service)
    migrations.apply(service, steps[:-1])
    database = service.target.database
    events = ", ".join(f"('events.sms', {partition}, 1)" for partition in range(7))
    service.command(f"INSERT INTO {database}.engagement (topic, partition, accepted) VALUES {events}, ('', 0, 3)")
    with pytest.raises(MigrationRefused, match=r"events of events\.sms/0, .*/4 and 2 more are there in part.* SIGTERM"):
        migrations.apply(service, migrations.find(service))
    with pytest.raises(MigrationRefused, match=r"lacks "):
        migrations.require(service)
    service.command(f"INSERT INTO {database}.intake (topic, partition, accepted) VALUES {events}")
    migrations.apply(service, migrations.find(service))
    migrations.require(service)


def test_an_applied_file_that_changed_is_refused(service: Service) -> None:
    migrations.apply(service, migrations.find(service))
    change = "UPDATE sha256 = 'x' WHERE number = 2 SETTINGS mutations_sync = 1"
    service.command(f"ALTER TABLE {service.target.database}.migrations {change}")
    with pytest.raises(MigrationRefused, match="was changed after it was applied"):
        migrations.find(service)


def test_a_database_that_lacks_migrations_is_not_worked_on(service: Service) -> None:
    with pytest.raises(MigrationRefused, match=r"lacks 0001_tables\.sql.*run `tally migrate`"):
        migrations.require(service)


def test_a_dry_run_shows_what_is_pending_and_makes_nothing(service: Service, clickhouse: str) -> None:
    done = tally(clickhouse, service.target.database, "migrate", "--dry-run", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {step["status"] for step in json.loads(done.stdout)} == {"pending"}
    databases = service.query("SELECT name FROM system.databases").rows
    assert (service.target.database,) not in databases


def test_the_command_applies_and_says_so(service: Service, clickhouse: str) -> None:
    first = tally(clickhouse, service.target.database, "migrate", "--format", "json")
    assert first.returncode == 0, first.stderr
    assert [step["now"] for step in json.loads(first.stdout)] == [True] * len(migrations.committed())
    second = tally(clickhouse, service.target.database, "migrate")
    assert "nothing to do" in second.stderr


def test_an_absent_clickhouse_is_said_with_its_address_and_what_to_do() -> None:
    (port,) = any_free(1)
    done = tally(f"http://127.0.0.1:{port}", "tally", "migrate")
    assert done.returncode == 1
    assert f"ClickHouse at http://127.0.0.1:{port}: no connection" in done.stderr
    assert "tally up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_query_is_answered_as_json_csv_and_table(service: Service, clickhouse: str) -> None:
    sql = "SELECT 1 AS a, 'x, y' AS b, unhex('FF00') AS c"
    answers = {kind: tally(clickhouse, "default", "query", "--format", kind, sql) for kind in ("json", "csv", "table")}
    assert json.loads(answers["json"].stdout) == [{"a": 1, "b": "x, y", "c": "ff00"}]
    assert answers["csv"].stdout == 'a,b,c\n1,"x, y",ff00\n'
    assert "x, y" in answers["table"].stdout


def test_an_answer_without_rows_still_names_its_columns(clickhouse: str) -> None:
    done = tally(clickhouse, "default", "query", "--format", "csv", "SELECT 1 AS a, 2 AS b WHERE false;")
    assert (done.returncode, done.stdout) == (0, "a,b\n")


def test_a_wrong_query_is_one_clean_message(clickhouse: str) -> None:
    done = tally(clickhouse, "default", "query", "SELECT nothing")
    assert done.returncode == 1
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr
    assert "version" not in done.stderr


def test_a_cluster_is_rendered_for_every_statement(service: Service) -> None:
    place = service.target
    clustered = Target(place.host, place.port, place.secure, place.username, place.password, place.database, "main")
    values = statements.variables(clustered)
    texts = [text for migration in migrations.committed() for text in statements.split(migration.text, values)]
    for statement in (*texts, statements.cut_off(clustered)):
        service.query("SELECT formatQuery({sql:String})", {"sql": statement})  # parsed by the engine, not run
