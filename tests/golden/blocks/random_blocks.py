#!/usr/bin/env python3
"""Writes random quantizers of random arrays as golden files into a folder, for numbers_blocks_golden_test to judge.

    random_blocks.py FOLDER [--seed N] [--count N]
    BINADE_BLOCKS_GOLDEN=FOLDER build/release/tests/numbers_blocks_golden_test
"""
import argparse
import pathlib
import random
import sys
from dataclasses import replace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import block_inputs  # noqa: E402
import make_blocks  # noqa: E402
from block_formats import F32, FORMATS, float_of  # noqa: E402
from block_oracle import Quantizer, Scaling  # noqa: E402

SHAPES = [(1, 1), (2, 7), (3, 16), (4, 24), (5, 33), (8, 6)]
TILES = [(1, 1), (1, 2), (1, 4), (1, 16), (1, 5), (2, 2), (2, 3), (4, 4), (3, 1)]
ELEMENTS = ["e2m1fn", "e4m3fn", "e5m2", "e3m2fn", "e2m3fn", "int8", "int5", "int4", "int3"]
STORAGES = ["f32", "pow2", "e8m0fnu", "e4m3fn", "ue4m3", "ue5m3", "ue1m0"]
RULES = ["amax", "exact", "nearest", "floor", "ceil", "even", "rceil", "static"]
GRID = [0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.5, 3.5, 5, 6, 7, 448, 0.0, -0.0]

SIGNIFICANT_BITS = {"f32": 24, "pow2": 1, "int8": 8, "int5": 5, "int4": 4, "int3": 3}


def significant_bits(name):
    return SIGNIFICANT_BITS.get(name) or FORMATS[name].trailing_bits + 1


def value(rng, kind):
    sign = rng.randrange(2) << 31
    if kind == "any":
        return float_of(sign | rng.randrange(255) << 23 | rng.randrange(1 << 23))
    if kind == "bfloat16":
        return float_of(sign | rng.randrange(115, 139) << 23 | rng.randrange(128) << 16)
    if kind == "small":
        return float_of(sign | rng.randrange(40) << 23 | rng.randrange(1 << 23) & rng.choice([0x7FFFFF, 0x7F0000, 0]))
    if kind == "subnormal":
        return float_of(sign | rng.randrange(1 << rng.randrange(1, 24)))
    if kind == "large":
        return float_of(sign | rng.randrange(230, 255) << 23 | rng.choice([rng.randrange(1 << 23), 0x7FFFFF, 0, 0x400000]))
    if kind == "grid":
        return F32(rng.choice(GRID) * 2.0 ** rng.randrange(-4, 5) * rng.choice([1, -1]))
    return F32(rng.choice([0.0, -0.0])) if kind == "zero" else F32(block_inputs.normal(rng) * 10.0 ** rng.randrange(-3, 3))


def array(rng):
    kinds = ["any", "bfloat16", "small", "subnormal", "large", "grid", "zero", "normal"]
    rows, cols = rng.choice(SHAPES)
    most, some, share = rng.choice(kinds), rng.choice(kinds), rng.choice([0, 0, 0.1, 0.5])
    x = [value(rng, some if rng.random() < share else most) for _ in range(rows * cols)]
    if rng.random() < 0.25:
        for _ in range(rng.randrange(1, 4)):
            x[rng.randrange(len(x))] = rng.choice([block_inputs.NAN, block_inputs.INF, -block_inputs.INF])
    return rows, cols, x


def policies(rng, fmt, rule, inner):
    form = FORMATS.get(fmt)
    has_nan, has_zero = form is None or form.nan is not None, form is None or form.values[0] == 0
    chosen = {}
    if rng.random() < 0.3:
        chosen["nan"] = rng.choice(["element", "group"] if has_nan else ["element"])
        chosen["inf"] = rng.choice(["element", "largest"] + ["group"] * has_nan)
    if rng.random() < 0.3:
        chosen["zero"] = rng.choice(["one", "lowest"] + ["zero"] * (has_zero and inner and fmt != "pow2"))
    if rng.random() < 0.15:
        chosen["min"] = rng.choice([1e-4, 1.0, 1e-30, 300.0])
    return chosen


def scaling(rng, inner, per, rows=0, cols=0):
    fmt = rng.choice(STORAGES if inner else ["f32", "f32", "pow2", "e8m0fnu", "e4m3fn", "ue5m3"])
    rule = rng.choice(RULES + ["4over6"] * (inner and fmt != "pow2"))
    if rule == "static":
        return Scaling(per, rows, cols, fmt, rule, rng.choice([0.5, 1.0] if fmt == "ue1m0" else [0.25, 2.0, 1.0, 0.0625]))
    return Scaling(per, rows, cols, fmt, rule, **policies(rng, fmt, rule, inner))


def quantizer(rng):
    elem = rng.choice(ELEMENTS)
    q = Quantizer(elem, (), "exact", rng.choice(["rne"] * 4 + ["rtz", "rna", "rup", "rdn"]), "spec" if elem == "e5m2" and rng.random() < 0.3 else "saturate")
    r, c = rng.choice(TILES)
    kind = rng.choice(["one", "one", "reciprocal", "two", "two", "two", "te", "torchao"])
    if kind in ("te", "torchao"):
        inner = Scaling("tile", r, c, rng.choice(["e4m3fn", "ue4m3", "ue5m3"]), "amax", zero="zero" if kind == "te" else "one")
        return replace(q, levels=(inner, Scaling("tensor")), order=kind)
    if kind != "two":
        per = "tile" if rng.random() < 0.8 else rng.choice(["tensor", "row", "col"])
        one = scaling(rng, True, per, *((r, c) if per == "tile" else ()))
        has_reciprocal = one.rule != "4over6" and one.zero != "zero"
        return replace(q, levels=(one,), order="reciprocal" if kind == "reciprocal" and has_reciprocal else "exact")
    outer = rng.choice(["tensor", "tile"] + ["row"] * (r == 1) + ["col"] * (c == 1))
    sizes = (r * rng.choice([1, 2]), c * rng.choice([1, 2, 4])) if outer == "tile" else ()
    q = replace(q, levels=(scaling(rng, True, "tile", r, c), scaling(rng, False, outer, *sizes)))
    bits = significant_bits(elem) + sum(significant_bits(s.fmt) for s in q.levels)
    return q if bits <= 53 else quantizer(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=3000, help="how many quantizers, three to an array")
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    inputs = make_blocks.INPUTS
    inputs.clear()

    def cases():
        for k in range(chosen.count):
            if k % 3 == 0:
                inputs[f"array{k // 3}"] = array(rng)
            yield quantizer(rng), f"array{k // 3}"

    chosen.folder.mkdir(parents=True, exist_ok=True)
    (chosen.folder / "random.txt").write_text("\n".join(make_blocks.case_lines(cases)) + "\n")
    (chosen.folder / "inputs.txt").write_text("\n".join(make_blocks.input_lines()) + "\n")


if __name__ == "__main__":
    main()
