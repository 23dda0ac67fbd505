#!/usr/bin/env python3
"""Writes the golden files of the quantizers with scales, tests/golden/blocks/*.txt, from their definition.

    make_blocks.py          rewrites the files
    make_blocks.py --check  compares them with what this script would write; exit 1 on any difference

Nothing here shares code with the library, and no text is parsed: a case states its settings as fields, beside the text
that the library must read as the same settings.
"""
import argparse
import pathlib
import struct
import sys
from dataclasses import replace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from block_inputs import INPUTS  # noqa: E402
from block_oracle import Quantizer, Scaling, block, evaluate, tile  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent

MX = {"mxfp8_e4m3": "e4m3fn", "mxfp8_e5m2": "e5m2", "mxfp6_e3m2": "e3m2fn", "mxfp6_e2m3": "e2m3fn", "mxfp4": "e2m1fn"}
TENSOR = Scaling("tensor")
ROW = Scaling("row")
COL = Scaling("col")
SPECIAL = ["infinities", "nans", "nans_and_infinities"]
EDGES = ["zeros", "zero_blocks", "subnormal", "tiniest", "least_normal", "huge", "every_exponent"]


def one(elem, scaling, **more):
    return Quantizer(elem, (scaling,), **more)


def two(elem, inner, outer, **more):
    return Quantizer(elem, (inner, outer), **more)


def nvfp4_cases():
    plain = two("e2m1fn", block(16, "e4m3fn", "amax"), TENSOR)
    flat = two("e2m1fn", tile(16, 16, "e4m3fn", "amax"), TENSOR)
    zero, zero_flat = (replace(q, levels=(replace(q.levels[0], zero="zero"), TENSOR)) for q in (plain, flat))
    named = [
        replace(plain, name="nvfp4"),
        replace(two("e2m1fn", block(16, "e4m3fn", "4over6", zero="zero"), TENSOR), name="nvfp4:4over6"),
        replace(zero, order="te", name="nvfp4:te"),
        replace(plain, levels=(plain.levels[0], replace(TENSOR, nan="group", inf="group")), order="torchao", name="nvfp4:torchao"),
    ]
    everywhere = ["normal", "large", "small", "spread", "outlier", "ties_e2m1fn", "ties_e2m1fn_tensor", "tiny_blocks", "one", "column"]
    for q in named:
        for name in everywhere + EDGES + ["underflowing_blocks", "vanishing", "significands"] + SPECIAL:
            yield q, name
        for seed in (30, 31, 32, 33):
            yield q, f"scale_ties_{seed}"
    for q in (replace(flat, name="nvfp4:2d"), replace(zero_flat, order="te", name="nvfp4:te_2d")):
        for name in ("square", "zero_blocks", "spread", "underflowing_blocks", "nans"):
            yield q, name
    yield replace(named[2], name=None), "normal"
    yield replace(named[3], name=None), "normal"
    for rounding in ("rtz", "rna", "rup", "rdn"):
        for q in named:
            yield replace(q, name=None, rounding=rounding), "outlier"
            yield replace(q, name=None, rounding=rounding), "ties_e2m1fn"


