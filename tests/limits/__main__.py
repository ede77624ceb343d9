"""Memory of worker and sink under trouble, against the bounds that docs/limits.md states, on the real parts.

    python -m tests.limits [clickhouse-down broker-down backlog large-message] [--minutes 3] [--events 5000000]
                           [--rate 4000] [--seed 1] [--results FILE] [--evidence FILE]

Without names all four run, one after the other. Exit code 1 when a bound is exceeded, an event is lost or counted
twice, or it does not catch up. Results are added to a file of JSON lines; the evidence is written from that file.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from pipeline.demo.services import ServiceDied
from tests.limits import report
from tests.limits.scenarios import SCENARIOS, Asked
from tests.limits.stage import Late

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "evidence" / "limits.jsonl"
EVIDENCE = ROOT / "docs" / "evidence" / "limits.md"


def main() -> int:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("scenario", nargs="*", metavar="scenario", choices=[*SCENARIOS, []])
    options.add_argument("--minutes", type=float, default=3.0, help="of an outage")
    options.add_argument("--events", type=int, default=5_000_000, help="of the backlog")
    options.add_argument("--rate", type=int, default=4_000, help="events a second of load")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--results", type=Path, default=RESULTS)
    options.add_argument("--evidence", type=Path, default=EVIDENCE)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the processes and the folder too
    asked = Asked(chosen.minutes * 60, chosen.events, chosen.rate, chosen.seed)
    kept = [run(name, asked, chosen.results) for name in chosen.scenario or SCENARIOS]
    if chosen.results.exists():
        results = report.read(chosen.results)
        chosen.evidence.write_text(report.page(results), encoding="utf-8")
    return 0 if all(kept) else 1


def run(name: str, asked: Asked, results: Path) -> bool:
    """One scenario; whether every promise was kept."""
    with tempfile.TemporaryDirectory(prefix="tally-limits-") as folder:
        try:
            outcome = SCENARIOS[name](Path(folder), asked)
        except (Late, ServiceDied) as error:
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
