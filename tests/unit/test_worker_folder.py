"""The folder of a worker's state: one that is full is no reason not to start, one that cannot be written is."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from pipeline.cli.worker import _require_folder
from pipeline.refusal import WrongSetting


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def no_file(**_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", no_file)


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    _require_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_keeps_no_worker_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    failing(monkeypatch, number)
    _require_folder(tmp_path)
    assert f"no room for snapshots in {tmp_path}: {os.strerror(number)}; the next start folds more" in caplog.text


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOENT])
def test_a_folder_that_cannot_be_written_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failing(monkeypatch, number)
    with pytest.raises(WrongSetting, match="Set TALLY_WORKER__STATE_DIR") as refused:
        _require_folder(tmp_path)
    assert str(refused.value).startswith(f"the state cannot be kept in {tmp_path}: {os.strerror(number)}. ")
    assert refused.value.code == 2
