"""Bodies of the ClickHouse front: every frame is read, damage is refused, bounds hold to the byte."""

from __future__ import annotations

import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Callable, Iterable

import lz4.frame
import pytest

from connectors.local.chdb_codecs import (
    COMPRESS_BYTES_MIN,
    PIECE_BYTES,
    bounded,
    chunked,
    compressed,
    decompressed,
    sized,
)
from connectors.local.chdb_errors import RequestFault

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
BLOCKS = [bytes([number]) * (40_000 + number) for number in range(20)]


def in_pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("size", [1, 1000, 10_000_000])
def test_every_frame_of_a_body_is_read_however_it_is_cut(encoding: str, size: int) -> None:
    body = b"".join(COMPRESS[encoding](block) for block in BLOCKS)
    assert b"".join(decompressed(encoding, in_pieces(body, size))) == b"".join(BLOCKS)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_without_its_end_is_refused(encoding: str) -> None:
    body = b"".join(COMPRESS[encoding](block) for block in BLOCKS)
    with pytest.raises(RequestFault, match=f"damaged {encoding} body"):
        list(decompressed(encoding, [body[:-3]]))


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_is_not_compressed_as_it_says_is_refused(encoding: str) -> None:
    with pytest.raises(RequestFault, match=f"damaged {encoding} body"):
        list(decompressed(encoding, [b"INSERT INTO t VALUES (1)"]))


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_bomb_comes_out_in_small_pieces(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(20 * PIECE_BYTES))
    assert max(map(len, decompressed(encoding, [bomb]))) <= PIECE_BYTES
    with pytest.raises(RequestFault, match=f"larger than {PIECE_BYTES} bytes"):
        list(bounded(decompressed(encoding, [bomb]), PIECE_BYTES))


def test_an_unknown_compression_is_refused_with_those_that_are_served() -> None:
    with pytest.raises(RequestFault, match=r"Code: 48\..*br is not served here; use one of lz4, zstd, gzip, deflate"):
        list(decompressed("br", [b""]))


def test_a_body_may_reach_the_bound_and_not_pass_it() -> None:
    assert b"".join(bounded([b"123", b"45"], 5)) == b"12345"
    with pytest.raises(RequestFault) as caught:
        list(bounded([b"123", b"456"], 5))
    assert caught.value.status == 413


def test_a_chunked_body_ends_at_its_last_chunk() -> None:
    stream = io.BufferedReader(io.BytesIO(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nnext"))
    assert b"".join(chunked(stream)) == b"abc0123456789"
    assert stream.read() == b"next"


def test_a_client_that_goes_away_is_noticed() -> None:
    with pytest.raises(ConnectionError):
        list(sized(io.BufferedReader(io.BytesIO(b"12")), 3))
    with pytest.raises(ConnectionError):
        list(chunked(io.BufferedReader(io.BytesIO(b"3\r\nab"))))
    with pytest.raises(ConnectionError):
        list(chunked(io.BufferedReader(io.BytesIO(b"2\r\nab\r\n"))))


def test_a_chunk_without_a_size_is_refused() -> None:
    with pytest.raises(RequestFault, match="a chunk without a size"):
        list(chunked(io.BufferedReader(io.BytesIO(b"zz\r\nab\r\n"))))


@pytest.mark.parametrize(
    ("accepted", "name"), [("gzip, lz4;q=0.5", "lz4"), ("deflate", "deflate"), ("br", None), ("", None)]
)
def test_a_reply_is_compressed_as_the_client_accepts(accepted: str, name: str | None) -> None:
    data = b"x" * COMPRESS_BYTES_MIN
    sent, encoding = compressed(data, accepted)
    assert encoding == name
    assert b"".join(decompressed(encoding or "identity", itertools.chain([sent]))) == data
    assert compressed(data[:-1], accepted) == (data[:-1], None)