def rule_cases():
    """Every rule in every kind of storage, on amax of every significand and on what the rules turn on."""
    for fmt in ("e8m0fnu", "f32", "pow2", "e4m3fn"):
        for rule in ("amax", "exact", "nearest", "floor", "ceil", "even", "rceil", "4over6"):
            if rule == "4over6" and fmt == "pow2":
                continue
            for elem in ("e2m1fn", "e4m3fn", "int8") if fmt == "e8m0fnu" else ("e2m1fn", "e4m3fn") if fmt == "f32" else ("e2m1fn",):
                yield one(elem, block(2, fmt, rule)), f"thresholds_{elem}"
            if fmt in ("e8m0fnu", "f32"):
                yield one("e3m2fn", block(2, fmt, rule)), "significands"
    for rule in ("amax", "exact", "nearest", "floor", "even", "rceil", "4over6"):
        for elem, name in (("e5m2", "normal"), ("int5", "every_exponent")):
            yield one(elem, block(2, "e8m0fnu", rule)), name
        yield one("int3", block(5, "ue5m3", rule)), "spread"
        yield one("e2m3fn", block(7, "ue4m3", rule)), "spread"
        yield one("e2m1fn", block(16, "e4m3fn", rule)), "ties_e2m1fn"
        yield one("e2m1fn", block(16, "e4m3fn", rule)), "tiny_blocks"
    for rule in ("amax", "exact", "4over6", "nearest"):
        for name in ("significands_low", "subnormal", "huge", "every_exponent"):
            yield one("e2m1fn", block(16, "f32", rule)), name
        yield one("e2m1fn", TENSOR if rule == "amax" else replace(TENSOR, rule=rule)), "normal"
    for fmt in ("f32", "e4m3fn", "e8m0fnu", "pow2"):
        yield one("e2m1fn", block(16, fmt, "static", static=0.25)), "spread"
    for rounding in ("rtz", "rna", "rup", "rdn"):
        yield one("e2m1fn", block(16, "e4m3fn", "4over6"), rounding=rounding), "normal"
        yield one("e2m1fn", block(16, "e4m3fn", "exact"), rounding=rounding), "ties_e2m1fn"
        yield one("int4", block(16, "e4m3fn", "amax"), rounding=rounding), "ties_int4"
        for data in ("infinities", "thresholds_e4m3fn"):
            yield one("e5m2", block(32, "e8m0fnu", "floor"), rounding=rounding, overflow="spec"), data


def policy_cases():
    mx = block(16, "e8m0fnu", "floor")
    e4m3 = block(16, "e4m3fn", "amax")
    f32 = block(16, "f32", "amax")
    p2 = block(16, "pow2", "rceil")
    for scaling in (mx, e4m3, f32, p2):
        for elem in ("e2m1fn", "e4m3fn") if scaling is not p2 else ("int8",):
            for nan in ("element", "group"):
                for inf in ("element", "group", "largest"):
                    for name in SPECIAL if elem == "e2m1fn" else ["nans_and_infinities"]:
                        yield one(elem, replace(scaling, nan=nan, inf=inf)), name
            for zero in ("one", "lowest") if scaling in (mx, p2) else ("one", "lowest", "zero"):
                for name in ("zero_blocks", "tiny_blocks", "nans_and_infinities"):
                    yield one(elem, replace(scaling, zero=zero, nan="group")), name
            for least in (1e-4, 3.0):
                for name in ("zero_blocks", "spread"):
                    yield one(elem, replace(scaling, min=least)), name
    for name in ("zero_blocks", "spread"):
        yield one("e2m1fn", block(16, "e4m3fn", "4over6", min=0.25)), name
    for rule in ("amax", "exact", "4over6"):
        for name in ("tiny_blocks", "subnormal", "zeros", "vanishing"):
            yield one("e2m1fn", block(16, "e4m3fn", rule, zero="zero")), name
            yield one("e2m1fn", block(16, "f32", rule, zero="lowest")), name
    yield one("e5m2", replace(mx, nan="group", inf="group"), overflow="spec"), "nans_and_infinities"
    yield one("e5m2", mx, overflow="spec"), "nans_and_infinities"
    yield one("e2m1fn", block(16, "e8m0fnu", "floor", min=1e-4, zero="lowest")), "zero_blocks"
    yield one("e2m1fn", replace(f32, min=1e-4), order="reciprocal"), "zero_blocks"


