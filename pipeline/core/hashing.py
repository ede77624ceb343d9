"""Hashes of columns: xxh3-64 with the deployment's seed, and their mixture. Written to disk: stable for ever.

In:   Arrow columns or lists of strings.  Out: numpy columns of 64-bit hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_U = np.uint64


def mix(x: Hashes, y: Hashes | np.uint64) -> Hashes:
    """splitmix64's finish over two hash columns; never 0, which marks a free slot of a table."""
    z: Hashes = x * _U(0x9E3779B97F4A7C15)
    z ^= y + _U(0xD1B54A32D192ED03)
    z ^= z >> _U(30)
    z *= _U(0xBF58476D1CE4E5B9)
    z ^= z >> _U(27)
    z *= _U(0x94D049BB133111EB)
    z ^= z >> _U(31)
    return np.maximum(z, _U(1), out=z)


def hash_bytes(values: Sequence[bytes], seed: int) -> Hashes:
    """xxh3-64 of each value."""
    return np.fromiter(map(xxhash.xxh3_64_intdigest, values, repeat(seed)), np.uint64, len(values))


def hash_texts(texts: Iterable[str], seed: int) -> Hashes:
    """xxh3-64 of each text's UTF-8."""
    return hash_bytes([t.encode() for t in texts], seed)


def hash_column(column: pa.Array, seed: int) -> Hashes:
    """xxh3-64 of each string; null hashes like the empty string."""
    binary = column.view(pa.binary())
    return hash_bytes((pc.fill_null(binary, b"") if binary.null_count else binary).to_pylist(), seed)


class Codes:
    """A column of few distinct strings: a code for each row, -1 for null, and the distinct values."""

    __slots__ = ("code", "values")

    def __init__(self, column: pa.Array) -> None:
        encoded = column.dictionary_encode("encode")
        self.code: npt.NDArray[np.int32] = encoded.indices.to_numpy()
        self.values: list[str] = encoded.dictionary.to_pylist()
        if None in self.values:
            null = self.values.index(None)
            del self.values[null]
            self.code = np.where(self.code == null, np.int32(-1), self.code - (self.code > null))

    def hashes(self, seed: int) -> Hashes:
        """xxh3-64 of each row; null hashes like the empty string."""
        return hash_texts([*self.values, ""], seed)[self.code]

    def mask(self, chosen: Iterable[bool]) -> Mask:
        """A mask of rows from one truth for each distinct value; null rows are false."""
        return np.array([*chosen, False], bool)[self.code]

    @classmethod
    def of(cls, code: npt.NDArray[np.int32], values: list[str]) -> Codes:
        """From codes and their values."""
        made = cls.__new__(cls)
        made.code, made.values = code, values
        return made

    def take(self, kept: Ints) -> Codes:
        """The same distinct values, fewer rows."""
        return Codes.of(self.code[kept], self.values)

    def at(self, row: int) -> str | None:
        """The string of a row."""
        code = int(self.code[row])
        return None if code < 0 else self.values[code]


def profile_keys(pairs: Sequence[tuple[str, str]], seed: int) -> Hashes:
    """The keys of (account, profile) pairs; the same as `mix` of the hashed columns."""
    return mix(hash_texts((p for _, p in pairs), seed), hash_texts((a for a, _ in pairs), seed))
