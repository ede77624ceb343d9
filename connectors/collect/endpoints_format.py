"""The bytes of the endpoints' file, format 1: one encoder, one decoder that checks every field. Pure.

Times are RFC 3339, so that people can read the file; of secrets it has digests alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from connectors.collect import credentials, networks
from connectors.collect.endpoint import Credential, Endpoint
from pipeline import rfc3339
from pipeline.core import zones

FORMAT = 1
FILE_BYTES_MAX = 8 * 1024 * 1024  # a thousand endpoints with all they may have are 6 MB
ENDPOINTS_MAX = 1_000  # of one file: each may be a label of metrics; an account needs a handful
FIELDS_MAX = 32  # roles that an endpoint maps
ALLOW_MAX = 64  # networks of an endpoint
TEXT_BYTES_MAX = 512  # of an account, a name, a role, a path: as of the ids that the state keeps
INSTANT_MAX = 253_402_300_799_999_999  # the end of the year 9999, the last that RFC 3339 can write
ENDPOINT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]", re.ASCII)  # no underscore: it ends the id in a token
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)  # RFC 9110's token
_CREDENTIAL_ID = re.compile(r"[a-z0-9]{1,32}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

T = TypeVar("T")


class Broken(ValueError):
    """What cannot be used: the field, and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)


def encode(endpoints: Sequence[Endpoint]) -> bytes:
    """The file of these endpoints."""
    table = {"format": FORMAT, "endpoints": [written(one) for one in endpoints]}
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()


def decode(content: bytes) -> tuple[Endpoint, ...]:
    """The endpoints of a file.

    Raises:
        Broken: it is not what `encode` writes; names the field.
    """
    if len(content) > FILE_BYTES_MAX:
        raise Broken("", f"it has more than {FILE_BYTES_MAX:,} bytes")
    try:
        read = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise Broken("", f"it is no JSON in UTF-8 ({error})") from None
    table = _object(read, "the file", ("format", "endpoints"))
    if table["format"] != FORMAT or isinstance(table["format"], bool):
        raise Broken("format", f"is {table['format']!r}; this version of tally reads {FORMAT}")
    found = tuple(_list(table["endpoints"], "endpoints", ENDPOINTS_MAX, _endpoint))
    _refuse_twins("endpoints", [one.id for one in found])
    return found


def written(one: Endpoint) -> dict[str, Any]:
    """An endpoint as JSON, with the digests of its keys."""
    return {
        "id": one.id,
        "vendor": one.vendor,
        "account": one.account,
        "source": one.source,
        "event": one.event,
        "time_zone": one.time_zone,
        "fields": dict(one.fields),
        "allow": list(one.allow),
        "created_at": rfc3339.text(one.created_at),
        "credentials": [
            {
                "id": key.id,
                "kind": key.kind,
                "name": key.name,
                "digest": key.digest,
                "created_at": rfc3339.text(key.created_at),
                "expires_at": None if key.expires_at is None else rfc3339.text(key.expires_at),
            }
            for key in one.credentials
        ],
    }


def _endpoint(value: Any, at: str) -> Endpoint:
    table = _object(value, at, Endpoint.__slots__)
    keys = tuple(_list(table["credentials"], f"{at}.credentials", credentials.LIVE_MAX, _credential))
    _refuse_twins(f"{at}.credentials", [one.id for one in keys])
    zone = _text(table["time_zone"], f"{at}.time_zone")
    if zone not in zones.names():
        raise Broken(f"{at}.time_zone", f"{zone!r} is no IANA time zone")
    return Endpoint(
        id=_like(ENDPOINT_ID, table["id"], f"{at}.id", "lower-case letters, digits and hyphens"),
        vendor=_one_of(tuple(credentials.CAN_SEND), table["vendor"], f"{at}.vendor"),
        account=_text(table["account"], f"{at}.account"),
        source=_text(table["source"], f"{at}.source"),
        event=None if table["event"] is None else _text(table["event"], f"{at}.event"),
        time_zone=zone,
        fields=_fields(table["fields"], f"{at}.fields"),
        credentials=keys,
        allow=tuple(_list(table["allow"], f"{at}.allow", ALLOW_MAX, _allowed)),
        created_at=_instant(table["created_at"], f"{at}.created_at"),
    )


def _credential(value: Any, at: str) -> Credential:
    table = _object(value, at, Credential.__slots__)
    kind = _one_of(credentials.KINDS, table["kind"], f"{at}.kind")
    name = table["name"]
    if kind in ("header", "hmac"):
        name = _like(HEADER_NAME, name, f"{at}.name", "the name of a header")
    elif kind == "basic":
        name = _text(name, f"{at}.name")
    elif name != "":
        raise Broken(f"{at}.name", f"must be empty for {kind}")
    ends = table["expires_at"]
    return Credential(
        id=_like(_CREDENTIAL_ID, table["id"], f"{at}.id", "lower-case letters and digits"),
        kind=kind,
        name=name,
        digest=_like(_DIGEST, table["digest"], f"{at}.digest", "64 lower-case hex digits"),
        created_at=_instant(table["created_at"], f"{at}.created_at"),
        expires_at=None if ends is None else _instant(ends, f"{at}.expires_at"),
    )


def _object(value: Any, at: str, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Broken(at, "must be an object")
    for key in keys:
        if key not in value:
            raise Broken(at, f"lacks {key!r}")
    for key in value:
        if key not in keys:
            raise Broken(at, f"has {key!r}, which is no field; there are {', '.join(keys)}")
    return value


def _list(value: Any, at: str, most: int, read: Callable[[Any, str], T]) -> list[T]:
    if not isinstance(value, list):
        raise Broken(at, "must be a list")
    if len(value) > most:
        raise Broken(at, f"has {len(value):,} of at most {most:,}")
    return [read(one, f"{at}[{number}]") for number, one in enumerate(value)]


def _fields(value: Any, at: str) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise Broken(at, "must be an object")
    if len(value) > FIELDS_MAX:
        raise Broken(at, f"has {len(value):,} of at most {FIELDS_MAX:,}")
    return MappingProxyType({_text(role, at): _text(path, f"{at}.{role}") for role, path in value.items()})


def _allowed(value: Any, at: str) -> str:
    text = _text(value, at)
    if text not in networks.PRESETS:
        try:
            networks.network(text)
        except ValueError as error:
            raise Broken(at, f"{error}, or a preset: {', '.join(networks.PRESETS)}") from None
    return text


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str) or not value:
        raise Broken(at, "must be a text, not empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Broken(at, "has half a character (a lone surrogate)") from None
    if size > TEXT_BYTES_MAX:
        raise Broken(at, f"has {size:,} bytes of at most {TEXT_BYTES_MAX}")
    return value


def _like(pattern: re.Pattern[str], value: Any, at: str, words: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Broken(at, f"must be {words}")
    return value


def _one_of(known: tuple[T, ...], value: Any, at: str) -> T:
    for one in known:
        if value == one:
            return one
    raise Broken(at, f"must be one of {', '.join(map(str, known))}")


def _instant(value: Any, at: str) -> int:
    try:
        found = rfc3339.parse(_text(value, at))
    except ValueError as error:
        raise error if isinstance(error, Broken) else Broken(at, str(error)) from None
    if not 0 <= found <= INSTANT_MAX:
        raise Broken(at, "must be of the years 1970 to 9999")
    return found


def _refuse_twins(at: str, ids: Sequence[str]) -> None:
    for one in ids:
        if ids.count(one) > 1:
            raise Broken(at, f"{one!r} stands there twice")
