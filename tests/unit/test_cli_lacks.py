"""What commands say of settings and options that are missing or wrong."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli import console
from tests.unit.test_cli import NOWHERE, tally


def test_a_worker_in_an_empty_home_is_told_all_that_it_lacks_in_one_message(tmp_path: Path) -> None:
    ended = tally("worker", home=tmp_path)
    assert ended.returncode == console.Exit.USAGE
    assert "2 settings are wrong" in ended.stderr
    assert "TALLY_KAFKA__BOOTSTRAP_SERVERS: no Kafka" in ended.stderr
    assert f"TALLY_HASH_SEED: no hash seed: it is not set and there is no {tmp_path / 'hash_seed'}." in ended.stderr
    assert "run `tally up`, which makes it" in ended.stderr
    assert "Errno" not in ended.stderr


def test_an_offset_below_zero_is_a_wrong_option(tmp_path: Path) -> None:
    ended = tally("journal", "show", "--from", "-1", home=tmp_path, TALLY_KAFKA__BOOTSTRAP_SERVERS=NOWHERE)
    assert ended.returncode == console.Exit.USAGE
    assert "--from" in ended.stderr
