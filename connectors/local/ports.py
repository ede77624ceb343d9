"""Free ports of the loopback interface."""

from __future__ import annotations

import socket

from connectors.local.faults import StackError

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen there now (connections of a former one that linger do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free(count: int) -> list[int]:
    """So many different free ports. Another process may take one before it is used: who starts a server tries again."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def demand(port: int, what: str, option: str) -> int:
    """The port that was asked for.

    Raises:
        StackError: something else listens there.
    """
    if not is_free(port):
        raise StackError(
            f"port {port} of {LOOPBACK} is taken, {what} cannot listen there. "
            f"Choose another one with {option}, or leave the option out for any free one."
        )
    return port
