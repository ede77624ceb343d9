"""What the collector is told: bounds that hold, and a certificate that may change while it runs."""

from __future__ import annotations

import resource
import ssl
from pathlib import Path

import pytest
import trustme

from connectors.collect import settings as told
from connectors.collect.settings import Certificate
from pipeline.settings import Settings, SettingsError, load

AUTHORITY = trustme.CA()


def make(folder: Path, name: str) -> Settings:
    """A certificate and its key in the folder's files."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = AUTHORITY.issue_cert(f"{name}.example")
    made.private_key_pem.write_to_path(folder / "new.key")
    made.cert_chain_pems[0].write_to_path(folder / "new.pem")
    (folder / "new.pem").replace(certificate)
    (folder / "new.key").replace(key)
    return load({"collect.tls_certificate": str(certificate), "collect.tls_key": str(key)}, {}, folder)


def test_without_a_certificate_there_is_no_tls(tmp_path: Path) -> None:
    assert told.certificate(load({}, {}, tmp_path)) is None


def test_a_certificate_that_was_renewed_is_taken_once(tmp_path: Path) -> None:
    certificate = Certificate(make(tmp_path, "one"))
    assert not certificate.renew()
    make(tmp_path, "two")
    assert certificate.renew()
    assert not certificate.renew()


def test_a_renewed_certificate_that_cannot_be_used_changes_nothing_and_is_told_again(tmp_path: Path) -> None:
    certificate = Certificate(make(tmp_path, "one"))
    (tmp_path / "key.pem").write_text("no key")
    for _ in range(2):
        with pytest.raises(OSError, match=r"PEM|SSL"):
            certificate.renew()
    (tmp_path / "key.pem").unlink()
    with pytest.raises(FileNotFoundError):
        certificate.renew()


def test_a_certificate_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    settings = make(tmp_path, "one")
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        Certificate(settings)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"collect.tls_key": "cert.pem"}, "TALLY_COLLECT__TLS_CERTIFICATE"),
        ({"collect.tls_certificate": "cert.pem"}, "TALLY_COLLECT__TLS_KEY"),
        ({"collect.tls_certificate": "none.pem", "collect.tls_key": "cert.pem"}, "no file none.pem"),
        ({"collect.tls_key_password": "x"}, "TALLY_COLLECT__TLS_KEY_PASSWORD: given without a key"),
    ],
)
def test_half_of_what_tls_needs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], named: str
) -> None:
    (tmp_path / "cert.pem").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=named):
        load(given, {}, tmp_path)


@pytest.mark.parametrize(("files", "connections"), [(told.FILES_LEFT + 7, 7), (1, 1), (-1, told.CONNECTIONS_MAX)])
def test_there_are_never_more_connections_than_files_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert told.bounds(load({}, {}, tmp_path)).connections_max == connections
