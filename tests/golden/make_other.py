#!/usr/bin/env python3
"""Writes the golden tables of the formats that are not floating point, tests/golden/other/*.txt, with exact rationals.

    make_other.py          rewrites the tables
    make_other.py --check  compares them with what this script would write; exit 1 on any difference

Each decoder below follows the text of its format's definition, bit by bit, and shares nothing with the library.  Values are
written as in the other golden tables.
"""
import argparse
import pathlib
import struct
import sys
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from make_golden import power_form  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent / "other"


def signed(code, width):
    return code - (1 << width) if code >> (width - 1) else code


def integer(width, fraction_bits=0, is_signed=True):
    return lambda code: Fraction(signed(code, width) if is_signed else code) / 2**fraction_bits


def posit(width, es=2):
    """Standard for Posit Arithmetic (2022), section 3; es = 2 there."""

    def decode(code):
        if code == 0:
            return Fraction(0)
        if code == 1 << (width - 1):
            return "nan"
        if code >> (width - 1):
            return -decode((1 << width) - code)
        bits = f"{code:0{width}b}"[1:]
        run = len(bits) - len(bits.lstrip(bits[0]))
        k = run - 1 if bits[0] == "1" else -run
        rest = bits[run + 1 :]
        exponent = int((rest[:es] + "0" * es)[:es] or "0", 2)
        fraction = rest[es:]
        return (1 + Fraction(int(fraction or "0", 2), 2 ** len(fraction))) * Fraction(2) ** (k * 2**es + exponent)

    return decode


def takum(width):
    """Hunhold, arXiv:2404.18603: the linear takum; a short string is padded with zeros on the right."""

    def decode(code):
        if code == 0:
            return Fraction(0)
        if code == 1 << (width - 1):
            return "nan"
        bits = f"{code:0{width}b}".ljust(max(width, 12), "0")
        s, d, r = int(bits[0]), int(bits[1]), int(bits[2:5], 2)
        r = r if d else 7 - r
        c = int(bits[5 : 5 + r] or "0", 2)
        c = 2**r - 1 + c if d else -(2 ** (r + 1)) + 1 + c
        mantissa = bits[5 + r :]
        m = Fraction(int(mantissa or "0", 2), 2 ** len(mantissa))
        return ((1 - 3 * s) + m) * Fraction(2) ** ((-1) ** s * (c + s))

    return decode


def lns(width, gamma=8, bias=0, zero=False):
    """+-2^((k - bias) / gamma), as the nearest binary32: by comparing gamma-th powers, which are rational."""

    def decode(code):
        k = code & ((1 << (width - 1)) - 1)
        if zero and k == 0:
            return "-0" if code else Fraction(0)
        octave, rest = divmod(k - bias, gamma)
        low, high = 1 << 23, 1 << 24  # the largest n with (n / 2^23)^gamma <= 2^rest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**gamma <= 2 ** (rest + 23 * gamma) else (low, middle)
        up = (2 * low + 1) ** gamma < 2 ** (rest + 24 * gamma)
        value = Fraction(low + up, 2**23) * Fraction(2) ** octave
        return -value if code >> (width - 1) else value

    return decode


# 4-bit NormalFloat (Dettmers et al., QLoRA, arXiv:2305.14314), the values that bitsandbytes ships.
NF4 = """-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334
-0.09105003625154495 0.0 0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224 0.44070982933044434
0.5626170039176941 0.7229568362236023 1.0""".split()


def nf4(code):
    return Fraction(struct.unpack("f", struct.pack("f", float(NF4[code])))[0])


def book(*values):
    return lambda code: Fraction(values[code]) if code < len(values) else "nan"


# Entries on both sides of zero and far apart, without a zero, without a negative or a positive one, and as many as there can be.
BOOKS = {
    "book_wide": [-1024, -1, -(2.0**-10), 0, 2.0**-15, 7, 65536],
    "book_no_zero": [-1, -0.25, 0.25, 3],
    "book_positive": [0.5, 1, 4],
    "book_negative": [-8, -4, -0.5],
    "book_odd_zero": [-2, 0, 0.75, 1],
    "book_cubes": [(i - 100) ** 3 / 64 for i in range(256)],
}


def written(value):
    return str(int(value)) if value == int(value) else repr(float(value))


