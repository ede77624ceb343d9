"""The one place where the settings' security becomes client settings, for both Kafka clients."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline.settings import Settings


def kafka_client(settings: Settings) -> dict[str, Any]:
    """Settings of confluent-kafka (librdkafka's names): the address and how to get in. It holds secrets: don't log it.

    Raises:
        SettingsError: no address.
    """
    kafka = settings.kafka
    given = {
        "bootstrap.servers": settings.kafka_address(),
        "security.protocol": kafka.security_protocol,
        "sasl.mechanism": kafka.sasl_mechanism,
        "sasl.username": kafka.sasl_username,
        "sasl.password": _plain(kafka.sasl_password),
        "ssl.ca.location": _path(kafka.ssl_ca_location),
        "ssl.certificate.location": _path(kafka.ssl_certificate_location),
        "ssl.key.location": _path(kafka.ssl_key_location),
        "ssl.key.password": _plain(kafka.ssl_key_password),
    }
    return {name: value for name, value in given.items() if value is not None}


def aiokafka_client(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of aiokafka's clients: the address and how to get in. It holds secrets: don't log it.

    Raises:
        SettingsError: no address.
        ssl.SSLError: a certificate or key file is not what it should be.
    """
    kafka = settings.kafka
    given: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_address(),
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol in ("SSL", "SASL_SSL"):
        given["ssl_context"] = _ssl_context(settings)
    if kafka.security_protocol.startswith("SASL_"):
        given["sasl_mechanism"] = kafka.sasl_mechanism
        given["sasl_plain_username"] = kafka.sasl_username
        given["sasl_plain_password"] = _plain(kafka.sasl_password)
    return given


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """Verifies the broker's certificate and its host name, as librdkafka does."""
    kafka = settings.kafka
    context = ssl.create_default_context(cafile=_path(kafka.ssl_ca_location))
    certificate = _path(kafka.ssl_certificate_location)
    if certificate is not None:
        # Without a password the ssl module would ask on the terminal: an empty one makes it fail instead.
        password = _plain(kafka.ssl_key_password) or ""
        context.load_cert_chain(certificate, _path(kafka.ssl_key_location), password)
    return context


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path.expanduser())
