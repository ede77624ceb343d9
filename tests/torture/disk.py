"""A small real file system that can be filled: a tmpfs of a fixed size, mounted as long as the one who asked lives.

Run as `python -m tests.torture.disk PATH` it is the watcher: when its input ends, however its starter ended, it
unmounts. What even the watcher's death left mounted goes at the next start on the same path.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 10.0  # of mount and umount: milliseconds
TRIAL_BYTES = 1 << 20
_BALLAST = ".ballast"
_DETACH = "--lazy"  # gone from the tree at once, also while a process still has a file open there


def available() -> str | None:
    """None where a small disk can be mounted here, tried for real; else why not."""
    if not sys.platform.startswith("linux"):
        return f"tmpfs is Linux's, this is {sys.platform}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _mount(Path(folder), TRIAL_BYTES)
        except OSError as error:
            return str(error)
        _unmount(Path(folder))
    return None


class SmallDisk:
    """`size` bytes at `path`, empty, until `close`.

    Raises:
        OSError: it cannot be mounted; `available` says why before.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        while self.path.is_mount():
            _unmount(self.path)
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.disk", str(self.path)],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            _mount(self.path, size)
        except OSError:
            self.close()
            raise

    @property
    def free_bytes(self) -> int:
        """What can still be written."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave no byte free. What others delete afterwards is free again."""
        with (self.path / _BALLAST).open("ab") as file:
            while (room := self.free_bytes) > 0:
                with contextlib.suppress(OSError):  # somebody else took some of it in between
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room)

    def free(self) -> None:
        """Take the ballast away; harmless without."""
        (self.path / _BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount, also where a process still has files open there."""
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait(COMMAND_SECONDS)


def main() -> None:
    """Wait until the input ends, then unmount."""
    sys.stdin.read()
    path = Path(sys.argv[1])
    if path.is_mount():
        _unmount(path)


def _mount(path: Path, size: int) -> None:
    _run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tally-torture", str(path)])


def _unmount(path: Path) -> None:
    _run(["umount", _DETACH, str(path)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(command)}` says: {done.stderr.strip() or f'exit code {done.returncode}'}")


if __name__ == "__main__":
    main()
