"""Wrong options of the benches: told with their name and what is right before anything runs, and no file changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import files, report
from tests.bench.kept import Kept
from tests.bench.plan import Bench
from tests.bench.results import Outcome, options
from tests.unit.bench_world import MARKS, QUIET, ROOT, figure


@pytest.fixture(autouse=True)
def _no_bench_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (bench, report):
        monkeypatch.setattr(module, "BENCHES", {name: Bench(f"no_{name}", "not there", 1) for name in ("one", "two")})


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a page, and figures of one bench."""
    (tmp_path / "page.md").write_text(MARKS, encoding="utf-8")
    Kept((Outcome("one", (figure(7.0),), QUIET),)).write(tmp_path / "kept.json")
    return tmp_path


def refused(here: Path, capsys: pytest.CaptureFixture[str], *words: str, **paths: str) -> tuple[object, str]:
    """The exit code and what was told; nothing ran and no file is another."""
    before = {path: path.read_bytes() for path in sorted(here.rglob("*")) if path.is_file()}
    given = {"kept": str(here / "kept.json"), "page": str(here / "page.md")} | paths
    code: object = None
    try:
        code = bench.main([*words, *(word for name, path in given.items() if path for word in (f"--{name}", path))])
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    assert told.out == ""
    assert {path: path.read_bytes() for path in sorted(here.rglob("*")) if path.is_file()} == before
    return code, told.err


@pytest.mark.parametrize("way", ["--page-only", "--capacity-figures", "--resume"])
def test_a_mistyped_file_of_figures_is_not_taken_for_one_without_figures(
    here: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    page = "" if way == "--capacity-figures" else str(here / "page.md")
    code, told = refused(here, capsys, way, kept=str(here / "none.json"), page=page)
    assert code == 2
    assert "argument --kept:" in told
    assert "none.json' is not there" in told


def test_new_figures_do_not_take_the_published_pages_place(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PAGE", here / "page.md")
    for page in ("", str(here / "page.md")):
        code, told = refused(here, capsys, "--only", "one", kept=str(here / "new.json"), page=page)
        assert code == 2
        assert "would lose all that it has: name a --page too" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resume", "--quick"], "argument --quick: not allowed with argument --resume"),
        (["--page-only", "--capacity-figures"], "argument --capacity-figures: not allowed with argument --page-only"),
        (["--resume", "--rounds", "1"], "--resume goes on with the options of the run that was killed: leave --rounds"),
        (["--page-only", "--only", "one", "--rounds", "5"], "--page-only runs nothing: leave --only and --rounds out"),
        (["--capacity-figures"], "--capacity-figures runs nothing and writes no page: leave --page out"),
        (["--only", ""], "argument --only: '' names no bench; there are one, two"),
        (["--skip", " ,"], "argument --skip: ' ,' names no bench"),
        (["--only", "one", "--skip", "one"], "--only and --skip leave no bench to run"),
        (["--only", "three"], "argument --only: three: not among one, two"),
        (["--rounds", "0"], "argument --rounds: '0' is not a whole number of rounds from 1 to 100"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    code, said = refused(here, capsys, *words)
    assert code == 2
    assert told in said


@pytest.mark.parametrize("text", ["{", "[]", '{"outcomes": [{}]}', '{"outcomes": 7, "open": []}', "\udcff"])
@pytest.mark.parametrize("way", ["--page-only", "--resume"])
def test_a_file_that_is_none_of_figures_is_told_in_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, way: str
) -> None:
    (here / "kept.json").write_bytes(text.encode(errors="surrogateescape"))
    code, told = refused(here, capsys, way)
    assert code == 2
    assert len(told.splitlines()) == 1
    assert f"{here / 'kept.json'} " in told


@pytest.mark.parametrize(
    ("paths", "right"),
    [
        ({"kept": "/proc"}, "argument --kept: '/proc' is a folder: name a file"),
        ({"kept": "/proc/x/kept.json", "page": ""}, "argument --kept: no file can be made in '/proc/x'"),
        ({"page": "/proc"}, "argument --page: '/proc' is a folder: name a file"),
        ({"page": "none.md"}, "argument --page: 'none.md' is not there"),
        ({"page": "/proc/version"}, "argument --page: no file can be made in '/proc'"),
        ({"page": "README.md"}, "README.md is no page of benchmarks: the page needs the lines"),
    ],
)
def test_a_file_that_takes_no_figures_is_told_before_anything_runs(
    here: Path, capsys: pytest.CaptureFixture[str], paths: dict[str, str], right: str
) -> None:
    code, told = refused(here, capsys, "--only", "one", **paths)
    assert code == 2
    assert right in told


def test_a_file_that_may_not_be_written_is_told_before_anything_runs(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept.json", "page.md"):
        (here / name).chmod(0o444)
        locked = here / name
        with monkeypatch.context() as patched:  # for root, who may write everything
            patched.setattr(os, "access", lambda path, mode, locked=locked: not (path == locked and mode == os.W_OK))
            code, told = refused(here, capsys, "--only", "one")
        (here / name).chmod(0o644)
        assert code == 2
        assert f"'{here / name}' is not writable for this user" in told


def test_a_python_without_the_packages_runs_no_bench_and_keeps_all_figures(here: Path) -> None:
    before = (here / "kept.json").read_bytes()
    bare = [getattr(sys, "_base_executable", sys.executable), "-S", "-m", "tests.bench", "--only", "core"]
    done = subprocess.run(
        [*bare, "--kept", str(here / "kept.json"), "--page", str(here / "page.md")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "lacks numpy, pyarrow" in done.stderr
    assert "use `make bench`, or `.venv/bin/python -m tests.bench`" in done.stderr
    assert (here / "kept.json").read_bytes() == before
    assert (here / "page.md").read_text(encoding="utf-8") == MARKS


def test_a_full_disk_leaves_the_page_as_it_was_and_nothing_beside_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("old", encoding="utf-8")
    limited = (
        "import resource, sys\nfrom pathlib import Path\nfrom tests.bench import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    files.put(Path(sys.argv[1]), 'x' * 5000)\n"
        "except files.Unwritable as fault:\n    sys.exit(str(fault))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(page)], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    assert f"{page} is not written and is as it was: File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
    assert page.read_text(encoding="utf-8") == "old"


def test_a_page_that_is_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link.md").symlink_to(tmp_path / "page.md")
    files.put(tmp_path / "link.md", "new")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rounds", "0"], "argument --rounds: '0' is not a whole number of rounds from 1 to 100"),
        (["--json", "/proc/x/y.json"], "argument --json: no file can be made in '/proc/x'"),
        (["--json", "/proc"], "argument --json: '/proc' is a folder: name a file"),
    ],
)
def test_every_bench_refuses_what_would_lose_its_figures(
    capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        options(None).parse_args(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "option", "value"),
    [
        ("worker_bench", "--events", "0"),
        ("latency_bench", "--rates", "nan"),
        ("core_bench", "--facts", "x"),
        ("sink_bench", "--rows", "-1"),
        ("freshness_bench", "--rate", "0"),
        ("footprint_bench", "--events", "1.5"),
        ("collect_bench", "--seconds", "inf"),
    ],
)
def test_a_size_that_measures_nothing_is_refused_by_its_bench(module: str, option: str, value: str) -> None:
    command = [sys.executable, "-m", f"tests.bench.{module}", option, value]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"argument {option}: {value!r} is not a" in done.stderr