def all_tables():
    """name -> (width, decoder, forms).  A form is a text form that has these values, and where the borders between them lie: `linear` (half
    way), `entries` (the same, all values in one row, from either end), `string posit ES` or `string takum` (the value of the string of bits that is one bit longer), `power GAMMA BIAS` (half way in the
    logarithm; `zero`: its code 0 is zero, and stands for the power there).  `symmetric`: the most negative code is never given.
    `unswept`: left out of the sweep over all float32 (tests/numbers/exhaustive_proof.cpp)."""
    found = {}
    for width in range(2, 9):
        found[f"int{width}"] = (width, integer(width), [(f"int{width}", "linear symmetric"), (f"int{width}:asym", "linear")])
        found[f"uint{width}"] = (width, integer(width, is_signed=False), [(f"uint{width}", "linear")])
    for whole, fraction in ((1, 6), (0, 7), (3, 4), (1, 2), (2, 1)):
        width, name = 1 + whole + fraction, f"fixed{whole}.{fraction}"
        found[name] = (width, integer(width, fraction), [(f"{name}{asym}", f"linear{symmetric}") for asym, symmetric in FIXED_RANGES])
    for whole, fraction in ((3, 5), (0, 8), (2, 2)):
        width, name = whole + fraction, f"ufixed{whole}.{fraction}"
        found[name] = (width, integer(width, fraction, is_signed=False), [(name, "linear")])
    for width in (*range(3, 9), 10):
        for es in (0, 1, 2) if width <= 8 else (2,):
            name, text = (f"posit{width}", f"posit{width}") if es == 2 else (f"posit{width}_es{es}", f"posit{width}:es={es}")
            found[name] = (width, posit(width, es), [(text, f"string posit {es}")])
    for width in (*range(3, 9), 12):
        found[f"takum{width}"] = (width, takum(width), [(f"takum{width}", "string takum")])
    for width, gamma, bias, zero, swept in LOGARITHMIC:
        parts = [f"gamma={gamma}"] * (gamma != 8) + [f"bias={bias}"] * (bias != 0) + ["zero"] * zero
        text, name = ":".join([f"lns{width}", *parts]), "_".join([f"lns{width}", *parts]).replace("=", "").replace("-", "minus")
        unswept = "" if swept else " unswept"
        border = f"power {gamma} {bias}{' zero' * zero}{unswept}"
        found[name] = (width, lns(width, gamma, bias, zero), [(text, border), (f"{text}:nearest=linear", f"linear{unswept}")])
    found["nf4"] = (4, nf4, [("nf4", "entries")])
    for name, values in BOOKS.items():
        found[name] = ((len(values) - 1).bit_length(), book(*values), [(f"book({','.join(map(written, values))})", "entries")])
    return found


FIXED_RANGES = (("", " symmetric"), (":asym", ""))
# Width, gamma, bias, zero, swept.
LOGARITHMIC = (
    (3, 1, 0, False, False),
    (4, 8, 0, False, True),
    (4, 2, 3, True, False),
    (5, 4, 8, False, False),
    (6, 4, 16, True, True),
    (7, 2, 32, False, False),
    (8, 8, 0, False, True),
    (8, 8, 64, True, True),
    (8, 1, 64, True, False),
    (8, 1, 60, False, False),
    (8, 64, -32, False, False),
    (10, 32, 256, True, False),
)
TABLES = all_tables()


def tables():
    for name, (width, decode, forms) in TABLES.items():
        lines = [f"# {name}: every code. Written by make_other.py.", f"width {width}"]
        lines += [f"form {text} {border}" for text, border in forms]
        for start in range(0, 1 << width, 8):
            values = [power_form(decode(code)) for code in range(start, min(start + 8, 1 << width))]
            lines.append(f"codes {start:0{(width + 3) // 4}x} {' '.join(values)}")
        yield f"{name}.txt", "\n".join(lines) + "\n"


def check():
    wanted, found = dict(tables()), {path.name: path.read_text() for path in FOLDER.glob("*.txt")}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    for name in wrong:
        print(f"make_other.py: {name} differs from its definition; run make_other.py and look at the difference")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare the files with their definitions, write nothing")
    if parser.parse_args().check:
        return check()
    for name, text in tables():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
