"""The local ClickHouse behind its HTTP front, as clients meet it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from connectors.local import ports
from connectors.local.chdb_engine import CONNECTIONS, QUERY_MEMORY_BYTES, RESULT_BYTES_MAX, SESSIONS_MAX
from connectors.local.clickhouse import from_chdb
from connectors.local.processes import end
from connectors.local.progress import silent
from connectors.local.service import Service, Wish
from tests.integration.local_clickhouse_world import arrow_stream, client_of, close

ROWS = 300_000  # several frames in every compression
Connect = Callable[..., Client]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture(scope="module")
def front(folder: Path, bound_wish: Wish, real_part: Callable[[str, str], None]) -> Iterator[Service]:
    service = from_chdb(folder, bound_wish, silent)
    client = client_of(service)
    real_part("clickhouse", client.server_version)
    close(client)
    yield service
    assert service.marked is not None
    end(service.marked, 10)


@pytest.fixture
def connect(front: Service) -> Iterator[Connect]:
    clients: list[Client] = []

    def one(**options: object) -> Client:
        clients.append(client_of(front, **options))
        return clients[-1]

    yield one
    for client in clients:
        close(client)


@pytest.fixture
def client(connect: Connect) -> Client:
    client = connect()
    client.command("DROP TABLE IF EXISTS numbers")
    client.command("CREATE TABLE numbers (number UInt64, text String) ENGINE = MergeTree ORDER BY number")
    return client


def count_and_sum(client: Client) -> tuple[int, int]:
    return tuple(client.query("SELECT count(), sum(number) FROM numbers").first_row)


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_no_row_is_lost_in_any_compression(client: Client, connect: Connect, compression: str | bool) -> None:
    compressing = connect(compress=compression)
    rows = [[number, "text"] for number in range(ROWS)]
    summary = compressing.insert("numbers", rows, column_names=["number", "text"])
    assert summary.written_rows == ROWS
    assert count_and_sum(compressing) == (ROWS, ROWS * (ROWS - 1) // 2)
    assert compressing.query_arrow("SELECT * FROM numbers").num_rows == ROWS


def test_deflate_is_served_though_the_client_only_reads_it(client: Client, connect: Connect, front: Service) -> None:
    body = zlib.compress(b"".join(b"%d\ttext\n" % number for number in range(ROWS)))
    url = f"{front.address}/?query=INSERT%20INTO%20numbers%20FORMAT%20TSV"
    request = urllib.request.Request(url, body, {"Content-Encoding": "deflate"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == str(ROWS)
    assert connect(compress="deflate").query_arrow("SELECT * FROM numbers").num_rows == ROWS


def test_an_arrow_stream_is_inserted_as_it_is_and_the_rows_written_are_said(client: Client) -> None:
    summary = client.raw_insert("numbers", insert_block=arrow_stream(1000), fmt="ArrowStream")
    assert summary.written_rows == 1000
    assert count_and_sum(client) == (1000, 499_500)


def test_rows_that_cannot_be_read_are_refused_and_nothing_is_inserted(client: Client) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 117|Code: 27|Code: 33|Code: 636|Code: 1001"):
        client.raw_insert("numbers", insert_block=arrow_stream(10)[:-200], fmt="ArrowStream")
    assert count_and_sum(client) == (0, 0)


def test_a_token_is_inserted_once_through_materialized_views_too(client: Client) -> None:
    window = "non_replicated_deduplication_window = 1000"
    client.command("DROP TABLE IF EXISTS seen_view, seen, totals")
    client.command(f"CREATE TABLE seen (number UInt64) ENGINE = MergeTree ORDER BY number SETTINGS {window}")
    client.command(f"CREATE TABLE totals (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple() SETTINGS {window}")
    client.command("CREATE MATERIALIZED VIEW seen_view TO totals AS SELECT count() AS n FROM seen")
    settings = {"insert_deduplication_token": "a-1", "deduplicate_blocks_in_dependent_materialized_views": 1}
    for token in ("a-1", "a-1", "a-2"):
        settings["insert_deduplication_token"] = token
        client.raw_insert("seen", insert_block=b"1\n2\n", fmt="TSV", settings=settings)
    assert client.query("SELECT (SELECT count() FROM seen), (SELECT sum(n) FROM totals)").first_row == (4, 4)


def test_parameters_arrive_as_they_are(client: Client) -> None:
    text = "it's a \\ \n\t`\" ü 😀"
    assert client.query("SELECT {x:String}, {y:Array(Int8)}", parameters={"x": text, "y": [1, 2]}).first_row == (
        text,
        [1, 2],
    )


def test_a_session_keeps_its_settings_and_tables_and_others_do_not_see_them(connect: Connect) -> None:
    one, other = connect(session_id="one"), connect(session_id="other")
    one.command("SET max_block_size = 4321")
    one.command("CREATE TEMPORARY TABLE mine (a Int8)")
    asked = "SELECT value FROM system.settings WHERE name = 'max_block_size'"
    assert one.command(asked, settings={"max_block_size": 1234}) == 1234
    assert one.command(asked) == 4321
    assert other.command(asked) != 4321
    assert one.command("SELECT count() FROM mine") == 0
    with pytest.raises(DatabaseError, match="Code: 60"):
        other.command("SELECT count() FROM mine")


def test_more_sessions_than_the_bound_only_end_the_oldest(front: Service, connect: Connect) -> None:
    def ask(session: str, sql: str) -> bytes:
        with urllib.request.urlopen(f"{front.address}/?session_id={session}&query={sql}", timeout=30) as answer:
            return bytes(answer.read())

    ask("first", "SET%20max_block_size=4321")
    changed = "SELECT%20value%20FROM%20system.settings%20WHERE%20name='max_block_size'"
    for number in range(SESSIONS_MAX - 1):
        ask(f"more-{number}", "SELECT%201")
    assert ask("first", changed) == b"4321\n", "it was used last, so it is not the oldest"
    for number in range(SESSIONS_MAX):
        ask(f"still-more-{number}", "SELECT%201")
    assert ask("first", changed) != b"4321\n"


def test_settings_and_the_database_of_one_request_do_not_stay(connect: Connect) -> None:
    client = connect(autogenerate_session_id=False)
    client.command("CREATE DATABASE IF NOT EXISTS aside")
    asked = "SELECT value || ' ' || currentDatabase() FROM system.settings WHERE name = 'max_block_size'"
    before = client.command(asked)
    aside = connect(autogenerate_session_id=False, database="aside")
    for _ in range(10):  # as many as there are connections of the engine, and more
        assert aside.command(asked, settings={"max_block_size": 77}) == "77 aside"
    assert [client.command(asked) for _ in range(10)] == [before] * 10


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM nowhere", "60", 404),
        ("SELEC 1", "62", 400),
        ("SELECT 1 SETTINGS nothing = 1", "115", 404),
        ("SELECT throwIf(1)", "395", 500),
        (f"SELECT groupArray(number) FROM numbers({QUERY_MEMORY_BYTES // 4})", "241", 500),
        (f"SELECT number FROM numbers({RESULT_BYTES_MAX // 8 + 100_000})", "396", 500),
        ("SELECT throwIf(number = 500000) FROM numbers(1000000)", "395", 500),
    ],
)
def test_a_fault_has_clickhouses_code_and_the_connection_goes_on(
    front: Service, sql: str, code: str, status: int
) -> None:
    connection = http.client.HTTPConnection(front.address.removeprefix("http://"), timeout=30)
    connection.request("POST", "/", sql)
    answer = connection.getresponse()
    text = answer.read().decode()
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert text.startswith(f"Code: {code}. DB::Exception:")
    for _ in range(CONNECTIONS + 1):  # whichever connection of the engine failed
        connection.request("POST", "/", "SELECT 1")
        assert connection.getresponse().read() == b"1\n", "the failed statement's output came first"
    connection.close()


def test_ping_is_answered_and_pages_of_the_web_are_not(front: Service) -> None:
    with urllib.request.urlopen(f"{front.address}/ping", timeout=10) as answer:
        assert answer.read() == b"Ok.\n"
    connection = http.client.HTTPConnection(front.address.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", "SELECT 1", {"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


def test_statements_run_side_by_side(front: Service) -> None:
    def slow() -> None:
        client = client_of(front)
        client.query("SELECT sleepEachRow(0.5) FROM numbers(2) SETTINGS max_block_size = 1")
        close(client)

    threads = [threading.Thread(target=slow) for _ in range(3)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 2.5, "three statements of one second took as long as one after the other"


def test_a_second_process_is_told_that_the_folder_is_taken(front: Service, folder: Path) -> None:
    command = [sys.executable, "-m", "connectors.local.chdb_server", "--path", str(folder / "data")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=30, check=False)
    assert done.returncode == 1
    assert f"in use by another process, pid {front.pid}" in done.stderr


def test_only_the_loopback_interface_is_listened_on(front: Service) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {ports.LOOPBACK}
    port = int(front.address.rsplit(":", 1)[1])
    for other in others:
        if not other.startswith("127."):
            with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
                socket.create_connection((other, port), timeout=1).close()
