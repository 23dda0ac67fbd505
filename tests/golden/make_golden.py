#!/usr/bin/env python3
"""Writes the golden tables of the named number formats, from their definitions and with exact rationals.

    make_golden.py          rewrites tests/golden/*.txt
    make_golden.py --check  compares the files with what this script would write; exit 1 on any difference

Each row of FLOATS states a format as its specification does: layout, bias, which codes are special, and the limits that
the specification prints. The values are decoded here from layout, bias and policy alone; the printed limits are then
checked against them, so that a slip on either side stops the script. This file shares nothing with the library.
README.md describes the files; test_golden.py compares the definitions with other libraries.
"""
import argparse
import pathlib
import re
import sys
from fractions import Fraction

FOLDER = pathlib.Path(__file__).resolve().parent

# What the top codes and the code of -0 mean:
#   ieee    all-ones exponent is reserved: mantissa 0 is infinity, else NaN
#   fn      no infinity; the all-ones code (of either sign) is the only NaN
#   fnuz    no infinity, no -0; the code of -0 is the only NaN
#   none    no infinity, no NaN
#   fnu     unsigned, no zero, no subnormals, all ones is NaN
#   powers  unsigned, no zero, no subnormals, no NaN
#   merged  all ones is "NaN or infinity"; no subnormals: exponent field 0 is an ordinary binade, but code 0 is zero
#   p3109se p3109sf p3109ue p3109uf  signed or unsigned, extended or finite: no -0 and one NaN (the code of -0; unsigned: all
#           ones); extended: the code below the NaN, and below -0's NaN on the negative side all ones, is infinity
#
# name | S/E/M | bias | policy | max (code) | min normal | min subnormal | finite values | NaN codes | +inf/-inf | -0 | source
FLOATS = """
e11m52 | 1/11/52 | 1023 | ieee | 9007199254740991*2^971 (0x7fefffffffffffff) | 2^-1022 | 2^-1074 | 18437736874454810623 | 9007199254740990 | 0x7ff0000000000000/0xfff0000000000000 | 0x8000000000000000 | IEEE 754-2019 binary64
e8m23 | 1/8/23 | 127 | ieee | 16777215*2^104 (0x7f7fffff) | 2^-126 | 2^-149 | 4278190079 | 16777214 | 0x7f800000/0xff800000 | 0x80000000 | IEEE 754-2019 binary32
e8m15 | 1/8/15 | 127 | ieee | 65535*2^112 (0x7f7fff) | 2^-126 | 2^-141 | 16711679 | 65534 | 0x7f8000/0xff8000 | 0x800000 | PXR24
e7m16 | 1/7/16 | 63 | ieee | 131071*2^47 (0x7effff) | 2^-62 | 2^-78 | 16646143 | 131070 | 0x7f0000/0xff0000 | 0x800000 | ATI FP24 layout; specials by convention
e8m10 | 1/8/10 | 127 | ieee | 2047*2^117 (0x3fbff) | 2^-126 | 2^-136 | 522239 | 2046 | 0x3fc00/0x7fc00 | 0x40000 | PTX ISA tf32
e5m10 | 1/5/10 | 15 | ieee | 65504 (0x7bff) | 2^-14 | 2^-24 | 63487 | 2046 | 0x7c00/0xfc00 | 0x8000 | IEEE 754-2019 binary16
e8m7 | 1/8/7 | 127 | ieee | 255*2^120 (0x7f7f) | 2^-126 | 2^-133 | 65279 | 254 | 0x7f80/0xff80 | 0x8000 | ml_dtypes bfloat16
dlfloat16 | 1/6/9 | 31 | merged | 511*2^24 (0x7ffe) | 513*2^-40 | none | 65533 | 2 | none | 0x8000 | Agrawal et al., DLFloat, ARITH 2019
e5m2 | 1/5/2 | 15 | ieee | 57344 (0x7b) | 2^-14 | 2^-16 | 247 | 6 | 0x7c/0xfc | 0x80 | OCP OFP8 1.0
e4m3 | 1/4/3 | 7 | ieee | 240 (0x77) | 2^-6 | 2^-9 | 239 | 14 | 0x78/0xf8 | 0x80 | ml_dtypes
e3m4 | 1/3/4 | 3 | ieee | 31*2^-1 (0x6f) | 2^-2 | 2^-6 | 223 | 30 | 0x70/0xf0 | 0x80 | ml_dtypes
e4m3fn | 1/4/3 | 7 | fn | 448 (0x7e) | 2^-6 | 2^-9 | 253 | 2 | none | 0x80 | OCP OFP8 1.0
e3m4fn | 1/3/4 | 3 | fn | 30 (0x7e) | 2^-2 | 2^-6 | 253 | 2 | none | 0x80 | Intel FP8 Emulation Toolkit
e4m3fnuz | 1/4/3 | 8 | fnuz | 240 (0x7f) | 2^-7 | 2^-10 | 255 | 1 | none | none | ml_dtypes
e5m2fnuz | 1/5/2 | 16 | fnuz | 57344 (0x7f) | 2^-15 | 2^-17 | 255 | 1 | none | none | ml_dtypes
e4m3b11fnuz | 1/4/3 | 11 | fnuz | 30 (0x7f) | 2^-10 | 2^-13 | 255 | 1 | none | none | ml_dtypes
e3m2fn | 1/3/2 | 3 | none | 28 (0x1f) | 2^-2 | 2^-4 | 63 | 0 | none | 0x20 | OCP MX 1.0
e2m3fn | 1/2/3 | 1 | none | 15*2^-1 (0x1f) | 1 | 2^-3 | 63 | 0 | none | 0x20 | OCP MX 1.0
e2m1fn | 1/2/1 | 1 | none | 6 (0x7) | 1 | 2^-1 | 15 | 0 | none | 0x8 | OCP MX 1.0
e3m0 | 1/3/0 | 3 | none | 16 (0x7) | 2^-2 | none | 15 | 0 | none | 0x8 | papers
e1m2 | 1/1/2 | 1 | none | 7*2^-2 (0x7) | 1 | 2^-2 | 15 | 0 | none | 0x8 | papers
e8m0fnu | 0/8/0 | 127 | fnu | 2^127 (0xfe) | 2^-127 | none | 255 | 1 | none | none | OCP MX 1.0
ue4m3 | 0/4/3 | 7 | fn | 448 (0x7e) | 2^-6 | 2^-9 | 127 | 1 | none | none | PTX ISA
ue5m3 | 0/5/3 | 15 | fn | 114688 (0xfe) | 2^-14 | 2^-17 | 255 | 1 | none | none | PTX ISA
ue1m0 | 0/1/0 | 1 | powers | 1 (0x1) | 2^-1 | none | 2 | 0 | none | none | microexponents, ISCA 2023
"""

