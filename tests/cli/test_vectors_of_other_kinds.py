"""`binade vectors` of integers, fixed point, logarithmic formats, posits, takums and code books, and of formats that binary64 does not
hold: read from the documented layout and judged by exact fractions, from the definitions in tests/golden."""

import bisect
import math
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from test_vectors import Target, expected_code, numbers
from vectors_reader import read_folder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))
from make_golden import Format  # noqa: E402
from make_other import TABLES, posit, takum  # noqa: E402

FORMS = {text: (width, decode, border.split()) for width, decode, forms in TABLES.values() for text, border in forms}
BOOKS = [text for text in FORMS if text.startswith("book") and len(text) < 100 and "e-" not in text]  # they print as they are written
CHOSEN = ["int8", "int4:asym", "uint5", "fixed1.6", "ufixed0.8:nan=max", "nf4", *BOOKS, "posit8", "posit6:es=1", "takum8", "lns8", "lns8:bias=64:zero"]
CHOSEN += ["lns8:nearest=linear", "lns4:gamma=2:bias=3:zero"]
LONG_BOOK = next(text for text in FORMS if text.startswith("book") and len(text) > 100)
WIDE = {
    "binary12p1ue": Format("binary12p1ue", 0, 12, 0, 2048, "p3109ue", ""),
    "binary16p4se": Format("binary16p4se", 1, 12, 3, 2048, "p3109se", ""),
    "e4m3fn:bias=-1010": Format("e4m3fn:bias=-1010", 1, 4, 3, -1010, "fn", ""),
    "e11m10:specials=none": Format("e11m10:specials=none", 1, 11, 10, 1023, "none", ""),
}


@pytest.fixture(scope="module")
def files(program, tmp_path_factory):
    out = tmp_path_factory.mktemp("vectors") / "out"
    subprocess.run([program, "vectors", "--out", out, "--format", *CHOSEN, LONG_BOOK, "posit32", "int24", *WIDE], capture_output=True, check=True)
    return {(LONG_BOOK if len(file.format) > 100 else file.format, file.kind): file for file in read_folder(out)}


def test_there_are_three_files_for_each_format(files):
    assert set(files) == {(name, kind) for name in [*CHOSEN, LONG_BOOK, "posit32", "int24", *WIDE] for kind in ("decode", "binary32", "binary64")}


def is_value(got, want):
    if isinstance(want, str):
        return math.isnan(got) if want == "nan" else got == 0 and math.copysign(1, got) < 0
    return Fraction(got) == want and (want != 0 or math.copysign(1, got) > 0)


@pytest.mark.parametrize("name", [*CHOSEN, LONG_BOOK])
def test_decode_tables_equal_the_definition(files, name):
    width, decode, _ = FORMS[name.replace(":nan=max", "")]
    table = files[name, "decode"]
    assert table.inputs.tolist() == list(range(1 << width))
    for code, value in enumerate(table.columns["value"][1][:, 0].view("<f8").tolist()):
        assert is_value(value, decode(code)), f"{name} code {code:#x}"


def test_decode_tables_of_wide_formats_equal_the_definition(files):
    for name, decode in (("posit32", posit(32)), ("int24", lambda code: Fraction(code - (code >> 23 << 24)))):
        table = files[name, "decode"]
        assert len(table.inputs) == 2048
        for code, value in zip(table.inputs.tolist(), table.columns["value"][1][:, 0].view("<f8").tolist()):
            assert is_value(value, decode(code)), f"{name} code {code:#x}"


class Ladder:
    """One sign of a format: magnitudes in order, their codes, and on which side of the way to the next one a number lies."""

    def __init__(self, name, negative):
        width, decode, self.border = FORMS[name.replace(":nan=max", "")]
        self.width, self.nan = width, 1 << (width - 1) if self.border[0] == "string" else None
        values = {code: decode(code) for code in range(1 << width)}
        entries = {code: value for code, value in values.items() if value != "nan"}
        if self.border[0] == "entries":
            rungs = [(-value if negative else value, code) for code, value in entries.items()]
        else:
            found = {}
            for code, value in entries.items():
                minus = value == "-0" or (value != "-0" and value < 0)
                magnitude = Fraction(0) if value == "-0" else abs(value)
                if "symmetric" in self.border and code == 1 << (width - 1) or (magnitude != 0 and minus != negative):
                    continue
                if magnitude != 0 or magnitude not in found or minus == negative:
                    found[magnitude] = code
            rungs = list(found.items())
        self.magnitudes, self.codes = zip(*sorted(rungs))

    def side(self, x, i, j, n):
        """The sign of x - (the border j / 2^n of the way from magnitude i to the next)."""
        if self.border[0] == "string":
            if i == 0:
                return 1
            longer = takum(self.width + n) if self.border[1] == "takum" else posit(self.width + n, int(self.border[2]))
            return x - longer(i << n | j)
        if self.border[0] == "power":
            gamma, bias = int(self.border[1]), int(self.border[2])
            power, target = gamma << n, ((i - bias) << n) + j
            top, bottom = x.numerator**power, x.denominator**power
            return top - (bottom << target) if target >= 0 else (top << -target) - bottom
        low, high = self.magnitudes[i], self.magnitudes[i + 1]
        return x - (low + (high - low) * Fraction(j, 1 << n))

    def part(self, x, i, n):
        """floor(nu 2^n)"""
        return bisect.bisect_left(range(1, 1 << n), True, key=lambda j: self.side(x, i, j, n) < 0)

    def goes_up(self, x, i, negative, mode, bits, noise):
        odd = self.codes[i] % 2 == 1
        if x == self.magnitudes[i]:
            return False
        if self.border[0] == "string" and i == 0:
            return True
        if mode in ("rne", "rna"):
            side = self.side(x, i, 1, 1)
            return side > 0 or (side == 0 and (mode == "rna" or odd))
        if mode in ("rtz", "rup", "rdn", "rto"):
            return mode == ("rdn" if negative else "rup") or (mode == "rto" and not odd)
        if mode == "sr":
            return self.part(x, i, bits) + noise >= 1 << bits
        kept = self.part(x, i, bits + 1)
        if mode == "srb":
            return kept + 2 * noise + 1 >= 2 << bits
        half, rest = kept % 2 == 1, self.side(x, i, kept, bits + 1)
        kept //= 2
        kept += half and (rest > 0 or kept % 2 == 1)
        return kept + noise >= 1 << bits

    def code(self, x, negative, mode, bits, noise):
        i = bisect.bisect_right(self.magnitudes, x) - 1
        if i < 0 or i == len(self.codes) - 1:
            return self.codes[max(i, 0)]
        return self.codes[i + self.goes_up(x, i, negative, mode, bits, noise)]