def named_cases():
    profiles = {
        "": {"rule": "floor"},
        ":ocp": {"rule": "floor"},
        ":cublas": {"rule": "rceil", "inf": "largest", "zero": "lowest"},
        ":torchao": {"rule": "floor", "nan": "group", "inf": "group", "zero": "lowest"},
        ":microxcaling": {"rule": "floor", "nan": "group", "inf": "group", "zero": "lowest"},
    }
    for name, elem in MX.items():
        for profile, fields in profiles.items():
            q = one(elem, block(32, "e8m0fnu", **fields), name=name + profile, rounding="rna" if profile == ":microxcaling" else "rne")
            for data in ["normal", f"ties_{elem}_powers"] + (["huge"] if profile != ":ocp" else []):
                yield q, data
            if profile != ":ocp":
                yield q, "nans_and_infinities"
                yield q, "zero_blocks"
            if elem in ("e2m1fn", "e4m3fn") and profile != ":ocp":
                for data in ("every_exponent", "subnormal", "least_normal"):
                    yield q, data
    kinds = [("", "f32", "amax", "reciprocal", {"nan": "group", "inf": "group"}), ("_ue8m0", "e8m0fnu", "rceil", "exact", {"inf": "largest"})]
    for suffix, fmt, rule, order, special in kinds:
        least = {"min": 1e-4, **special}
        row = one("e4m3fn", block(128, fmt, rule, **least), order=order, name="deepseek_1x128" + suffix)
        for data in ("normal", "wide", "zeros", "huge", "ties_e4m3fn_powers", "subnormal", *SPECIAL):
            yield row, data
        flat = one("e4m3fn", tile(128, 128, fmt, rule, **least), order=order, name="deepseek_128x128" + suffix)
        for data in ("wide", "tall", "zero_blocks"):
            yield flat, data
        yield replace(row, name=None), "normal"
    for name, elem in (("mx9", "int8"), ("mx6", "int5"), ("mx4", "int3")):
        q = two(elem, block(2, "ue1m0", "floor"), block(16, "e8m0fnu", "floor"), name=name)
        for data in ("normal", "spread", "zero_blocks", "significands", "subnormal", "huge", "infinities"):
            yield q, data


def two_level_cases():
    e4m3 = block(16, "e4m3fn", "amax")
    pairs = [
        ("int4", e4m3, ROW),
        ("int4", block(16, "ue4m3", "exact"), TENSOR),
        ("e2m1fn", block(16, "e8m0fnu", "floor"), block(32, "e8m0fnu", "floor")),
        ("e2m1fn", block(8, "ue5m3", "amax"), block(64, "f32", "amax")),
        ("e4m3fn", block(4, "e4m3fn", "rceil"), block(16, "pow2", "rceil")),
        ("e3m2fn", block(4, "f32", "amax"), replace(TENSOR, rule="exact")),
        ("int8", block(2, "ue1m0", "rceil"), block(16, "e8m0fnu", "rceil")),
        ("int5", block(2, "ue1m0", "even"), block(16, "e8m0fnu", "even")),
        ("int3", block(2, "ue1m0", "nearest"), block(16, "e8m0fnu", "nearest")),
        ("e2m1fn", tile(2, 4, "e4m3fn", "exact"), tile(4, 8, "f32", "exact")),
        ("e2m1fn", e4m3, replace(TENSOR, fmt="pow2", rule="amax")),
        ("e2m1fn", e4m3, replace(TENSOR, fmt="pow2", rule="exact")),
        ("e2m1fn", e4m3, replace(TENSOR, fmt="pow2", rule="even")),
        ("e2m1fn", e4m3, replace(TENSOR, fmt="pow2", rule="ceil")),
        ("e2m1fn", e4m3, replace(TENSOR, rule="static", static=0.001)),
        ("e2m1fn", block(16, "e4m3fn", "static", static=0.5), TENSOR),
        ("e2m1fn", block(16, "e4m3fn", "4over6"), ROW),
        ("int4", block(16, "e4m3fn", "4over6"), TENSOR),
        ("e2m1fn", block(16, "f32", "4over6"), replace(TENSOR, fmt="pow2", rule="nearest")),
        ("e3m2fn", block(8, "e8m0fnu", "4over6"), TENSOR),
        ("int5", block(2, "ue1m0", "4over6"), block(16, "e8m0fnu", "exact")),
    ]
    for elem, inner, outer in pairs:
        for data in ("normal", "spread", "zero_blocks", "tiny_blocks", "huge", "significands_low"):
            yield two(elem, inner, outer), data
    for zero in ("one", "lowest", "zero"):
        for data in ("zero_blocks", "tiny_blocks", "underflowing_blocks", "zeros"):
            yield two("e2m1fn", replace(e4m3, zero=zero), TENSOR), data
            yield two("e2m1fn", e4m3, replace(TENSOR, zero=zero if zero != "zero" else "lowest")), data
    for nan in ("element", "group"):
        for inf in ("element", "group", "largest"):
            for data in SPECIAL:
                yield two("e2m1fn", replace(e4m3, nan=nan, inf=inf), ROW), data
                yield two("e2m1fn", e4m3, replace(ROW, nan=nan, inf=inf)), data
            yield two("e4m3fn", replace(e4m3, nan=nan, inf=inf), TENSOR), "nans_and_infinities"
            yield two("int4", block(8, "e8m0fnu", "rceil"), block(16, "pow2", "floor", nan=nan, inf=inf)), "nans_and_infinities"
    for data in ("spread", "zero_blocks"):
        yield two("e2m1fn", replace(e4m3, min=1e-2), replace(TENSOR, min=1e-2)), data
    for rounding in ("rtz", "rna", "rup", "rdn"):
        yield two("int4", e4m3, ROW, rounding=rounding), "spread"
        yield two("e2m1fn", block(16, "e8m0fnu", "floor"), block(32, "e8m0fnu", "floor"), rounding=rounding), "ties_e2m1fn_powers"
    yield two("e2m1fn", tile(16, 4, "e4m3fn", "amax"), TENSOR), "column"
    yield two("e2m1fn", tile(4, 1, "e4m3fn", "amax"), COL), "square"
    yield two("int8", tile(3, 2, "e4m3fn", "amax"), tile(9, 6, "f32", "amax")), "square"