# name | bias | E/M | max (code) | min normal | min positive, always code 1 | code of 1.0 | finite values
P3109 = """
binary8p1se | 64 | 7/0 | 2^62 (0x7e) | 2^-63 | 2^-63 | 0x40 | 253
binary8p1sf | 64 | 7/0 | 2^63 (0x7f) | 2^-63 | 2^-63 | 0x40 | 255
binary8p2se | 32 | 6/1 | 2^31 (0x7e) | 2^-31 | 2^-32 | 0x40 | 253
binary8p2sf | 32 | 6/1 | 3*2^30 (0x7f) | 2^-31 | 2^-32 | 0x40 | 255
binary8p3se | 16 | 5/2 | 49152 (0x7e) | 2^-15 | 2^-17 | 0x40 | 253
binary8p3sf | 16 | 5/2 | 57344 (0x7f) | 2^-15 | 2^-17 | 0x40 | 255
binary8p4se | 8 | 4/3 | 224 (0x7e) | 2^-7 | 2^-10 | 0x40 | 253
binary8p4sf | 8 | 4/3 | 240 (0x7f) | 2^-7 | 2^-10 | 0x40 | 255
binary8p5se | 4 | 3/4 | 15 (0x7e) | 2^-3 | 2^-7 | 0x40 | 253
binary8p5sf | 4 | 3/4 | 31*2^-1 (0x7f) | 2^-3 | 2^-7 | 0x40 | 255
binary8p6se | 2 | 2/5 | 31*2^-3 (0x7e) | 2^-1 | 2^-6 | 0x40 | 253
binary8p6sf | 2 | 2/5 | 63*2^-4 (0x7f) | 2^-1 | 2^-6 | 0x40 | 255
binary8p7se | 1 | 1/6 | 63*2^-5 (0x7e) | 1 | 2^-6 | 0x40 | 253
binary8p7sf | 1 | 1/6 | 127*2^-6 (0x7f) | 1 | 2^-6 | 0x40 | 255
binary6p2se | 8 | 4/1 | 128 (0x1e) | 2^-7 | 2^-8 | 0x10 | 61
binary6p2sf | 8 | 4/1 | 192 (0x1f) | 2^-7 | 2^-8 | 0x10 | 63
binary6p3se | 4 | 3/2 | 12 (0x1e) | 2^-3 | 2^-5 | 0x10 | 61
binary6p3sf | 4 | 3/2 | 14 (0x1f) | 2^-3 | 2^-5 | 0x10 | 63
binary6p4se | 2 | 2/3 | 7*2^-1 (0x1e) | 2^-1 | 2^-4 | 0x10 | 61
binary6p4sf | 2 | 2/3 | 15*2^-2 (0x1f) | 2^-1 | 2^-4 | 0x10 | 63
binary4p1se | 4 | 3/0 | 4 (0x6) | 2^-3 | 2^-3 | 0x4 | 13
binary4p1sf | 4 | 3/0 | 8 (0x7) | 2^-3 | 2^-3 | 0x4 | 15
binary4p2se | 2 | 2/1 | 2 (0x6) | 2^-1 | 2^-2 | 0x4 | 13
binary4p2sf | 2 | 2/1 | 3 (0x7) | 2^-1 | 2^-2 | 0x4 | 15
binary4p3se | 1 | 1/2 | 3*2^-1 (0x6) | 1 | 2^-2 | 0x4 | 13
binary4p3sf | 1 | 1/2 | 7*2^-2 (0x7) | 1 | 2^-2 | 0x4 | 15
binary8p1ue | 128 | 8/0 | 2^125 (0xfd) | 2^-127 | 2^-127 | 0x80 | 254
binary8p1uf | 128 | 8/0 | 2^126 (0xfe) | 2^-127 | 2^-127 | 0x80 | 255
binary8p3ue | 32 | 6/2 | 5*2^29 (0xfd) | 2^-31 | 2^-33 | 0x80 | 254
binary8p3uf | 32 | 6/2 | 3*2^30 (0xfe) | 2^-31 | 2^-33 | 0x80 | 255
binary8p4ue | 16 | 5/3 | 53248 (0xfd) | 2^-15 | 2^-18 | 0x80 | 254
binary8p4uf | 16 | 5/3 | 57344 (0xfe) | 2^-15 | 2^-18 | 0x80 | 255
binary8p5ue | 8 | 4/4 | 232 (0xfd) | 2^-7 | 2^-11 | 0x80 | 254
binary8p5uf | 8 | 4/4 | 240 (0xfe) | 2^-7 | 2^-11 | 0x80 | 255
binary8p8ue | 1 | 1/7 | 253*2^-7 (0xfd) | 1 | 2^-7 | 0x80 | 254
binary8p8uf | 1 | 1/7 | 127*2^-6 (0xfe) | 1 | 2^-7 | 0x80 | 255
binary6p3ue | 8 | 4/2 | 160 (0x3d) | 2^-7 | 2^-9 | 0x20 | 62
binary6p3uf | 8 | 4/2 | 192 (0x3e) | 2^-7 | 2^-9 | 0x20 | 63
binary4p2ue | 4 | 3/1 | 6 (0xd) | 2^-3 | 2^-4 | 0x8 | 14
binary4p2uf | 4 | 3/1 | 8 (0xe) | 2^-3 | 2^-4 | 0x8 | 15
"""

