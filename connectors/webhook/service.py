"""The requests to the endpoint: a bounded number at once, each with a bound on its whole time. The only calls to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

import aiohttp

from connectors.webhook.outcomes import Answer
from connectors.webhook.settings import ERROR_CHARACTERS_MAX, REQUESTS_MAX, Endpoint
from connectors.webhook.statements import headers

_STOP_SECONDS = 5.0  # until the loop's thread has ended; nothing is at work there then
_BODY_BYTES = 4_096  # of an answer that are read, so that its connection can be used again

T = TypeVar("T")


class Request(NamedTuple):
    """What is sent."""

    webhook_id: str
    body: bytes


class Sender(Generic[T]):
    """An event loop in a thread of its own. `answers` has what came of each request, with the mark it was given."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.answers: SimpleQueue[tuple[T, Answer | None]] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhook", daemon=True)
        self._thread.start()
        self._session = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_STOP_SECONDS)

    def send(self, mark: T, request: Request, still: Callable[[], bool]) -> None:
        """Begin a request; its answer is None where it was not sent, since `still()` was false by then."""
        asyncio.run_coroutine_threadsafe(self._send(mark, request, still), self._loop)

    def close(self) -> None:
        """End what is open."""
        asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(_STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        self._loop.close()

    async def _open(self) -> aiohttp.ClientSession:
        # A proxy of the environment would see what is sent; cookies would make one request depend on another.
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout_seconds),
            connector=aiohttp.TCPConnector(limit=REQUESTS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def _send(self, mark: T, request: Request, still: Callable[[], bool]) -> None:
        if not still():
            self.answers.put((mark, None))
            return
        signed = headers(request.webhook_id, request.body, self._endpoint.secrets, datetime.now(UTC))
        answered = False
        try:
            async with self._session.post(
                self._endpoint.url, data=request.body, headers=signed, allow_redirects=False
            ) as answer:
                self.answers.put((mark, Answer(answer.status, None, answer.headers.get("Retry-After"))))
                answered = True
                await answer.content.read(_BODY_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if not answered:
                self.answers.put((mark, Answer(None, self._words(error))))

    def _words(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._endpoint.timeout_seconds} s"
        said = str(error).replace(self._endpoint.url, self._endpoint.address)
        return f"{type(error).__name__}: {said}"[:ERROR_CHARACTERS_MAX]
