"""What the tests of the local ClickHouse share: a client of a front, and rows for it."""

from __future__ import annotations

import io

import clickhouse_connect
import pyarrow
from clickhouse_connect.driver import httputil
from clickhouse_connect.driver.client import Client

from connectors.local import ports
from connectors.local.service import Service


def close(client: Client) -> None:
    client.close()
    client.close_connections()


def client_of(service: Service, **options: object) -> Client:
    port = int(service.address.rsplit(":", 1)[1])
    pool = httputil.get_pool_manager()  # its own: the shared one would keep connections to fronts that are gone
    return clickhouse_connect.get_client(host=ports.LOOPBACK, port=port, pool_mgr=pool, **options)


def arrow_stream(rows: int) -> bytes:
    table = pyarrow.table({"number": pyarrow.array(range(rows), pyarrow.uint64()), "text": ["some text"] * rows})
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()
