"""The options of `tally endpoints` and what is wrong with them, told in the options' names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from connectors.collect import credentials, networks, signatures
from connectors.collect import endpoints_format as written
from connectors.collect.endpoint import CredentialKind
from connectors.collect.paste import OWN
from pipeline.cli import console
from pipeline.core import zones

if TYPE_CHECKING:
    from pipeline.settings import Settings

# What an endpoint can say the place of (`--field`); a tool whose body an account writes may carry more, as properties.
ROLES = (
    *("event", "event_id", "occurred_at", "is_test", "profile_id", "email", "phone", "message_id", "campaign_id"),
    *("link", "context", "launch_id", "send_message_id", "segment", "sources", "target", "split_source", "parts"),
    "deleted_profile_id",
)
_FREE_ROLES = ("brevo", "connectif", "mindbox")
_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_BASE_URL = re.compile(r"https?://[^\s/@?#]+(/[^\s?#]*)?")
_POINTER = re.compile(r"(/([^~/]|~[01])*)+")  # RFC 6901
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")  # of Unicode's categories
_SPAN = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SPAN_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
OVERLAP_DAYS_MAX = 90  # two keys for longer are two keys
# Headers that say something else already.
_TAKEN = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "expect", "host", "transfer-encoding"}
    | {"x-forwarded-for", signatures.HMAC_TIME_HEADER.lower()}
)


def vendor(given: str) -> str:
    """One of the vendors."""
    return _known("--vendor", given, tuple(credentials.CAN_SEND))


def account(given: str) -> str:
    """An account's id, which names somebody."""
    from pipeline.core.validate import is_nobody

    found = _id("--account", given)
    if is_nobody(found):
        _wrong(f"--account {given}: names nobody: what a tool writes where it has no name; give the tenant's own")
    return found


def source(given: str | None, vendor: str) -> str:
    """The events' source: the vendor itself, or for vendor `own` a producer's name, which is no vendor's."""
    if vendor != OWN:
        if given is not None:
            _wrong(
                f"--source {given}: events of {vendor} have the source {vendor}; --source is for --vendor {OWN} alone"
            )
        return vendor
    if given is None:
        _wrong(f"--source: missing; name the producer whose events these are, such as shop (--vendor {OWN} needs it)")
    if given in credentials.CAN_SEND:
        _wrong(f"--source {given}: is a vendor's name, whose events these would be taken for; name the producer")
    return _id("--source", given)


def event(given: str | None, vendor: str) -> str | None:
    """The default event: a key of the vendor's vocabulary, or what its translation takes beside these."""
    if given is None:
        return None
    if not _takes(vendor, _text("--event", given)):
        if vendor == "mindbox":
            _wrong(f"--event {given}: cannot be told by an endpoint: a plan is the operator's, a merge names several")
        table = "types.tsv" if vendor == OWN else "vendors.tsv"
        said = f"{_near(given, _keys(vendor))}. All of them: schemas/vocabulary/{table}"
        _wrong(f"--event {given}: is no event of {vendor}{said}")
    return given


def time_zone(given: str) -> str:
    """An IANA zone."""
    if given not in zones.names():
        _wrong(f"--time-zone {given}: is no IANA time zone{_near(given, sorted(zones.names()))}")
    return given


def fields(given: Sequence[str] | None, vendor: str) -> Mapping[str, str]:
    """Roles and where they are found."""
    found: dict[str, str] = {}
    if given and vendor == OWN:
        _wrong(f"--field {given[0]}: events of --vendor {OWN} have the names of docs/semantics.md")
    for one in given or ():
        role, equals, place = one.partition("=")
        if not equals or not place:
            _wrong(f"--field {one}: write it as ROLE=PLACE, such as occurred_at=/meta/time")
        if role in found:
            _wrong(f"--field {one}: {role} is given twice")
        _role(one, role, vendor)
        if place.startswith("/") and not _POINTER.fullmatch(place):
            _wrong(f"--field {one}: is no JSON pointer: in one, ~ is written ~0, and a / that is part of a key ~1")
        found[role] = _text(f"--field {role}", place)
    if len(found) > written.FIELDS_MAX:
        _wrong(f"--field: {len(found)} of at most {written.FIELDS_MAX}")
    return MappingProxyType(found)


def allow(given: Sequence[str] | None) -> tuple[str, ...]:
    """Networks in their shortest writing, and presets by name."""
    found = dict.fromkeys(_allowed(one) for one in given or ())
    if len(found) > written.ALLOW_MAX:
        _wrong(f"--allow: {len(found)} of at most {written.ALLOW_MAX}")
    return tuple(found)


def kind(given: str | None, vendor: str) -> CredentialKind:
    """The kind of key; the vendor's best one where none is given."""
    can_send = credentials.CAN_SEND[vendor]
    if given is None:
        return can_send[0]
    names = {name(one): one for one in credentials.KINDS}
    found = names[_known("--credential", given, tuple(names))]
    if found not in can_send:
        listed = ", ".join(map(name, can_send))
        console.say(f"--credential {given}: {vendor} is not known to be able to send it, but {listed}")
    return found


def name(kind: CredentialKind) -> str:
    """A kind as options write it."""
    return kind.replace("_", "-")


def header(given: str | None, kind: CredentialKind) -> str:
    """The header of a key or of a signature; empty for the other kinds."""
    default = {"header": credentials.KEY_HEADER, "hmac": signatures.HMAC_HEADER}.get(kind, "")
    if given is None:
        return default
    if not default:
        _wrong(f"--header {given}: is for --credential header and hmac, not for {name(kind)}")
    if not written.HEADER_NAME.fullmatch(given):
        _wrong(f"--header {given}: is no name of a header: letters, digits and -")
    if given.lower() in _TAKEN:
        _wrong(f"--header {given}: says something else already; choose another, such as {default}")
    return given


