"""What the collector is told: where to listen, whom to believe, and its bounds."""

from __future__ import annotations

import resource
import ssl
from dataclasses import dataclass

from connectors.collect.room import Room
from pipeline.settings import Settings

CONNECTIONS_MAX = 4_000  # open at once; each may hold two pieces of 64 KiB that nobody asked for
FILES_LEFT = 64  # of the process's open files, for Kafka, the metrics and the rest
HEADERS_SECONDS = 30.0  # a connection that sends no whole request within it is closed, an idle one too
RENEW_SECONDS = 30.0  # between two looks at the certificate's files
LINGER_SECONDS = 2.0  # what is left of a body that was refused is read away so long, so that the answer is heard


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a process; see `pipeline.settings_tree.Collect`."""

    body_bytes_max: int
    delivery_seconds: int
    stop_seconds: int
    connections_max: int


def bounds(settings: Settings) -> Bounds:
    """The bounds that are in force, with as many connections as this process may open files for."""
    collect = settings.collect
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = CONNECTIONS_MAX if files == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, files - FILES_LEFT)
    return Bounds(collect.body_bytes_max, collect.delivery_seconds, collect.stop_seconds, max(connections, 1))


def room(settings: Settings) -> Room:
    """An empty room with the bounds of the settings."""
    collect = settings.collect
    return Room(collect.requests_max, collect.in_flight_bytes_max, collect.in_flight_events_max)


class Certificate:
    """What HTTPS is served with. A file that changed is read again by `renew`, for connections from then on."""

    def __init__(self, settings: Settings) -> None:
        """Raises:
        OSError: a file is not there, or is no certificate with its key (ssl.SSLError is one).
        """
        collect = settings.collect
        assert collect.tls_certificate is not None, "HTTPS has a certificate"
        assert collect.tls_key is not None, "a certificate has a key"
        self._files = (collect.tls_certificate.expanduser(), collect.tls_key.expanduser())
        # Without a password the ssl module would ask on the terminal: an empty one makes it fail instead.
        self._password = "" if collect.tls_key_password is None else collect.tls_key_password.get_secret_value()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._stamp = self._stamps()
        self.context.load_cert_chain(*self._files, self._password)

    def renew(self) -> bool:
        """Read the files again if they changed; whether they did.

        Raises:
            OSError: they cannot be used; the former certificate stays.
        """
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files, self._password)
        self.context.load_cert_chain(*self._files, self._password)
        self._stamp = stamp
        return True

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_ino, found.st_mtime_ns) for found in (path.stat() for path in self._files))


def certificate(settings: Settings) -> Certificate | None:
    """The certificate of the settings, or None for HTTP.

    Raises:
        OSError: as Certificate.
    """
    return None if settings.collect.tls_certificate is None else Certificate(settings)
