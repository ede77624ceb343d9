"""Memory of worker and sink under trouble, against the bounds that docs/limits.md states, on the real parts.

    python -m tests.limits [clickhouse-down broker-down backlog large-message] [--minutes 3] [--events 5000000]
                           [--rate 4000] [--seed 1] [--results FILE] [--evidence FILE]

Without names all four run, one after the other. Exit code 1 when a bound is exceeded, an event is lost or counted
twice, it does not catch up, or the memory was not sampled all the time; 2 with a wrong option. Results are added to a
file of JSON lines; the evidence is written from that file.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.demo.services import ServiceDied
from tests.limits import report
from tests.limits.memory import Unsampled
from tests.limits.scenarios import SCENARIOS, Asked
from tests.limits.stage import Late
from tests.options import SEED_MAX, file, number, whole

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "evidence" / "limits.jsonl"
EVIDENCE = ROOT / "docs" / "evidence" / "limits.md"
MINUTES = 0.05, 1440.0  # three seconds: less is no outage; a day
EVENTS_MAX = 1_000_000_000
RATE_MAX = 1_000_000  # events a second, more than the load makes


def main(given: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    chosen = _options(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the processes and the folder too
    asked = Asked(chosen.minutes * 60, chosen.events, chosen.rate, chosen.seed)
    kept = [run(name, asked, chosen.results) for name in chosen.scenario or SCENARIOS]
    if chosen.results.exists():
        results = report.read(chosen.results)
        chosen.evidence.write_text(report.page(results), encoding="utf-8")
    return 0 if all(kept) else 1


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        "python -m tests.limits", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("scenario", nargs="*", metavar="scenario", choices=[*SCENARIOS, []])
    options.add_argument("--minutes", type=number(*MINUTES, "minutes"), default=3.0, help="of an outage")
    options.add_argument("--events", type=whole(1, EVENTS_MAX, "events"), default=5_000_000, help="of the backlog")
    options.add_argument(
        "--rate", type=whole(1, RATE_MAX, "events a second"), default=4_000, help="events a second of load"
    )
    options.add_argument("--seed", type=whole(0, SEED_MAX), default=1)
    options.add_argument("--results", type=file, default=RESULTS)
    options.add_argument("--evidence", type=file, default=EVIDENCE)
    return options.parse_args(given)


def run(name: str, asked: Asked, results: Path) -> bool:
    """One scenario; whether every promise was kept."""
    with tempfile.TemporaryDirectory(prefix="tally-limits-") as folder:
        try:
            outcome = SCENARIOS[name](Path(folder), asked)
        except (Late, ServiceDied, Unsampled) as error:
            sys.stdout.write(f"{name}: {error}\n")
            return False
    line = report.line(outcome, asked)
    report.append(results, [line])
    sys.stdout.write(report.table([line]))
    for fault in outcome.wrong:
        sys.stdout.write(f"{name}: {fault}\n")
    sys.stdout.flush()
    return not outcome.wrong


if __name__ == "__main__":
    sys.exit(main())
