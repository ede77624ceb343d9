"""`tally endpoints rotate|revoke|remove`: keys that begin and end, and endpoints that go."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import rfc3339
from pipeline.cli import console
from pipeline.cli.endpoints import Base, Format, Id, SecretFile, now_us

if TYPE_CHECKING:
    from connectors.collect.endpoint import Credential, Endpoint


def rotate(
    endpoint: Id,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="SPAN", help="How long the old key is still taken; 0: not at all.")
    ] = "7d",
    base_url: Base = None,
    secret_file: SecretFile = None,
    format_: Format = console.Format.TABLE,
) -> None:
    """Make a new key of the same kind; the old one is taken until the overlap ends, or `tally endpoints revoke`.

    Two keys are live at most. The new secret is shown now and never again.

    Exit codes: 0 made, 1 no such endpoint, two keys are live already, or the file cannot be written, 2 a wrong option.

    Examples:

      tally endpoints rotate altcraft-t6c3w8zn2k

      tally endpoints rotate brevo-k7m2x9qd4w --overlap 12h --secret-file brevo.key

      tally endpoints rotate brevo-k7m2x9qd4w --overlap 0
    """
    from connectors.collect import credentials
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept
    from pipeline.cli import endpoints_options as options

    settings, at, span = tree.load(), now_us(), options.overlap(overlap)
    found = kept.one(kept.known(settings), endpoint)
    last = (credentials.live(found, at) or found.credentials)[-1:]
    kind = last[0].kind if last else options.kind(None, found.vendor)
    named = last[0].name if last else options.header(None, kind)
    key, base = options.signing_key(settings, kind), options.base_url(base_url, settings)
    issued = credentials.issue(found.id, kind, named, at, key)

    def turned(one: Endpoint) -> Endpoint:
        try:
            return credentials.rotated(one, issued.credential, at, span)
        except ValueError as error:
            mend = f"`tally endpoints revoke {one.id}` ends the older one, `--overlap 0` both"
            console.fail(f"{one.id}: {error}, which is the most there may be. {mend}")

    kept.keep(settings, kept.of_one(endpoint, turned), issued, kept.Shown(base, secret_file, format_))


def revoke(
    endpoint: Id,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The id of the key; default: the one in its overlap.")
    ] = None,
) -> None:
    """End a key at once: the old one after a rotation, or the one that --key names.

    Collectors take it no more within a second. An endpoint without a live key takes nothing until it is rotated.

    Exit codes: 0 ended, 1 no such endpoint or key, or the file cannot be written, 2 a wrong option.

    Examples:

      tally endpoints revoke brevo-k7m2x9qd4w

      tally endpoints revoke brevo-k7m2x9qd4w --key h4t9wc
    """
    from connectors.collect import credentials
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept

    ended: list[Credential] = []

    def without(one: Endpoint) -> Endpoint:
        ended[:] = [_to_revoke(one, key)]
        return replace(one, credentials=tuple(other for other in one.credentials if other not in ended))

    left = kept.one(kept.change(tree.load(), kept.of_one(endpoint, without)), endpoint)
    console.say(f"{endpoint}: key {ended[0].id} is ended; collectors know it within a second")
    ends = [one.expires_at for one in credentials.live(left, now_us())]
    if not ends:
        console.say(f"{endpoint} has no live key and takes nothing: `tally endpoints rotate {endpoint}` makes one")
    elif ends[0] is not None:
        console.say(f"the key that is left ends at {rfc3339.text(ends[0])}: `tally endpoints rotate {endpoint}`")


def remove(endpoint: Id) -> None:
    """Remove an endpoint with its keys; what was delivered to it stays. Deliveries are refused within a second.

    An id never comes again: to stop deliveries for a while, `tally endpoints revoke` its key instead.

    Exit codes: 0 removed, 1 there is no such endpoint, or the file cannot be written, 2 a wrong option.

    Examples:

      tally endpoints remove altcraft-t6c3w8zn2k
    """
    from pipeline import settings as tree
    from pipeline.cli import endpoints_kept as kept

    def without(known: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        gone = kept.one(known, endpoint)
        return tuple(one for one in known if one is not gone)

    kept.change(tree.load(), without)
    console.say(f"{endpoint} is removed; collectors know it within a second")


def _to_revoke(endpoint: Endpoint, key: str | None) -> Credential:
    """The key that is meant; ends the command where none is."""
    from connectors.collect import credentials

    live = credentials.live(endpoint, now_us())
    if key is not None:
        found = [one for one in endpoint.credentials if one.id == key]
        listed = ", ".join(one.id for one in endpoint.credentials) or "none"
        return found[0] if found else console.fail(f"{endpoint.id} has no key {key}; its keys: {listed}")
    ending = [one for one in live if one.expires_at is not None]
    if len(ending) != 1:
        listed = ", ".join(one.id for one in live) or "none"
        hint = "it takes nothing without a live key" if len(live) == 1 else "name one"
        console.fail(f"{endpoint.id}: no key is in its overlap; live: {listed}. --key ends one all the same; {hint}")
    return ending[0]
