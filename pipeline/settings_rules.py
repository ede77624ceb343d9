"""What is wrong with settings: a value outside its bounds, values that contradict each other; each with its mend."""

from __future__ import annotations

import base64
import re
import types
import typing
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipeline.settings_faults import Fault
from pipeline.settings_sources import env_name

if TYPE_CHECKING:
    from pipeline.settings import Settings

SECRET_BYTES = (24, 64)  # of a webhook's secret, as the Standard Webhooks have it
SIGNING_KEY_DIGITS = 64  # hexadecimal: 32 bytes, as many as SHA-256 has
_SIGNING_KEY = re.compile(rf"[0-9a-fA-F]{{{SIGNING_KEY_DIGITS}}}")
_ADDRESS = re.compile(r"https?://([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#]\S*)?")
_HIDING = {"@", "?"}  # in an address: what a login or a token goes with


def fault_of(name: str, field: FieldInfo | None, error: Mapping[str, Any], given: object) -> Fault:
    """A value that its field refuses. A secret's value is not told, nor an address that may hold one."""
    secret = field is not None and (
        SecretStr in _kinds(field) or (name.endswith(".url") and bool(_HIDING & {*str(given)}))
    )
    shown = "the value given" if secret else repr(given)
    if field is None:
        return Fault(env_name(name), str(error["msg"]), "See `tally settings`")
    default = field.get_default()
    mend = "Mend it, or unset it" if default in (None, "") else f"Mend it, or unset it for the default, {default}"
    return Fault(env_name(name), f"{shown} is not {expected(field)}", mend)


def expected(field: FieldInfo) -> str:
    """What a field takes, in words: `a whole number from 1 to 1024`."""
    kinds = _kinds(field)
    bounds = {type(rule).__name__.lower(): rule for rule in field.metadata}
    low, high = getattr(bounds.get("ge"), "ge", None), getattr(bounds.get("le"), "le", None)
    if float in kinds:
        return f"a number above {bounds['gt'].gt}, up to {high}"
    if literal := [kind for kind in kinds if typing.get_origin(kind) is Literal]:
        return "one of " + ", ".join(str(value) for value in typing.get_args(literal[0]))
    if int in kinds:
        if low is not None and high is not None:
            return f"a whole number from {low} to {high}"
        return "a whole number" if low is None else f"a whole number of at least {low}"
    if Path in kinds:
        return "a path"
    return f"text such as {field.examples[0]}" if field.examples else "text"


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    union = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
    return typing.get_args(field.annotation) if union else (field.annotation,)


_Found = Iterator[tuple[str, str, str]]


def contradictions(settings: Settings, wrong: Container[str] = ()) -> list[Fault]:
    """Values that are right alone and wrong together. A rule that rests on a setting in `wrong` is not asked."""
    rules: tuple[tuple[Callable[[Settings], _Found], tuple[str, ...]], ...] = (
        (_seed, ()),
        (_sasl, ("kafka.security_protocol",)),
        (_ssl, ("kafka.security_protocol",)),
        (_topics, ("topics.min_insync_replicas", "topics.replication_factor")),
        (_groups, ("worker.group_id", "sink.group_id", "notify.group_id")),
        (_webhook, ("notify.url",)),
        (_rules, ("rules.window_days", "rules.unique_days")),
        (_accounts, ("schema_registry.url", "clickhouse.url")),
        (_signing_key, ()),
        (_tls, ()),
        (_networks, ("collect.trusted_proxies", "collect.brevo_networks")),
    )
    return [
        Fault(env_name(name), problem, mend)
        for rule, rests_on in rules
        if not any(name in wrong for name in rests_on)
        for name, problem, mend in rule(settings)
    ]


def _seed(settings: Settings) -> _Found:
    from pipeline.settings import SEED_DIGITS, is_seed

    if settings.hash_seed is not None and not is_seed(settings.hash_seed.get_secret_value()):
        mend = f"Use the same {SEED_DIGITS} digits for all workers, for ever; to make some: openssl rand -hex 8"
        yield "hash_seed", f"the value given is not {SEED_DIGITS} hex digits", mend


def _sasl(settings: Settings) -> _Found:
    kafka = settings.kafka
    protocol = kafka.security_protocol
    if protocol.startswith("SASL_"):
        for name, value in (
            ("sasl_mechanism", kafka.sasl_mechanism),
            ("sasl_username", kafka.sasl_username),
            ("sasl_password", kafka.sasl_password),
        ):
            if value is None:
                yield f"kafka.{name}", f"missing, since TALLY_KAFKA__SECURITY_PROTOCOL is {protocol}", "Set it"
        return
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        if getattr(kafka, name) is not None:
            secured = "SASL_SSL" if protocol == "SSL" else "SASL_SSL (or SASL_PLAINTEXT)"
            mend = f"Set TALLY_KAFKA__SECURITY_PROTOCOL={secured}, or unset this one"
            yield f"kafka.{name}", f"given, but the protocol {protocol} has no login", mend


def _ssl(settings: Settings) -> _Found:
    kafka = settings.kafka
    encrypted = kafka.security_protocol in ("SSL", "SASL_SSL")
    for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
        path = getattr(kafka, name)
        if path is None:
            continue
        if not encrypted:
            mend = "Set TALLY_KAFKA__SECURITY_PROTOCOL to SSL or SASL_SSL, or unset this one"
            yield f"kafka.{name}", f"given, but the protocol {kafka.security_protocol} is not encrypted", mend
        elif not path.expanduser().is_file():
            yield f"kafka.{name}", f"there is no file {path}", "Point it at a PEM file"
    if kafka.ssl_key_location and not kafka.ssl_certificate_location:
        yield "kafka.ssl_certificate_location", "missing, since a key is given", "Set it to the certificate of that key"
    if kafka.ssl_certificate_location and not kafka.ssl_key_location:
        yield "kafka.ssl_key_location", "missing, since a certificate is given", "Set it to the key of that certificate"
    if kafka.ssl_key_password is not None and not kafka.ssl_key_location:
        yield "kafka.ssl_key_password", "given without a key", "Set TALLY_KAFKA__SSL_KEY_LOCATION, or unset this one"


