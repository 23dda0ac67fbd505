"""Golden values of the corpora `facts` and `rhm`, from their definitions and in exact integers and fractions.

    python tests/data/reference_corpora.py

prints what tests/data/facts_corpus_test.cpp and rhm_corpus_test.cpp hold.  It shares no code with the engine.
"""

from fractions import Fraction
from math import log

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """One step of SplitMix64."""
    z = (z + GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def key(seed: int, tag: int) -> int:
    """The seed for one purpose."""
    return mix(mix(seed) ^ tag)


def draws(seed: int, split: int, document: int):
    """The raw draws of a document: draw i at position t."""
    base = mix(key(seed, 16 + split) ^ document)
    return lambda t, i: mix((base + (4 * t + i) * GOLDEN) & MASK)


class Facts:
    """A record is a level, four digits of a fact's number, and the values of the fact."""

    def __init__(self, levels: int, digit_bits: int, values: int, noise: Fraction, seed: int) -> None:
        self.levels, self.b, self.values, self.noise, self.seed = levels, digit_bits, values, noise, seed
        self.weights = [3**level * 4 ** (levels - level) for level in range(levels + 1)]

    def document(self, split: int, d: int, predicted: int) -> list[int]:
        u = draws(self.seed, split, d)
        tokens = [0]
        first_digit = 1 + self.levels + 1
        first_value = first_digit + 2**self.b
        while len(tokens) <= predicted:
            t = len(tokens)
            x = u(t, 0) * sum(self.weights) >> 64
            level = 0
            while x >= self.weights[level]:
                x -= self.weights[level]
                level += 1
            fact = u(t, 1) * 2**level >> 64
            tokens.append(1 + level)
            for digit in (3, 2, 1, 0):
                tokens.append(first_digit + (fact >> self.b * digit) % 2**self.b)
            for i in range(self.values):
                t = len(tokens)
                symbol = mix(key(self.seed, 64 + i) ^ (level << 48 | fact)) >> 58
                if u(t, 0) < self.noise * 2**64:
                    symbol = u(t, 2) >> 58
                tokens.append(first_value + symbol)
        return tokens[: predicted + 1]

    def floor(self) -> float:
        """Entropy of a token, nat."""
        total = sum(self.weights)
        level_entropy = -sum(w / total * log(w / total) for w in self.weights)
        mean_level = sum(level * w for level, w in enumerate(self.weights)) / total
        wrong = float(self.noise) / 64
        right = 1 - 63 * wrong
        value_entropy = -right * log(right) - (63 * wrong * log(wrong) if wrong else 0)
        return (level_entropy + log(2) * mean_level + self.values * value_entropy) / (self.values + 5)


class Rhm:
    """A tree of productions: each symbol is replaced by one of its m pairs, level by level."""

    def __init__(self, v: int, m: int, depth: int, seed: int) -> None:
        self.v, self.m, self.depth, self.seed = v, m, depth, seed
        self.rules = []
        for level in range(depth):
            k = key(seed, 128 + level)
            pairs = [(left, right) for left in range(v) for right in range(v)]
            for i in range(v * v - 1, 0, -1):
                j = mix((k + i * GOLDEN) & MASK) * (i + 1) >> 64
                pairs[i], pairs[j] = pairs[j], pairs[i]
            self.rules.append([pairs[a * m : (a + 1) * m] for a in range(v)])

    def document(self, split: int, d: int, predicted: int) -> list[int]:
        u = draws(self.seed, split, d)
        tokens = [0]
        while len(tokens) <= predicted:
            first = len(tokens)
            symbols = [u(first, 1) * self.v >> 64]
            for level in range(self.depth):
                below = []
                for i, symbol in enumerate(symbols):
                    node = 2**level + i
                    below += self.rules[level][symbol][u(first - 1 + node, 0) * self.m >> 64]
                symbols = below
            tokens += [1 + symbol for symbol in symbols]
        return tokens[: predicted + 1]

    def strings(self) -> list[tuple[int, ...]]:
        """All strings, each as often as it has trees (once)."""
        whole = [(a,) for a in range(self.v)]
        for rules in self.rules:
            below = []
            for string in whole:
                parts = [()]
                for symbol in string:
                    parts = [part + pair for part in parts for pair in rules[symbol]]
                below += parts
            whole = below
        return whole


def chain_hash(language: Facts | Rhm, split: int, predicted: int) -> int:
    h = 0
    for d in range(200):
        for x in language.document(split, d, predicted):
            h = mix(h ^ x)
    return h


def main() -> None:
    for levels, bits, values, noise, predicted, seed in (
        (15, 4, 4, Fraction(0), 126, 0),
        (15, 4, 4, Fraction(1, 8), 128, 0),
        (7, 2, 6, Fraction(0), 100, 3),
        (31, 8, 2, Fraction(0), 128, 1),
    ):
        language = Facts(levels, bits, values, noise, seed)
        print("facts", levels, bits, values, noise, predicted, seed, language.document(0, 0, predicted)[:19])
        print("   ", *(f"0x{chain_hash(language, split, predicted):016x}" for split in (0, 1)), repr(language.floor()))
    for v, m, depth, predicted, seed in ((16, 4, 7, 128, 0), (8, 4, 5, 100, 0), (4, 2, 2, 16, 0), (16, 4, 7, 128, 1)):
        grammar = Rhm(v, m, depth, seed)
        print("rhm", v, m, depth, predicted, seed, grammar.document(0, 0, predicted)[:17])
        print("   ", *(f"0x{chain_hash(grammar, split, predicted):016x}" for split in (0, 1)))
    print("rhm 4 2 2 strings", len(set(Rhm(4, 2, 2, 0).strings())), sorted(Rhm(4, 2, 2, 0).strings())[:6])


if __name__ == "__main__":
    main()
