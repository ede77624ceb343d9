"""The endpoints' file as commands read and change it: what is wrong ends the command in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from connectors.collect import endpoints
from connectors.collect.credentials import Issued
from connectors.collect.endpoint import Endpoint
from pipeline.allowance.plan_change import near
from pipeline.cli import console
from pipeline.cli import endpoints_told as told
from pipeline.settings import Settings

Step = Callable[[tuple[Endpoint, ...]], tuple[Endpoint, ...]]


class Shown(NamedTuple):
    """How a key that was just made is shown; `file`: where its secret goes instead."""

    base_url: str
    file: Path | None
    format: console.Format


def keep(settings: Settings, step: Step, issued: Issued, shown: Shown) -> None:
    """Write the change, then show its new key; where it cannot be written there is no secret file either."""
    key, file = issued.credential, shown.file
    try:
        with told.secret_file(file) as path:
            if path is not None:
                path.write_text(issued.secret + "\n", encoding="ascii")
            kept = change(settings, step)
    except OSError as error:
        console.fail(f"--secret-file {file}: {error.strerror}. Name a file that is not there yet", console.Exit.USAGE)
    endpoint = next(one for one in kept if key in one.credentials)
    secret = told.Secret(issued.secret, file)
    told.tell(told.Told(endpoint, key, shown.base_url, key.created_at, secret), shown.format)
    where = "is shown this once" if file is None else f"is in {file} and nowhere else"
    console.say(f"the secret {where}; collectors know the key within a second")


def of_one(endpoint: str, step: Callable[[Endpoint], Endpoint]) -> Step:
    """The change of one endpoint as a change of all; ends the command where there is no such one."""

    def stepped(before: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        found = one(before, endpoint)
        return tuple(step(other) if other is found else other for other in before)

    return stepped


def known(settings: Settings) -> tuple[Endpoint, ...]:
    """The endpoints of the file; ends the command where it cannot be used."""
    try:
        return endpoints.read(settings.endpoints_file())
    except endpoints.StoreError as error:
        console.fail(str(error))


def change(settings: Settings, step: Step) -> tuple[Endpoint, ...]:
    """Change the file; ends the command where that cannot be done."""
    try:
        return endpoints.change(settings.endpoints_file(), step)
    except endpoints.StoreError as error:
        console.fail(str(error))


def one(among: tuple[Endpoint, ...], id_: str) -> Endpoint:
    """The endpoint of an id; ends the command where there is none."""
    found = next((other for other in among if other.id == id_), None)
    return found or _unknown(among, id_)


def _unknown(among: tuple[Endpoint, ...], id_: str) -> NoReturn:
    found = near(id_, [other.id for other in among])
    said = f"; near it: {', '.join(found)}" if found else ""
    console.fail(f"{id_}: there is no such endpoint{said}. `tally endpoints list`")
