"""What the connector is told: where to send, how to sign, when to try again; and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pipeline.settings import Settings

REQUESTS_MAX = 8  # open at once; an endpoint that hangs holds them for `notify.timeout_seconds`
WAITING_MAX = 10_000  # alerts in memory over all partitions, about 1 KiB each; beyond, the rest waits in the topic
ASK_MAX = 10_000  # alerts asked for again by one command: what is asked for is in memory until it is sent
ERROR_CHARACTERS_MAX = 300  # of what a receipt says of an error
RETRY_AFTER_SECONDS_MAX = 86_400  # what an endpoint may ask to wait
FENCE_SECONDS = 3  # a partition known to be ours longer ago is asked for again before a request; see SESSION_MS
LOOK_SECONDS = 0.05  # an alert that is there, or a request that is due, is noticed within that time
JITTER = 0.5  # a delay is cut by up to that share, so that tries do not come in waves


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where alerts are sent. `secrets` sign; the first one is the newest."""

    url: str = field(repr=False)  # its path may be a secret
    secrets: tuple[str, ...] = field(repr=False)
    timeout_seconds: int
    attempts_max: int
    backoff_seconds: float
    backoff_max_seconds: float
    fresh_seconds: float

    @property
    def address(self) -> str:
        """The URL without its path, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def endpoint(settings: Settings) -> Endpoint | None:
    """The endpoint of the settings; None where none is set."""
    notify = settings.notify
    if notify.url is None or notify.secret is None:
        return None
    return Endpoint(
        url=notify.url.get_secret_value(),
        secrets=tuple(notify.secret.get_secret_value().split()),
        timeout_seconds=notify.timeout_seconds,
        attempts_max=notify.attempts_max,
        backoff_seconds=notify.backoff_ms / 1_000,
        backoff_max_seconds=notify.backoff_max_minutes * 60,
        fresh_seconds=notify.fresh_hours * 3_600,
    )