NAN, INFINITY, NEGATIVE_INFINITY, NEGATIVE_ZERO = "nan", "inf", "-inf", "-0"


class Format:
    """A format as specified: layout, bias and policy, and the decoding that they define."""

    def __init__(self, name, sign_bits, exponent_bits, mantissa_bits, bias, policy, source):
        self.name, self.source, self.policy, self.bias = name, source, policy, bias
        self.sign_bits, self.exponent_bits, self.mantissa_bits = sign_bits, exponent_bits, mantissa_bits
        self.magnitude_bits = exponent_bits + mantissa_bits
        self.bits = sign_bits + self.magnitude_bits

    def special(self, negative, magnitude):
        """NAN, an infinity or NEGATIVE_ZERO where the code is one of these, else None."""
        all_ones = (1 << self.magnitude_bits) - 1
        infinity = NEGATIVE_INFINITY if negative else INFINITY
        if self.policy == "ieee" and magnitude >> self.mantissa_bits == (1 << self.exponent_bits) - 1:
            return NAN if magnitude & ((1 << self.mantissa_bits) - 1) else infinity
        if self.policy in ("fn", "fnu", "merged") and magnitude == all_ones:
            return NAN
        if self.policy.startswith("p3109"):
            signed, extended = self.policy[-2] == "s", self.policy[-1] == "e"
            if not signed and magnitude == all_ones:
                return NAN
            if extended and magnitude == (all_ones if signed else all_ones - 1):
                return infinity
        if negative and magnitude == 0:
            return NAN if self.policy == "fnuz" or self.policy.startswith("p3109") else NEGATIVE_ZERO
        return None

    def decode(self, code):
        """The exact value of a code: a Fraction, or NAN, INFINITY, NEGATIVE_INFINITY, NEGATIVE_ZERO."""
        negative = bool(self.sign_bits and code >> self.magnitude_bits)
        magnitude = code & ((1 << self.magnitude_bits) - 1)
        special = self.special(negative, magnitude)
        if special is not None:
            return special
        exponent, mantissa = magnitude >> self.mantissa_bits, magnitude & ((1 << self.mantissa_bits) - 1)
        fraction = Fraction(mantissa, 1 << self.mantissa_bits)
        if magnitude == 0 and self.policy not in ("fnu", "powers"):
            value = Fraction(0)
        elif exponent == 0 and self.policy not in ("fnu", "powers", "merged"):
            value = fraction * Fraction(2) ** (1 - self.bias)
        else:
            value = (1 + fraction) * Fraction(2) ** (exponent - self.bias)
        return -value if negative else value


