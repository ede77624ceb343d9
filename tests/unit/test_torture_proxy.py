"""The proxy of a torture run: what it forwards, and what each fault does to a client and to a server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.torture.ports import settled
from tests.torture.proxy import Proxy, Way

LOOPBACK = "127.0.0.1"
SILENT_SECONDS = 0.3  # long enough to see that nothing comes
LARGE = 1 << 20  # more than the sockets' buffers and the proxy's pieces hold


class Echo:
    """A server that sends back what it is sent, and counts it."""

    def __init__(self) -> None:
        self.received = 0
        self.resets = 0
        (self.port,) = settled(1)
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        with connected:
            try:
                while content := connected.recv(1 << 16):
                    self.received += len(content)
                    connected.sendall(content)
            except ConnectionError:
                self.resets += 1


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    found = Proxy(settled(1)[0], echo.port)
    found.start()
    yield found
    found.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connect(proxy) as found:
        assert talk(found, 1) == 1
        yield found


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=10)


def talk(client: socket.socket, size: int) -> int:
    """Send so many bytes and read what comes back of them; fewer where the connection ends."""
    sending = threading.Thread(target=client.sendall, args=(b"x" * size,))
    sending.start()
    got = 0
    while got < size and (content := client.recv(1 << 16)):
        got += len(content)
    sending.join()
    return got


def await_resets(echo: Echo) -> None:
    deadline = time.monotonic() + 5
    while not echo.resets and time.monotonic() < deadline:
        time.sleep(0.01)
    assert echo.resets == 1


def test_bytes_are_forwarded_both_ways_and_ends_too(proxy: Proxy, client: socket.socket, echo: Echo) -> None:
    assert talk(client, LARGE) == LARGE
    client.close()
    with connect(proxy) as other:
        assert talk(other, 5) == 5
    assert echo.received == LARGE + 6
    assert (proxy.counts.connections, proxy.counts.forwarded_bytes) == (2, 2 * echo.received)


@pytest.mark.parametrize(("way", "arrives"), [(Way.TO_SERVER, 1), (Way.TO_CLIENT, 6), (Way.BOTH, 1)])
def test_what_is_dropped_is_missed_and_the_connection_is_reset_when_the_line_heals(
    proxy: Proxy, client: socket.socket, echo: Echo, way: Way, arrives: int
) -> None:
    proxy.drop(way)
    client.settimeout(SILENT_SECONDS)
    client.sendall(b"12345")
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert echo.received == arrives
    assert proxy.counts.swallowed_bytes == 5
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    await_resets(echo)
    with connect(proxy) as other:
        assert talk(other, 5) == 5


def test_what_is_delayed_comes_late_and_in_order(proxy: Proxy, client: socket.socket) -> None:
    proxy.delay(100, 20)
    began = time.monotonic()
    client.sendall(b"first")
    time.sleep(0.01)
    client.sendall(b"second")
    got = b""
    while len(got) < len(b"firstsecond"):
        got += client.recv(100)
    assert got == b"firstsecond"
    assert time.monotonic() - began >= 0.2
    assert proxy.counts.delayed_pieces >= 2
    proxy.heal()
    began = time.monotonic()
    assert talk(client, 5) == 5
    assert time.monotonic() - began < 0.2


def test_a_throttled_line_moves_no_more_than_it_may(proxy: Proxy, client: socket.socket) -> None:
    proxy.throttle(20_000)
    began = time.monotonic()
    assert talk(client, 10_000) == 10_000
    assert time.monotonic() - began >= 0.4
    proxy.heal()
    assert talk(client, LARGE) == LARGE


def test_both_sides_see_a_reset(proxy: Proxy, client: socket.socket, echo: Echo) -> None:
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    await_resets(echo)
    with connect(proxy) as other:
        assert talk(other, 5) == 5
    assert proxy.counts.resets == 1


def test_while_it_refuses_open_connections_go_on_and_new_ones_find_nobody(proxy: Proxy, client: socket.socket) -> None:
    proxy.refuse()
    assert talk(client, 5) == 5
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with connect(proxy) as other:
        assert talk(other, 5) == 5


def test_every_connection_is_cut_in_the_middle_of_what_its_client_sends(
    proxy: Proxy, client: socket.socket, echo: Echo
) -> None:
    proxy.cut_after(1000)
    assert talk(client, 900) == 900
    with pytest.raises(ConnectionResetError):
        talk(client, 200)
    await_resets(echo)
    assert 901 <= echo.received <= 1001
    with connect(proxy) as other:
        assert talk(other, 1000) == 1000
        proxy.heal()
        assert talk(other, 1000) == 1000
    assert proxy.counts.cuts == 1


def test_a_client_of_a_server_that_is_away_is_reset(proxy: Proxy, echo: Echo) -> None:
    echo.close()
    with pytest.raises(ConnectionResetError), connect(proxy) as found:
        found.recv(1)
    assert proxy.counts.unreachable == 1
