"""`tally`: every command, where it lives and what it does, in the order in which a newcomer meets them.

A command's module is imported when the command is run or asked for its own help, so `tally --help` stays quick.
"""

from __future__ import annotations

import functools
import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli import console

# Name on the line -> (module:function, its line in the help). "topics plan" is the command plan of the group topics.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("pipeline.cli.demo:demo", "Run the whole pipeline on this machine, with a report."),
    "up": ("pipeline.cli.stack:up", "Start the local Kafka and ClickHouse in the background."),
    "down": ("pipeline.cli.stack:down", "Stop the local stack; its data is kept."),
    "status": ("pipeline.cli.stack:status", "What runs, where, how far behind, and what is refused."),
    "settings": ("pipeline.cli.settings:settings", "The settings in force, secrets masked, and where each comes from."),
    "capacity": ("pipeline.cli.capacity:capacity", "What a load needs: partitions, workers, memory, disk."),
    "topics plan": ("pipeline.cli.topics:plan", "Show how the topics differ from the settings."),
    "topics apply": ("pipeline.cli.topics:apply", "Create and configure the topics."),
    "migrate": ("pipeline.cli.clickhouse:migrate", "Bring ClickHouse's tables and views up to date."),
    "worker": ("pipeline.cli.worker:worker", "Run a worker: events to journal."),
    "sink": ("pipeline.cli.clickhouse:sink", "Run a sink: journal to ClickHouse."),
    "notify": ("pipeline.cli.notify:notify", "Run the alerts' service: journal to topic and webhook."),
    "collect": ("pipeline.cli.collect:collect", "Run a collector: vendors' deliveries over HTTP to the topics."),
    "endpoints new": ("pipeline.cli.endpoints:new", "Make an endpoint that a vendor delivers to, and its key."),
    "endpoints list": ("pipeline.cli.endpoints:list_", "All endpoints."),
    "endpoints show": ("pipeline.cli.endpoints:show", "An endpoint's URL, and what to set in the vendor's tool."),
    "endpoints rotate": ("pipeline.cli.endpoints_keys:rotate", "Make a new key; the old one is taken for a while."),
    "endpoints revoke": ("pipeline.cli.endpoints_keys:revoke", "End a key at once."),
    "endpoints remove": ("pipeline.cli.endpoints_keys:remove", "Remove an endpoint."),
    "produce": ("pipeline.cli.produce:produce", "Publish events from JSON lines."),
    "import": ("pipeline.cli.import_:import_", "Publish the history that a vendor's tool exported."),
    "simulate": ("pipeline.cli.simulate:simulate", "Publish seeded, realistic traffic."),
    "wait": ("pipeline.cli.wait:wait", "Wait until all that was produced is accounted for in ClickHouse."),
    "audit": ("pipeline.cli.audit:audit", "Compare journal, views and a recount from raw rows; exit 3 on drift."),
    "rebuild clickhouse": (
        "pipeline.cli.rebuild:clickhouse",
        "Fill fresh tables from the whole journal and exchange them with the live ones.",
    ),
    "query": ("pipeline.cli.clickhouse:query", "Ask ClickHouse."),
    "plan set": ("pipeline.cli.plan:set_", "Set an account's plan; --dry-run shows what would change."),
    "plan show": ("pipeline.cli.plan:show", "The plan that holds for an account, and its history."),
    "plan list": ("pipeline.cli.plan:list_", "All accounts with their plans."),
    "allowance show": ("pipeline.cli.allowance:show", "How an account stands: used, forecast, alerts, what used it."),
    "allowance what-if": (
        "pipeline.cli.allowance:what_if",
        "Whether and when a planned sending exhausts the allowance.",
    ),
    "top": ("pipeline.cli.top:top", "Live table of accounts: used, forecast, exhaustion, burn."),
    "alerts list": ("pipeline.cli.alerts:list_", "Every alert, with what became of it at the webhook."),
    "alerts retry": ("pipeline.cli.alerts:retry", "Ask for parked alerts to be sent again."),
    "journal show": ("pipeline.cli.journal:show", "The journal, record by record."),
    "journal verify": ("pipeline.cli.journal:verify", "Check the journal's chain: rivals, gaps, positions."),
}
GROUPS = {
    "topics": "The topics: plan and apply their shape.",
    "endpoints": "Where vendors deliver to: make, list, show, rotate, revoke, remove.",
    "rebuild": "Make a projection of the journal anew.",
    "plan": "What accounts may use: set, show, list.",
    "allowance": "Allowances: how they stand, and what a sending would make of them.",
    "alerts": "Alerts: list them, send parked ones again.",
    "journal": "The journal: look into it and check it.",
}
_PREFACE = "Value error, "  # what typer's parser puts before a choice that is none


class _Listed(TyperGroup):
    """A group whose commands are imported when needed; `prefix` is its own name with a blank."""

    prefix = ""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of COMMANDS, a group once."""
        names = [name.removeprefix(self.prefix) for name in COMMANDS if name.startswith(self.prefix)]
        return list(dict.fromkeys(name.split(" ")[0] for name in names))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself; while the group's help is written, its line alone."""
        name = self.prefix + cmd_name
        if name in GROUPS:
            return _group(name)
        if name not in COMMANDS:
            return None
        place, line = COMMANDS[name]
        return _stand_in(cmd_name, line) if self._listing else _command(cmd_name, place)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The group's help, from COMMANDS alone."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a wrong value is told without the parser's own preface."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.replace(_PREFACE, "", 1)
            raise

    _listing = False


@functools.cache
def _command(name: str, place: str) -> Any:
    module, function = place.split(":")
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, no_args_is_help=False)(getattr(importlib.import_module(module), function))
    return typer.main.get_command(single)


def _stand_in(name: str, line: str) -> Any:
    single = typer.Typer(add_completion=False)
    single.command(name, help=line)(lambda: None)
    return typer.main.get_command(single)


@functools.cache
def _group(name: str) -> Any:
    listed = type("_Group", (_Listed,), {"prefix": f"{name} "})
    group = typer.Typer(cls=listed, name=name, help=GROUPS[name], add_completion=False, no_args_is_help=True)
    group.callback()(lambda: None)
    return typer.main.get_command(group)


def resolve(name: str) -> Any:
    """The command itself of a name such as `topics plan`; its module is imported.

    Raises:
        KeyError: there is no such command.
    """
    return _command(name.rsplit(" ", 1)[-1], COMMANDS[name][0])


app = typer.Typer(
    cls=_Listed,
    name="tally",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib import metadata

    try:
        console.console().print(f"tally {metadata.version('tallystream')}")
    except metadata.PackageNotFoundError:
        console.console().print("tally, not installed")
    raise typer.Exit


@app.callback()
def tally(
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as topics.partitions=8.")
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Multi-channel engagement, counted once: Kafka to ClickHouse.

    Every setting is an option (--set topics.partitions=8), an environment variable
    (TALLY_TOPICS__PARTITIONS=8) or a line of tally.toml. With nothing set, the local stack is used.

    Exit codes: 0 done, 1 failed, 2 wrong option or setting, 3 differences found, 4 it waits for sinks to be stopped.
    """
    from pipeline import settings_sources

    for pair in set_ or []:
        name, equals, value = pair.partition("=")
        if not equals:
            console.fail(f"--set {pair}: write it as NAME=VALUE, such as topics.partitions=8", console.Exit.USAGE)
        settings_sources.set_option(name.strip(), value)


def main() -> None:
    """The entry point `tally`."""
    console.run(app)


if __name__ == "__main__":
    main()