FILES = {"nvfp4": nvfp4_cases, "rules": rule_cases, "policies": policy_cases, "named": named_cases, "two_levels": two_level_cases}

# ---- files ------------------------------------------------------------------------------------------------------------


def float_words(bits):
    """Eight digits without the zeros at the end."""
    return [f"{b:08x}".rstrip("0") or "0" for b in bits]


def wrapped(word, numbers, per_line=24):
    lines = [numbers[k : k + per_line] for k in range(0, len(numbers), per_line)]
    return [f"{word if k == 0 else ''} {' '.join(line)}" for k, line in enumerate(lines)]


def input_lines():
    yield "# The arrays that the cases quantize: rows, columns, float32 in row-major order. Written by make_blocks.py."
    for name, (rows, cols, x) in INPUTS.items():
        assert len(x) == rows * cols, name
        yield f"input {name} {rows} {cols}"
        yield from wrapped("bits", float_words(struct.unpack("<I", struct.pack("<f", v))[0] for v in x))


def case_lines(cases):
    yield "# Written by make_blocks.py; README.md one folder up describes the lines."
    seen = set()
    for q, name in cases():
        if (q.text(), name) in seen:
            continue
        seen.add((q.text(), name))
        codes, inner, outer, values = evaluate(q, *INPUTS[name])
        yield f"case {name} {q.text()}"
        yield from ["refused"] if codes is None else wrapped("codes", [f"{c:x}" for c in codes], 48)
        yield from wrapped("scales", [c if c == "?" else f"{c:x}" for c in inner], 48)
        if len(q.levels) == 2:
            yield from wrapped("outer", [f"{c:x}" for c in outer], 48)
        yield from wrapped("values", float_words(values))


def contents():
    yield "inputs.txt", "\n".join(input_lines()) + "\n"
    for name, cases in FILES.items():
        yield f"{name}.txt", "\n".join(case_lines(cases)) + "\n"


def check():
    """0 if every file is what this script would write."""
    wanted = dict(contents())
    there = {p.name: p.read_text() for p in FOLDER.glob("*.txt")}
    different = sorted(n for n in wanted.keys() | there.keys() if wanted.get(n) != there.get(n))
    for name in different:
        print(f"tests/golden/blocks/{name} differs from its definition; make_blocks.py writes it anew")
    return 1 if different else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if parser.parse_args().check:
        sys.exit(check())
    for name, text in contents():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
