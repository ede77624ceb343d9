"""Hashes are written to disk: their values never change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash

from pipeline.core.hashing import Codes, hash_column, hash_texts, mix, profile_keys

SEED = 0x7A11
FROZEN_KEYS = [12916586345049907744, 14169780667354070232]
FROZEN_MIX = [11575388103847059139, 12924721904338845831]


def test_a_hash_is_xxh3_of_the_utf_8_with_the_seed() -> None:
    texts = ["", "p1", "ünïcode"]
    expected = [xxhash.xxh3_64_intdigest(text.encode(), SEED) for text in texts]
    assert hash_texts(texts, SEED).tolist() == expected
    assert hash_column(pa.array(texts), SEED).tolist() == expected
    assert hash_texts(["p1"], SEED).tolist() != hash_texts(["p1"], SEED + 1).tolist()


def test_values_on_disk_never_change() -> None:
    assert profile_keys([("acme", "p1"), ("acme", "p2")], SEED).tolist() == FROZEN_KEYS
    assert mix(np.array([1, 2], np.uint64), np.array([3, 4], np.uint64)).tolist() == FROZEN_MIX


def test_a_mixture_is_never_0_which_marks_a_free_slot() -> None:
    pairs = np.arange(1000, dtype=np.uint64)
    assert (mix(pairs, pairs[::-1].copy()) > 0).all()


def test_null_hashes_like_the_empty_string() -> None:
    column = pa.array([None, "", "x"])
    hashes = hash_column(column, SEED)
    assert hashes[0] == hashes[1] != hashes[2]
    assert Codes(column).hashes(SEED).tolist() == hashes.tolist()


def test_codes_mask_never_choose_a_null() -> None:
    codes = Codes(pa.array(["a", None, "b", "a"]))
    assert codes.mask([True, True]).tolist() == [True, False, True, True]
    assert codes.mask(value == "b" for value in codes.values).tolist() == [False, False, True, False]
    assert [codes.at(row) for row in range(4)] == ["a", None, "b", "a"]
    assert codes.take(np.array([3, 1])).code.tolist() == [0, -1]