def power_form(value):
    """Exact text of a value: 0, -0, inf, nan, or [-]ODDpEXPONENT, which means ODD * 2^EXPONENT."""
    if isinstance(value, str):
        return value
    if value == 0:
        return "0"
    numerator, exponent = value.numerator, -(value.denominator.bit_length() - 1)
    assert value.denominator == 1 << -exponent
    while numerator % 2 == 0:
        numerator, exponent = numerator // 2, exponent + 1
    return f"{numerator}p{exponent}"


def parse_rational(text):
    """57344, 2^-14, 31*2^-1 -> Fraction."""
    value = Fraction(1)
    for factor in text.strip().split("*"):
        base, _, exponent = factor.partition("^")
        value *= Fraction(int(base)) ** int(exponent or 1)
    return value


def parse_limit(text):
    """'448 (0x7e)' -> (448, 0x7e)"""
    value, code = re.fullmatch(r"(\S+) \((0x[0-9a-f]+)\)", text).groups()
    return parse_rational(value), int(code, 16)


class Limits:
    """Limits of a format, found by walking the magnitudes outward from the ends; every count by classifying codes."""

    def __init__(self, form):
        code = (1 << form.magnitude_bits) - 1
        nans_at_top = infinities = 0
        if form.bits <= 19:
            kinds = [form.special(False, m) for m in range(code + 1)]
            nans_at_top, infinities = kinds.count(NAN), kinds.count(INFINITY)
        elif form.policy == "ieee":
            nans_at_top, infinities = (1 << form.mantissa_bits) - 1, 1
        else:
            raise AssertionError(f"{form.name}: no closed form for {form.policy}")
        self.max_code = code - nans_at_top - infinities
        self.max = form.decode(self.max_code)
        assert isinstance(self.max, Fraction)
        assert self.max_code == code or not isinstance(form.decode(self.max_code + 1), Fraction)
        sides = 1 + form.sign_bits
        nan_at_zero = form.sign_bits and form.decode(1 << form.magnitude_bits) == NAN
        self.nans = sides * nans_at_top + nan_at_zero
        self.finite = sides * (self.max_code + 1) - form.sign_bits  # +0 and -0 (or its NaN) are one value, or none
        self.infinities = [i << form.magnitude_bits | self.max_code + 1 for i in range(sides)] if infinities else []
        self.negative_zero = 1 << form.magnitude_bits if form.sign_bits and not nan_at_zero else None
        has_subnormals = form.policy not in ("fnu", "merged") and form.mantissa_bits > 0
        self.min_subnormal = form.decode(1) if has_subnormals else None
        has_zero = form.decode(0) == 0
        self.min_normal_code = (1 << form.mantissa_bits) if has_subnormals else int(has_zero)
        self.min_normal = form.decode(self.min_normal_code)


def columns(line):
    return [column.strip() for column in line.split("|")]


def float_formats():
    for line in FLOATS.strip().splitlines():
        name, layout, bias, policy, largest, normal, subnormal, finite, nans, infinities, negative_zero, source = columns(line)
        form = Format(name, *map(int, layout.split("/")), int(bias), policy, source)
        limits = Limits(form)
        stated = [parse_limit(largest), parse_rational(normal), None if subnormal == "none" else parse_rational(subnormal),
                  int(finite), int(nans), [] if infinities == "none" else [int(i, 16) for i in infinities.split("/")],
                  None if negative_zero == "none" else int(negative_zero, 16)]
        derived = [(limits.max, limits.max_code), limits.min_normal, limits.min_subnormal, limits.finite, limits.nans,
                   limits.infinities, limits.negative_zero]
        assert stated == derived, f"{name}: the specification states {stated}, its definition gives {derived}"
        yield form, limits


