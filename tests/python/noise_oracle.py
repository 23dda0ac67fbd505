"""The noise of stochastic rounding, written from the comment in noise.hpp and the paper: Philox4x32-10 in NumPy."""

import numpy as np

MASK = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)


def philox(counter, key):
    """Four arrays of words from four arrays of counter words and two of key words.  (Salmon et al., SC 2011)"""
    counter, key = [np.uint64(c) for c in counter], [np.uint64(k) for k in key]
    for _ in range(10):
        even, odd = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
        counter = [(odd >> SHIFT) ^ counter[1] ^ key[0], odd & MASK, (even >> SHIFT) ^ counter[3] ^ key[1], even & MASK]
        key = [(key[0] + np.uint64(0x9E3779B9)) & MASK, (key[1] + np.uint64(0xBB67AE85)) & MASK]
    return counter


def noise(count, bits, seed=0, stream=0, step=0):
    """The noise of elements 0, 1, ..., count - 1, below 2^bits."""
    index = np.arange(count, dtype=np.uint64)
    parts = 1 if bits > 16 else 2 if bits > 8 else 4
    group, rest = index // np.uint64(64 * parts), index % np.uint64(64 * parts)
    part, word, lane = rest // np.uint64(64), rest % np.uint64(64) // np.uint64(16), rest % np.uint64(16)
    counter = np.uint64(16) * group + lane
    zeros = np.zeros(count, np.uint64)
    words = philox(
        [counter, zeros + np.uint64(step), zeros + np.uint64(stream % 2**32), zeros + np.uint64(stream >> 32)],
        [zeros + np.uint64(seed % 2**32), zeros + np.uint64(seed >> 32)],
    )
    part_bits = np.uint64(32 // parts)
    found = np.choose(word.astype(np.int64), words) >> (part * part_bits)
    return (found & np.uint64(2 ** int(part_bits) - 1)) >> (part_bits - np.uint64(bits))