@pytest.mark.parametrize("kind", ["binary32", "binary64"])
@pytest.mark.parametrize("name", CHOSEN)
def test_every_conversion_is_the_exact_one(files, name, kind):
    vectors, ladders = files[name, kind], [Ladder(name, False), Ladder(name, True)]
    inputs = numbers(vectors)
    takes_nan = ladders[0].nan is not None or ":nan=" in name
    assert any(map(math.isnan, inputs)) == takes_nan
    slow = name.startswith("lns") and ":nearest" not in name
    rows = [row for row, x in enumerate(inputs) if not slow or row % 16 == 0 or not math.isfinite(x)]
    overflows = ["saturate", "propagate", "spec"] + ["nan"] * (ladders[0].nan is not None)
    roundings = ["rne", "rna", "rtz", "rup", "rdn", "rto"] + [f"{mode}:{bits}" for mode in ("sr", "srb", "src") for bits in (1, 3)]
    assert set(vectors.columns) == {f"{name}/{rounding}/{overflow}/gradual" for rounding in roundings for overflow in overflows}
    for rounding in roundings:
        mode, bits = (rounding.split(":") + ["0"])[:2]
        for row in rows:
            x = inputs[row]
            negative = math.copysign(1, x) < 0
            ladder = ladders[negative]
            for overflow in overflows:
                got = vectors.columns[f"{name}/{rounding}/{overflow}/gradual"][1][row].tolist()
                if math.isnan(x) or (math.isinf(x) and ladder.nan is not None and overflow in ("nan", "spec")):
                    want = [ladders[0].codes[-1] if ladder.nan is None else ladder.nan] * len(got)
                elif math.isinf(x):
                    want = [ladder.codes[-1]] * len(got)
                elif overflow == "saturate":
                    want = finite = [ladder.code(abs(Fraction(x)), negative, mode, int(bits), noise) for noise in range(len(got))]
                else:
                    want = finite  # nothing finite overflows here
                assert got == want, f"{rounding} {overflow}: {x!r}"


@pytest.mark.parametrize("name", WIDE)
def test_decode_tables_beyond_binary64_have_significands_and_exponents(files, name):
    table, form = files[name, "decode"], WIDE[name]
    parts = [table.columns[text][1][:, 0].view(kind).tolist() for text, kind in (("significand", "<i8"), ("exponent", "<i8"), ("value", "<f8"))]
    if form.bits <= 16:
        assert sorted(table.inputs.tolist()) == list(range(1 << form.bits))
    for code, significand, exponent, value in zip(table.inputs.tolist(), *parts):
        want = form.decode(code)
        if isinstance(want, str):
            assert (significand, exponent) == (0, 0)
            assert struct.pack("<d", value) == struct.pack("<d", float(want)) or (want == "nan" and math.isnan(value))
            continue
        assert significand * Fraction(2) ** exponent == want, f"{name} code {code:#x}"
        try:
            nearest = float(want)
        except OverflowError:
            nearest = math.inf if want > 0 else -math.inf
        assert value == nearest, f"{name} code {code:#x}"


@pytest.mark.parametrize("kind", ["binary32", "binary64"])
@pytest.mark.parametrize("name", WIDE)
def test_conversions_beyond_binary64_are_the_exact_ones(files, name, kind):
    vectors, target = files[name, kind], Target(WIDE[name])
    inputs = numbers(vectors)
    places = {row: target.locate(abs(Fraction(x))) for row, x in enumerate(inputs) if math.isfinite(x) and row % 5 == 0}
    assert len({code for code, _ in places.values()}) > {("e4m3fn:bias=-1010", "binary32"): 0}.get((name, kind), 20)
    for text, (bits, codes) in vectors.columns.items():
        mode, overflow = text.removeprefix(name).split("/")[1:3]
        for row, place in places.items():
            want = [expected_code(target, inputs[row], place, mode.partition(":")[0], overflow, bits, noise) for noise in range(1 << bits)]
            assert codes[row].tolist() == want, f"{text}: {inputs[row]!r}"