def signing_key(settings: Settings, kind: CredentialKind) -> bytes | None:
    """The deployment's signing key, where the kind needs it."""
    key = settings.collect.signing_key
    if key is not None:
        return bytes.fromhex(key.get_secret_value())
    if kind in credentials.SIGNING:
        mend = "set it to 64 hex digits, the same for all collectors, for ever; to make some: openssl rand -hex 32"
        _wrong(f"{name(kind)}: its keys are derived from TALLY_COLLECT__SIGNING_KEY, which is not set: {mend}")
    return None


def base_url(given: str | None, settings: Settings) -> str:
    """How vendors reach the collector: as given, as set, or where it listens."""
    collect = settings.collect
    if given is not None:
        return _reachable("--base-url", given)
    if collect.public_url is not None:
        return _reachable("TALLY_COLLECT__PUBLIC_URL", collect.public_url)
    host = f"[{collect.host}]" if ":" in collect.host else collect.host
    found = f"{'https' if collect.tls_certificate else 'http'}://{host}:{collect.port or 'PORT'}"
    console.say(f"URLs begin with {found}, where the collector listens: --base-url says how the vendor reaches it")
    return found


def overlap(given: str) -> int:
    """A span in microseconds."""
    found = _SPAN.fullmatch(given)
    span = 0 if given == "0" else int(found[1]) * _SPAN_US[found[2]] if found else -1
    if not 0 <= span <= OVERLAP_DAYS_MAX * _SPAN_US["d"]:
        _wrong(f"--overlap {given}: write it like 7d, 12h or 30m, or 0 for none; {OVERLAP_DAYS_MAX}d at most")
    return span


def _reachable(name: str, url: str) -> str:
    """The URL; where a key would go over a network in plain text, that is said."""
    try:
        host = urlsplit(url).hostname if _BASE_URL.fullmatch(url) and urlsplit(url).port != 0 else None
    except ValueError:  # a port above 65535, brackets around what is no address
        host = None
    if host is None:
        _wrong(f"{name} {url}: write it like https://hooks.example.com, without a login")
    one = networks.address(host)
    if url.startswith("http://") and host != "localhost" and not (one is not None and one.is_loopback):
        console.say(f"{url}: over HTTP a key goes in plain text, and with it whoever reads it can deliver: use HTTPS")
    return url


def _takes(vendor: str, event: str) -> bool:
    """Whether the vendor's translation knows it; of vendors whose payloads an account writes, canonical types too."""
    from connectors.collect.default_types import NOT_BY_ENDPOINT, canonical

    if vendor == "brevo":
        from connectors.collect.brevo import keys as brevo

        return brevo.default(event)[0] is not None
    if vendor == "connectif":
        from connectors.collect.connectif import keys as connectif

        return canonical(event) is not None or connectif.type_of(connectif.normal(event)) is not None
    if vendor == OWN:
        return canonical(event) is not None
    return event not in NOT_BY_ENDPOINT if vendor == "mindbox" else event in _keys(vendor)


def _keys(vendor: str) -> tuple[str, ...]:
    from pipeline.core import vocabulary

    if vendor == OWN:
        return tuple(vocabulary.load().types)
    found = [place for named, place in vocabulary.load().vendors if named == vendor]
    return tuple(dict.fromkeys([*(place.partition("/")[2] for place in found), *found]))


def _role(given: str, role: str, vendor: str) -> None:
    if role in ROLES:
        return
    said = _near(role, list(ROLES))
    if vendor not in _FREE_ROLES:
        _wrong(f"--field {given}: {role!r} is no role{said}. The roles: {', '.join(ROLES)}")
    if not _ROLE.fullmatch(role):
        _wrong(f"--field {given}: a role has letters, digits, _ . and -, 64 at most")
    if said:
        console.say(f"--field {given}: {role} is no role{said}; it is kept as a property of that name")


def _allowed(given: str) -> str:
    if given in networks.PRESETS:
        return given
    try:
        return str(networks.network(given))
    except ValueError as error:
        preset = _near(given, list(networks.PRESETS)) or f"; or a preset: {', '.join(networks.PRESETS)}"
        _wrong(f"--allow {given}: {error}{preset}")


def _id(option: str, given: str) -> str:
    found = _text(option, given)
    if found != found.strip():
        _wrong(f"{option} {given!r}: has space around it")
    if any(unicodedata.category(character) in _UNSEEN for character in found):
        _wrong(f"{option} {given!a}: has a character that none sees: a line break, a control or a format character")
    return found


def _text(option: str, given: str) -> str:
    try:
        size = len(given.encode())
    except UnicodeEncodeError:
        _wrong(f"{option} {given!r}: is no text in UTF-8")
    if not 0 < size <= written.TEXT_BYTES_MAX:
        _wrong(f"{option}: must have 1 to {written.TEXT_BYTES_MAX} bytes, and has {size:,}")
    return given


def _known(option: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        said = _near(given, list(known)) or f": {', '.join(known)}"
        _wrong(f"{option} {given}: there is no such one{said}")
    return given


def _near(name: str, known: Sequence[str]) -> str:
    from pipeline.allowance.plan_change import near

    found = near(name, known)
    return f"; near it: {', '.join(found)}" if found else ""


def _wrong(message: str) -> NoReturn:
    console.fail(message, console.Exit.USAGE)