def p3109_formats():
    for line in P3109.strip().splitlines():
        name, bias, layout, largest, normal, positive, one, finite = columns(line)
        width, precision, signedness, domain = re.fullmatch(r"binary(\d+)p(\d+)([su])([ef])", name).groups()
        width, precision, signed = int(width), int(precision), signedness == "s"
        exponent_bits = width - precision + (not signed)
        # The family's definition (IEEE P3109 interim report 4.0): K and P give everything else.
        family_bias = 1 << (width - precision - signed)
        form = Format(name, int(signed), exponent_bits, precision - 1, family_bias, "p3109" + signedness + domain,
                      "IEEE P3109 interim report 4.0")
        limits = Limits(form)
        stated = [int(bias), layout, parse_limit(largest), parse_rational(normal), parse_rational(positive), 1, int(finite)]
        derived = [form.bias, f"{form.exponent_bits}/{form.mantissa_bits}", (limits.max, limits.max_code), limits.min_normal,
                   form.decode(1), form.decode(int(one, 16)), limits.finite]
        assert stated == derived, f"{name}: the specification states {stated}, its definition gives {derived}"
        assert limits.nans == 1 and limits.negative_zero is None and len(limits.infinities) == (domain == "e") * (1 + signed)
        assert not limits.infinities or limits.infinities[0] == ((1 << width - 1) - 1 if signed else (1 << width) - 2)
        yield form, limits


def all_formats():
    yield from float_formats()
    yield from p3109_formats()


def runs(form, limits):
    """Which codes the file lists: all of them up to 8 bits; else short runs around everything special."""
    if form.bits <= 8:
        return [range(1 << form.bits)]
    marks = {0, limits.min_normal_code, form.bias << form.mantissa_bits, limits.max_code, (1 << form.magnitude_bits) - 1}
    magnitudes = {code for mark in marks for code in range(mark - 3, mark + 5) if 0 <= code < 1 << form.magnitude_bits}
    listed = {side << form.magnitude_bits | code for code in magnitudes for side in range(1 + form.sign_bits)}
    result = []
    for code in sorted(listed):
        if result and result[-1].stop == code:
            result[-1] = range(result[-1].start, code + 1)
        else:
            result.append(range(code, code + 1))
    return result


def table(form, limits):
    def code(value):
        return f"{value:0{(form.bits + 3) // 4}x}"

    listed = "every code" if form.bits <= 8 else "codes around everything special"
    lines = [f"# {form.name}: {listed}. Written by make_golden.py; README.md describes the lines.",
             f"name {form.name}", f"source {form.source}",
             f"layout {form.sign_bits}/{form.exponent_bits}/{form.mantissa_bits}", f"bias {form.bias}", f"policy {form.policy}",
             f"max {code(limits.max_code)} {power_form(limits.max)}",
             f"min_normal {code(limits.min_normal_code)} {power_form(limits.min_normal)}",
             "min_subnormal none" if limits.min_subnormal is None else f"min_subnormal {code(1)} {power_form(limits.min_subnormal)}",
             f"finite {limits.finite}", f"nans {limits.nans}",
             f"infinity {' '.join(map(code, limits.infinities)) or 'none'}",
             f"negative_zero {'none' if limits.negative_zero is None else code(limits.negative_zero)}"]
    for run in runs(form, limits):
        for start in range(run.start, run.stop, 8):
            values = [power_form(form.decode(c)) for c in range(start, min(start + 8, run.stop))]
            lines.append(f"codes {code(start)} {' '.join(values)}")
    return "\n".join(lines) + "\n"


def write():
    for form, limits in all_formats():
        (FOLDER / f"{form.name}.txt").write_text(table(form, limits))


def check():
    wanted = {f"{form.name}.txt": table(form, limits) for form, limits in all_formats()}
    found = {path.name: path.read_text() for path in FOLDER.glob("*.txt")}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    for name in wrong:
        print(f"make_golden.py: {name} differs from its definition; run make_golden.py and look at the difference")
    print(f"make_golden.py: {len(wanted) - len(wrong)} of {len(wanted)} golden tables equal their definitions")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the files with their definitions, write nothing")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
