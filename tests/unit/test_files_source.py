"""Files as they are opened: packed or not by their first bytes, broken ones told, encodings, fingerprints."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from connectors.files import source
from connectors.files.source import Unreadable, fingerprint, opened

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"%d,%d\n" % (number, number * 7919 % 10007) for number in range(50_000))
PACKERS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd.compress}


def read(path: Path | str, encoding: str = "utf-8") -> bytes:
    with opened(str(path), encoding) as content:
        return content.file.read()


@pytest.mark.parametrize("packer", PACKERS)
def test_a_file_is_unpacked_by_its_first_bytes_whatever_its_name(packer: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(PACKERS[packer](TEXT))
    with opened(str(path)) as content:
        assert TEXT.startswith(content.head)
        assert content.head
        assert b"".join(content.file) == TEXT
        assert content.share() == 1.0


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_several_packed_parts_behind_one_another_are_one_file(packer: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(PACKERS[packer](TEXT[:100]) + PACKERS[packer](TEXT[100:]))
    assert read(path) == TEXT


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_packed_file_that_is_cut_off_gives_its_lines_and_then_says_so(packer: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(PACKERS[packer](TEXT)[:-9])
    found: list[bytes] = []
    with opened(str(path)) as content, pytest.raises(Unreadable, match="cut off"):
        found.extend(content.file)
    assert len(found) > 1_000
    assert TEXT.startswith(b"".join(found))


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_packed_file_with_a_wrong_byte_is_told(packer: str, tmp_path: Path) -> None:
    packed = bytearray(PACKERS[packer](TEXT))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "export"
    path.write_bytes(packed)
    with pytest.raises(Unreadable):
        read(path)


@pytest.mark.parametrize(("content", "words"), [(b"PK\x03\x04rest", "unpack it"), ("a,b\n".encode("utf-16"), "utf-16")])
def test_what_is_no_text_says_what_to_do(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        read(path)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(Unreadable, match="cannot be read"):
            read(path)


def test_an_encoding_unlike_ascii_becomes_utf_8_and_one_like_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(("Юля,1\r\n" * 100_000).encode("utf-16"))
    assert read(path, "utf-16") == ("Юля,1\r\n" * 100_000).encode()
    path.write_bytes("Юля,1\r\n".encode("cp1251"))
    with opened(str(path), "cp1251") as content:
        assert (content.file.read(), content.encoding) == ("Юля,1\r\n".encode("cp1251"), "cp1251")


def test_bytes_that_are_not_of_the_encoding_are_told_where_the_file_is_turned_into_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes("Юля,1\r\n".encode("utf-16")[:-1])
    with pytest.raises(Unreadable, match="--encoding"):
        read(path, "utf-16")


def test_an_encoding_that_nobody_knows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(b"a")
    with pytest.raises(Unreadable, match="no such encoding"):
        read(path, "utf-99")


def test_standard_input_is_read_whole_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for packer in PACKERS.values():
        monkeypatch.setattr(source.sys, "stdin", io.TextIOWrapper(io.BytesIO(packer(TEXT))))
        with opened("-") as content:
            assert content.share() is None
            assert content.file.read() == TEXT
    assert fingerprint("-") is None


def test_a_fingerprint_is_of_all_bytes_and_of_nothing_else(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(TEXT)
    other.write_bytes(TEXT)
    assert fingerprint(str(one)) == fingerprint(str(other))
    other.write_bytes(TEXT[:1000] + b"!" + TEXT[1001:])
    assert fingerprint(str(one)) != fingerprint(str(other))
