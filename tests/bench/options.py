"""The options of `make bench`: each right by itself, none that another one makes void, files that will take figures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tests.bench.results import ROUNDS_MAX
from tests.options import file, names, present, whole

PROGRAM = "python -m tests.bench"
VOID = {  # what a way of running takes no heed of, and why
    "resume": (("rounds",), "goes on with the options of the run that was killed"),
    "page_only": (("only", "skip", "rounds"), "runs nothing"),
    "capacity_figures": (("only", "skip", "rounds", "page"), "runs nothing and writes no page"),
}


def parse(
    given: Sequence[str] | None, about: str | None, benches: Collection[str], kept: Path, page: Path
) -> argparse.Namespace:
    """The options of a run; `kept` and `page` are the files where none is named.

    `only` is a list of all benches that are meant, in no order. Ends the program with exit code 2 on a wrong option.
    """
    parser = _parser(about, benches)
    chosen = parser.parse_args(given)
    for way, (void, why) in VOID.items():
        ignored = [name for name in void if getattr(chosen, way) and getattr(chosen, name) is not None]
        if ignored:
            parser.error(f"{_option(way)} {why}: leave {' and '.join(map(_option, ignored))} out")
    chosen.only = [name for name in chosen.only or benches if name not in (chosen.skip or ())]
    if not chosen.only:
        parser.error("--only and --skip leave no bench to run")
    if not chosen.quick:
        _files(parser, chosen, kept, page)
    chosen.kept, chosen.page = Path(chosen.kept or kept), Path(chosen.page or page)
    return chosen


def _parser(about: str | None, benches: Collection[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    some = names(benches, "bench")
    parser.add_argument("--only", type=some, metavar="A,B", help="these benches alone")
    parser.add_argument("--skip", type=some, metavar="A,B", help="all benches but these")
    parser.add_argument("--rounds", type=whole(1, ROUNDS_MAX, "rounds"), help="of each figure; each bench has its own")
    parser.add_argument("--kept", metavar="FILE", help="the file of figures")
    parser.add_argument("--page", metavar="FILE", help="the page with the marks")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--quick", action="store_true", help="small sizes, to see that all runs: nothing is kept")
    way.add_argument("--resume", action="store_true", help="run what a killed run left open, with its options")
    way.add_argument("--page-only", action="store_true", help="write the page from the kept figures, run nothing")
    way.add_argument("--capacity-figures", action="store_true", help="write the figures of `tally capacity`")
    return parser


def _files(parser: argparse.ArgumentParser, chosen: argparse.Namespace, kept: Path, page: Path) -> None:
    """See before hours of measuring that the files will be there and writable."""
    runs = not (chosen.page_only or chosen.capacity_figures)
    figures, text = str(chosen.kept or kept), str(chosen.page or page)
    _checked(parser, "--kept", file if runs and not chosen.resume else present, figures)
    if chosen.capacity_figures:
        return
    _checked(parser, "--page", present, text)
    _checked(parser, "--page", file, text)
    if runs and not Path(figures).exists() and Path(text).resolve() == page.resolve():
        parser.error(
            f"--kept: {figures!r} is not there yet, and {text!r} would lose all that it has: name a --page too"
        )


def _checked(parser: argparse.ArgumentParser, option: str, kind: Callable[[str], Path], text: str) -> None:
    try:
        kind(text)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument {option}: {error}")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