def _topics(settings: Settings) -> _Found:
    topics = settings.topics
    if topics.min_insync_replicas > topics.replication_factor:
        problem = f"{topics.min_insync_replicas} copies must have a record, but there are {topics.replication_factor}"
        yield "topics.min_insync_replicas", problem, "Lower it, or raise TALLY_TOPICS__REPLICATION_FACTOR"


def _groups(settings: Settings) -> _Found:
    if settings.worker.group_id == settings.sink.group_id:
        mend = "Give worker and sink groups of their own"
        yield "sink.group_id", f"the same as TALLY_WORKER__GROUP_ID, {settings.sink.group_id}", mend
    notify = settings.notify.group_id
    for name in ("worker", "sink"):
        if settings.value(f"{name}.group_id") in (notify, f"{notify}-webhook"):
            taken = f"with its webhook's group, {notify}-webhook, the same as {env_name(f'{name}.group_id')}"
            yield "notify.group_id", taken, "Give `tally notify` groups of its own"


def _webhook(settings: Settings) -> _Found:
    notify = settings.notify
    if notify.url is not None:
        yield from _address(notify.url.get_secret_value())
    make = f'make one: echo "whsec_$(openssl rand -base64 {SECRET_BYTES[0]})"'
    if notify.secret is None:
        if notify.url is not None:
            yield "notify.secret", "missing, since TALLY_NOTIFY__URL is given and what is sent is signed", f"To {make}"
        return
    if notify.url is None:
        yield "notify.url", "missing, since a secret for it is given", "Set it, or unset the secret"
    secrets = notify.secret.get_secret_value().split()
    if not secrets or not all(_is_webhook_secret(secret) for secret in secrets):
        low, high = SECRET_BYTES
        yield "notify.secret", f"the value given is not whsec_ and base64 of {low} to {high} bytes", f"To {make}"


def _address(url: str) -> _Found:
    if _is_address(url):
        return
    if "@" in url:
        mend = "Take it out: what is sent is signed with TALLY_NOTIFY__SECRET; a token may stand in path or query"
        yield "notify.url", "it holds a login (what stands before @), which is not accepted", mend
        return
    mend = "Write it as http(s)://host[:port][/path], or unset it"
    yield "notify.url", "the value given is not an address such as https://example.com/tally", mend


def _is_address(url: str) -> bool:
    try:
        return _ADDRESS.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # a port above 65535, a host in brackets that is no IPv6
        return False


def _is_webhook_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]


def _rules(settings: Settings) -> _Found:
    rules = settings.rules
    if rules.unique_days <= rules.window_days:
        problem = f"{rules.unique_days} days do not cover the acceptance window of {rules.window_days}"
        mend = "Raise it above TALLY_RULES__WINDOW_DAYS: a late open could not find the fact that it belongs to"
        yield "rules.unique_days", problem, mend


def _accounts(settings: Settings) -> _Found:
    registry, clickhouse = settings.schema_registry, settings.clickhouse
    if registry.url is None and (registry.username is not None or registry.password is not None):
        yield "schema_registry.url", "missing, since a login to it is given", "Set it, or unset the login"
    if registry.url is not None and (registry.username is None) != (registry.password is None):
        lacking = "username" if registry.username is None else "password"
        yield f"schema_registry.{lacking}", "missing, since its other half is given", "Set both, or neither"
    if clickhouse.url is not None and "@" in clickhouse.url:
        user = clickhouse.url.split("://", 1)[1].split("@", 1)[0]
        if ":" in user:
            mend = "Take it out of the URL and set TALLY_CLICKHOUSE__PASSWORD or TALLY_CLICKHOUSE__PASSWORD_FILE"
            yield "clickhouse.url", "it holds a password, which would be shown in logs", mend


def _signing_key(settings: Settings) -> _Found:
    key = settings.collect.signing_key
    if key is not None and not _SIGNING_KEY.fullmatch(key.get_secret_value()):
        mend = "Use the same for all collectors, for ever; to make one: openssl rand -hex 32"
        yield "collect.signing_key", f"the value given is not {SIGNING_KEY_DIGITS} hex digits", mend


def _tls(settings: Settings) -> _Found:
    collect = settings.collect
    for name, path in (("tls_certificate", collect.tls_certificate), ("tls_key", collect.tls_key)):
        if path is not None and not path.expanduser().is_file():
            yield f"collect.{name}", f"there is no file {path}", "Point it at a PEM file"
    if collect.tls_key is not None and collect.tls_certificate is None:
        yield "collect.tls_certificate", "missing, since a key is given", "Set it to the certificate of that key"
    if collect.tls_certificate is not None and collect.tls_key is None:
        yield "collect.tls_key", "missing, since a certificate is given", "Set it to the key of that certificate"
    if collect.tls_key_password is not None and collect.tls_key is None:
        yield "collect.tls_key_password", "given without a key", "Set TALLY_COLLECT__TLS_KEY, or unset this one"


def _networks(settings: Settings) -> _Found:
    from connectors.collect import networks

    for name in ("trusted_proxies", "brevo_networks"):
        try:
            networks.listed(str(settings.value(f"collect.{name}")))
        except ValueError as error:
            yield f"collect.{name}", str(error), "Mend it, or unset it"
