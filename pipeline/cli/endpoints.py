"""`tally endpoints new|list|show`: where vendors deliver to; `rotate`, `revoke`, `remove` are of `endpoints_keys`."""

from __future__ import annotations

import time
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import console

Id = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, as `tally endpoints list` shows it.")]
Base = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="How the vendor reaches the collector; else as set.")
]
SecretFile = Annotated[
    Path | None, typer.Option("--secret-file", metavar="FILE", help="Write the secret there (0600), and show it not.")
]
Format = Annotated[console.Format, typer.Option("--format", help="How to print.")]


def new(  # style: a command's options are its parameters
    vendor: Annotated[
        str, typer.Option("--vendor", metavar="V", help="altcraft, brevo, connectif, mindbox, or own: your producer.")
    ],
    account: Annotated[str, typer.Option("--account", metavar="A", help="The tenant that all its events are of.")],
    event: Annotated[
        str | None,
        typer.Option("--event", metavar="E", help="What a payload is that does not say it, such as push/push_opened."),
    ] = None,
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="Z", help="IANA zone of times that have none.")
    ] = "UTC",
    source: Annotated[
        str | None, typer.Option("--source", metavar="S", help="With --vendor own: the producer, such as shop.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="ROLE=PLACE", help="Where a role is: a key or a JSON pointer; any number."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="NETWORK", help="Take deliveries from it alone: CIDR, or brevo; any number."),
    ] = None,
    credential: Annotated[
        str | None,
        typer.Option(
            "--credential",
            metavar="KIND",
            help="path, basic, bearer, header, hmac or standard-webhooks; default: the best that the vendor can send.",
        ),
    ] = None,
    header: Annotated[
        str | None, typer.Option("--header", metavar="NAME", help="Of the key (header) or the signature (hmac).")
    ] = None,
    base_url: Base = None,
    secret_file: SecretFile = None,
    format_: Format = console.Format.TABLE,
) -> None:
    """Make an endpoint, and show its URL, its key and what to set in the vendor's tool.

    The secret is shown now and never again: only its SHA-256 is kept. Running collectors know the endpoint within a
    second. The account is the endpoint's, whatever a payload says.

    Exit codes: 0 made, 1 the endpoints' file cannot be used or written, 2 a wrong option.

    Examples:

      tally endpoints new --vendor altcraft --account acme --base-url https://hooks.example.com

      tally endpoints new --vendor brevo --account acme --event push/push_notification_clicked --allow brevo

      tally endpoints new --vendor mindbox --account acme --time-zone Europe/Berlin --field profile_id=/customer/ids/crm

      tally endpoints new --vendor own --account acme --source shop --credential standard-webhooks --format json
    """
    from connectors.collect import credentials
    from connectors.collect.endpoint import Endpoint
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept
    from pipeline.cli import endpoints_options as options

    settings, at = tree.load(), now_us()
    vendor = options.vendor(vendor)
    kind = options.kind(credential, vendor)
    made = Endpoint(
        id=credentials.new_endpoint_id(vendor),
        vendor=vendor,
        account=options.account(account),
        source=options.source(source, vendor),
        event=options.event(event, vendor),
        time_zone=options.time_zone(time_zone),
        fields=options.fields(field, vendor),
        allow=options.allow(allow),
        created_at=at,
    )
    named, key = options.header(header, kind), options.signing_key(settings, kind)
    base = options.base_url(base_url, settings)
    issued = credentials.issue(made.id, kind, named, at, key)
    made = replace(made, credentials=(issued.credential,))
    kept.keep(settings, lambda known: (*known, made), issued, kept.Shown(base, secret_file, format_))


def list_(
    account: Annotated[
        str, typer.Option("--account", metavar="PATTERN", help="Accounts; * and ? stand for anything.")
    ] = "*",
    vendor: Annotated[str | None, typer.Option("--vendor", metavar="V", help="Of that vendor alone.")] = None,
    format_: Format = console.Format.TABLE,
) -> None:
    """All endpoints, with how many keys of each are live.

    Exit codes: 0 shown, 1 the endpoints' file cannot be used, 2 a wrong option.

    Examples:

      tally endpoints list

      tally endpoints list --account 'shop-*' --vendor brevo --format json
    """
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept
    from pipeline.cli import endpoints_options as options
    from pipeline.cli import endpoints_told

    wanted = None if vendor is None else options.vendor(vendor)
    found = [
        one for one in kept.known(tree.load()) if fnmatchcase(one.account, account) and wanted in (None, one.vendor)
    ]
    endpoints_told.list_(found, now_us(), format_)


def show(endpoint: Id, base_url: Base = None, format_: Format = console.Format.TABLE) -> None:
    """An endpoint's URL, its keys, and what to set in the vendor's tool; for Connectif and Mindbox the body to paste.

    A secret is shown when it is made and never again; where it was lost, `tally endpoints rotate` makes another.

    Exit codes: 0 shown, 1 there is no such endpoint, or the file cannot be used, 2 a wrong option.

    Examples:

      tally endpoints show brevo-k7m2x9qd4w

      tally endpoints show mindbox-p3v8h2nc5t --base-url https://hooks.example.com --format json
    """
    from connectors.collect import credentials, guard
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept
    from pipeline.cli import endpoints_options as options
    from pipeline.cli import endpoints_told

    settings, at = tree.load(), now_us()
    found = kept.one(kept.known(settings), endpoint)
    base = options.base_url(base_url, settings)
    live = credentials.live(found, at)
    fault = guard.Guard(guard.security(settings)).signing_key_fault(found)
    endpoints_told.tell(endpoints_told.Told(found, live[-1] if live else None, base, at, fault=fault), format_)
    if not live:
        console.say(f"{endpoint} has no live key and takes nothing: `tally endpoints rotate {endpoint}` makes one")
    elif fault is None:
        console.say(f"the secret was shown when it was made; lost: `tally endpoints rotate {endpoint}`")
    if fault is not None:
        console.say(fault)


def now_us() -> int:
    """The clock of this command, UTC microseconds."""
    return time.time_ns() // 1_000
