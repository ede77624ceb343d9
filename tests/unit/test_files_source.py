"""Files as they are opened: packed or not by their first bytes, broken ones told, encodings, fingerprints."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib
from pathlib import Path

import pytest

from connectors.files.source import Unreadable, check_encoding, fingerprint, opened
from connectors.files.values import Values

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"%d,%d\n" % (number, number * 7919 % 10007) for number in range(50_000))
CHECKED = {zstd.CompressionParameter.checksum_flag: 1}
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


def before_damage(path: Path, words: str, encoding: str = "utf-8") -> bytes:
    """The lines before it."""
    found: list[bytes] = []
    with pytest.raises(Unreadable, match=words), opened(str(path), encoding) as content:
        found.extend(content.file)
    return b"".join(found)


def as_far_as_it_goes(packer: str, packed: bytes) -> bytes:
    """What is unpacked where each byte is given alone: all there is before damage, the last line whole or not."""
    part = zlib.decompressobj(31) if packer == "gzip" else zstd.ZstdDecompressor()
    found = bytearray()
    with contextlib.suppress(zlib.error, zstd.ZstdError):
        for byte in packed:
            found += part.decompress(bytes([byte]))
    return bytes(found)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_packed_file_that_is_cut_off_gives_every_line_it_has_and_then_says_so(
    packer: str, share: float, tmp_path: Path
) -> None:
    whole = PACKERS[packer](TEXT)
    path = tmp_path / "export"
    path.write_bytes(whole[: max(20, int((len(whole) - 1) * share))])
    there = as_far_as_it_goes(packer, path.read_bytes())
    found = before_damage(path, "cut off")
    assert found == there[: there.rfind(b"\n") + 1]
    assert share < 0.5 or len(found) > len(TEXT) * share / 3


@pytest.mark.parametrize("place", [0.02, 0.4, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_a_packed_file_with_a_wrong_byte_gives_the_lines_before_it_and_then_says_so(
    packer: str, place: float, tmp_path: Path
) -> None:
    packed = bytearray(PACKERS[packer](TEXT) if packer == "gzip" else zstd.compress(TEXT, options=CHECKED))
    packed[int((len(packed) - 1) * place)] ^= 0xFF
    path = tmp_path / "export"
    path.write_bytes(packed)
    there = as_far_as_it_goes(packer, bytes(packed))
    found = before_damage(path, "is broken|cut off")
    assert found[: len(there)] == there[: there.rfind(b"\n") + 1][: len(found)]
    assert len(found) >= there.rfind(b"\n") + 1


@pytest.mark.parametrize("behind", [b"x", b"\0\0x", b"\xff" * 4, b"\0" * 70_000 + b"junk"])
@pytest.mark.parametrize("text", [TEXT, TEXT[:2_000], TEXT[:-1], b"a,b\n1,2"])
@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_bytes_behind_a_packed_file_are_told_behind_all_its_lines(
    packer: str, text: bytes, behind: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "export"
    path.write_bytes(PACKERS[packer](text) + behind)
    assert before_damage(path, "bytes behind its end").rstrip(b"\n") == text.rstrip(b"\n")
    path.write_bytes(PACKERS[packer](text) + behind.rstrip(b"xjunk\xff"))
    assert read(path) == text


def test_a_list_gives_every_value_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "export"
    text = b"[" + b",\n".join(b'{"n": %d}' % (number * 7919 % 10007) for number in range(50_000)) + b"]"
    packed = gzip.compress(text)
    path.write_bytes(packed[: len(packed) // 2])
    found: list[bytes] = []
    with opened(str(path)) as content, pytest.raises(Unreadable, match="cut off"):
        found.extend(row.content for row in Values(content.file))
    assert len(found) == as_far_as_it_goes("gzip", path.read_bytes()).count(b"}")


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


def test_bytes_that_are_not_of_the_encoding_are_told_behind_the_lines_before_them(tmp_path: Path) -> None:
    path = tmp_path / "export"
    good = "Юля,1\r\n" * 100_000
    for behind in (b"x", b"\x00\xdc" * 9):
        path.write_bytes(good.encode("utf-16") + behind)
        words = f"from byte {len(good.encode('utf-16')) + 1:,} on: give its own --encoding"
        assert before_damage(path, words, "utf-16") == good.encode()


@pytest.mark.parametrize("encoding", ["bogus", "base64", "undefined", "utf\0", ""])
def test_an_encoding_that_is_none_of_text_is_told(encoding: str) -> None:
    with pytest.raises(Unreadable, match="no such encoding"):
        check_encoding(encoding)


def test_an_encoding_that_nobody_knows_is_told(tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(b"a")
    with pytest.raises(Unreadable, match="no such encoding"):
        read(path, "utf-99")


def test_standard_input_is_read_whole_packed_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for packer in PACKERS.values():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packer(TEXT))))
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
