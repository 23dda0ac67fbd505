#!/usr/bin/env python3
"""Writes the golden files of the quantizers with scales, tests/golden/blocks/*.txt.

    make_blocks.py          rewrites the files
    make_blocks.py --check  compares them with what this script would write; exit 1 on any difference

Everything that the definition calls exact is done in rationals, and everything that it says is done in float32 is one
NumPy float32 operation after the other.  Nothing here shares code with the library, and no text is parsed: a case
states its settings as fields, beside the text that the library must read as the same settings.
"""
import argparse
import bisect
import pathlib
import random
import struct
import sys
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
F32 = np.float32
FLT_MAX = F32(3.4028234663852886e38)
NAN_BITS = 0x7FC00000
np.seterr(all="ignore")  # float32 operations overflow, underflow and divide by zero on purpose


# ---- rationals and float32 --------------------------------------------------------------------------------------------


def power(e):
    return Fraction(1 << e) if e >= 0 else Fraction(1, 1 << -e)


def floor_log2(r):
    e = r.numerator.bit_length() - r.denominator.bit_length()
    return e if power(e) <= r else e - 1


def ceil_log2(r):
    e = floor_log2(r)
    return e if power(e) == r else e + 1


def fl32(r, negative=False):
    """The float32 nearest to a rational, ties to even; a zero gets the sign of `negative`."""
    if r < 0:
        return -fl32(-r)
    if r == 0:
        return F32(-0.0 if negative else 0.0)
    ulp = power(max(floor_log2(r), -126) - 23)
    value = round(r / ulp) * ulp  # Python rounds a Fraction to even
    return F32(-np.inf if negative else np.inf) if value >= power(128) else F32(-float(value) if negative else float(value))


def bits_of(x):
    return NAN_BITS if x != x else struct.unpack("<I", struct.pack("<f", float(x)))[0]


def float_of(bits):
    return np.uint32(bits).view(F32)


def exact(x):
    """A finite float32 as a rational."""
    return Fraction(float(x))


# ---- formats: their values from their definitions ---------------------------------------------------------------------


@dataclass
class Format:
    name: str
    width: int
    values: list  # of the magnitude codes 0, 1, ...: ascending
    trailing_bits: int
    signed: bool = True
    nan: int = None  # code, or None
    infinity: int = None
    min_normal: Fraction = None

    @property
    def largest(self):
        return self.values[-1]

    @property
    def emax(self):
        return floor_log2(self.largest)


def split_values(exponent_bits, trailing_bits, bias, count):
    """Values of the first `count` codes of a format with gradual underflow."""
    values = []
    for code in range(count):
        field, t = code >> trailing_bits, code & ((1 << trailing_bits) - 1)
        significand = Fraction(t, 1 << trailing_bits) + (field != 0)
        values.append(significand * power(max(field, 1) - bias))
    assert count <= 1 << (exponent_bits + trailing_bits)
    return values


def float_format(name, e, m, bias, count, signed=True, nan=None, infinity=None):
    return Format(name, e + m + signed, split_values(e, m, bias, count), m, signed, nan, infinity, power(1 - bias))


def integer(n):
    return Format(f"int{n}", n, [Fraction(k) for k in range(1 << (n - 1))], n - 2)


FORMATS = {
    f.name: f
    for f in [
        float_format("e2m1fn", 2, 1, 1, 8),
        float_format("e3m2fn", 3, 2, 3, 32),
        float_format("e2m3fn", 2, 3, 1, 32),
        float_format("e4m3fn", 4, 3, 7, 127, nan=0x7F),
        float_format("e5m2", 5, 2, 15, 124, nan=0x7E, infinity=0x7C),
        float_format("ue4m3", 4, 3, 7, 127, signed=False, nan=0x7F),
        float_format("ue5m3", 5, 3, 15, 255, signed=False, nan=0xFF),
        Format("e8m0fnu", 8, [power(c - 127) for c in range(255)], 0, signed=False, nan=0xFF, min_normal=power(-127)),
        Format("ue1m0", 1, [Fraction(1, 2), Fraction(1)], 0, signed=False, min_normal=Fraction(1, 2)),
        integer(8),
        integer(5),
        integer(4),
        integer(3),
    ]
}
assert [FORMATS[n].largest for n in ("e2m1fn", "e3m2fn", "e2m3fn", "e4m3fn", "e5m2", "ue5m3")] == [6, 28, Fraction(15, 2), 448, 57344, 114688]


def nearest_code(f, r):
    """The code of a magnitude, saturating: nearest, ties to the even code."""
    above = bisect.bisect_left(f.values, r)
    if above == len(f.values):
        return above - 1
    if f.values[above] == r or above == 0:
        return above
    low, high = r - f.values[above - 1], f.values[above] - r
    return above if high < low or (high == low and above % 2 == 0) else above - 1


def element_code(f, t, negative, rounding, overflow):
    """The code of a magnitude t (a rational, or "inf") of this sign."""

    def signed_code(magnitude):
        if not negative:
            return magnitude
        if f.name.startswith("int"):
            return -magnitude % (1 << f.width)
        return magnitude | 1 << (f.width - 1)

    top = len(f.values) - 1
    up = {"rna": None, "rne": None, "rtz": False, "rup": not negative, "rdn": negative}[rounding]
    if t == "inf":
        return signed_code(f.infinity if overflow == "spec" and f.infinity is not None else top)
    if t > f.largest:
        if overflow == "spec" and f.infinity is not None:
            half_beyond = (f.largest - f.values[-2]) / 2
            if up or (up is None and t - f.largest >= half_beyond):
                return signed_code(f.infinity)
        return signed_code(top)
    if up is None and rounding == "rne":
        return signed_code(nearest_code(f, t))
    below = bisect.bisect_right(f.values, t) - 1
    if f.values[below] == t:
        return signed_code(below)
    if up is None:  # nearest, ties away from zero
        up = f.values[below + 1] - t <= t - f.values[below]
    return signed_code(below + 1 if up else below)


def element_value(f, code):
    """(magnitude or "inf" or "nan", negative)"""
    if f.name.startswith("int"):
        negative = code >> (f.width - 1) == 1
        return f.values[(1 << f.width) - code if negative else code], negative
    negative = f.signed and code >> (f.width - 1) == 1
    magnitude = code & ((1 << (f.width - f.signed)) - 1)
    if magnitude < len(f.values):
        return f.values[magnitude], negative
    return ("inf" if magnitude == f.infinity else "nan"), negative


# ---- settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaling:
    per: str  # tensor, row, col or tile
    rows: int = 0
    cols: int = 0
    fmt: str = "f32"
    rule: str = "amax"
    static: float = None
    nan: str = "element"
    inf: str = "element"
    zero: str = "one"
    min: float = None

    def text(self, order="exact"):
        items = [str(n) for n in ([self.cols] if self.rows == 1 else [self.rows, self.cols]) if self.per == "tile"]
        items.append(self.fmt)
        items.append(f"static={self.static:g}" if self.rule == "static" else self.rule)
        items += [f"{k}={v}" for k, v, d in [("nan", self.nan, "element"), ("inf", self.inf, "element"), ("zero", self.zero, "one")] if v != d]
        if self.min is not None:
            items.append(f"min={self.min:g}")
        if order != "exact":
            items.append(f"order={order}")
        word = "block" if self.per == "tile" and self.rows == 1 else self.per
        return f"{word}({','.join(items)})"

    def tile(self, rows, cols):
        """Rows and columns of a group in a matrix of this shape."""
        return {"tensor": (rows, cols), "row": (1, cols), "col": (rows, 1), "tile": (self.rows, self.cols)}[self.per]


@dataclass(frozen=True)
class Quantizer:
    elem: str
    levels: tuple  # innermost first: one or two
    order: str = "exact"
    rounding: str = "rne"
    overflow: str = "saturate"
    name: str = None  # the text, where it is not spelled from the fields

    def text(self):
        if self.name:
            return self.name
        word = self.elem + (f"/{self.rounding}" if self.rounding != "rne" else "") + (f"/{self.overflow}" if self.overflow != "saturate" else "")
        for level, s in enumerate(self.levels):
            word += "@" + s.text(self.order if level == len(self.levels) - 1 else "exact")
        return word


def block(n, fmt, rule, **more):
    return Scaling("tile", 1, n, fmt, rule, **more)


def tile(r, c, fmt, rule, **more):
    return Scaling("tile", r, c, fmt, rule, **more)


# ---- scales -----------------------------------------------------------------------------------------------------------

# A scale is a rational, or None for NaN.


class Store:
    """What one scaling can store."""

    def __init__(self, s):
        self.s = s
        self.f = FORMATS.get(s.fmt)  # None: float32
        if self.f is None:
            self.largest = power(127) if s.fmt == "pow2" else exact(FLT_MAX)
            self.lowest = power(-126)
            self.lowest_power, self.highest_power = -126, 127
        else:
            self.largest = self.f.largest
            self.lowest = next(v for v in self.f.values if v > 0)
            self.lowest_power, self.highest_power = ceil_log2(self.lowest), floor_log2(self.largest)

    def clamped_power(self, e):
        return power(min(max(e, self.lowest_power), self.highest_power))

    def rounded(self, r):
        """r rounded once to a stored scale, within the bounds."""
        lowest = Fraction(0) if self.s.zero == "zero" else self.lowest
        if r <= lowest:
            return lowest
        if r >= self.largest:
            return self.largest
        value = exact(fl32(r)) if self.f is None else self.f.values[nearest_code(self.f, r)]
        return max(value, lowest)

    def of_zero(self):
        """Of a group without a finite value other than zero."""
        if self.s.zero == "zero":
            return Fraction(0)
        return self.lowest if self.s.zero == "lowest" else min(max(Fraction(1), self.lowest), self.largest)

    def code(self, value):
        if self.f is None:
            return NAN_BITS if value is None else bits_of(fl32(value))
        return self.f.nan if value is None else self.f.values.index(value)


def with_rule(store, amax, largest, emax, trailing_bits, in_float32):
    """amax: rational above 0.  largest, emax, trailing_bits: of what amax is divided by.  Not for 4over6."""
    rule = store.s.rule
    if rule == "static":
        return exact(F32(store.s.static))
    if store.s.fmt == "pow2":
        rule = {"amax": "rceil", "exact": "nearest"}.get(rule, rule)
    if rule == "amax" and in_float32:
        return store.rounded(exact(min(fl32(amax) / fl32(largest), FLT_MAX)))
    if rule in ("amax", "exact"):
        return store.rounded(amax / largest)
    e = floor_log2(amax)
    if rule == "nearest":
        ratio = amax / largest
        k = floor_log2(ratio)
        return store.clamped_power(k + (ratio >= Fraction(3, 2) * power(k)))
    if rule == "floor":
        return store.clamped_power(e - emax)
    if rule == "ceil":
        return store.clamped_power(ceil_log2(amax) - emax)
    if rule == "even":
        ulp = power(e - trailing_bits)
        rounded = (amax / ulp + Fraction(1, 2)).__floor__() * ulp  # half up
        return store.clamped_power(floor_log2(rounded) - emax)
    assert rule == "rceil", rule
    return store.clamped_power(ceil_log2(amax / largest))


def largest_inner(store):
    """S: the inner scale that the outer one is found for."""
    s = store.s
    if s.rule == "static":
        return exact(F32(s.static))
    if s.rule == "4over6":
        return power(floor_log2(store.largest * Fraction(2, 3)))
    return store.largest


# ---- an array ---------------------------------------------------------------------------------------------------------


class Groups:
    def __init__(self, scaling, rows, cols):
        self.tile_rows, self.tile_cols = scaling.tile(rows, cols)
        self.per_row = -(-cols // self.tile_cols)
        self.count = -(-rows // self.tile_rows) * self.per_row

    def of(self, r, c):
        return r // self.tile_rows * self.per_row + c // self.tile_cols


def amax_of(values, scaling):
    amax = max([abs(v) for v in values if np.isfinite(v)], default=F32(0))
    return amax if scaling.min is None else max(amax, F32(scaling.min))


def forced_scale(values, store):
    """(True, scale) where a NaN or infinity of the group decides."""
    s = store.s
    if any(np.isinf(v) for v in values):
        if s.inf == "group":
            return True, None
        forced = (True, store.largest) if s.inf == "largest" else (False, None)
    else:
        forced = (False, None)
    if s.nan == "group" and any(v != v for v in values):
        return True, None
    return forced


def one_level_code(f, x, s, q, rounding=None):
    """The element's code under a scale s above 0; x is not NaN."""
    scale = fl32(s)
    t = x * (F32(1) / scale) if q.order == "reciprocal" else x / scale
    return quotient_code(f, t, q, rounding)


def quotient_code(f, t, q, rounding=None):
    negative = bool(np.signbit(t))
    return element_code(f, "inf" if np.isinf(t) else abs(exact(t)), negative, rounding or q.rounding, q.overflow)


def product(f, code, scales):
    """fl32 of the element's value times the scales."""
    magnitude, negative = element_value(f, code)
    if magnitude == "nan":
        return F32(np.nan)
    if magnitude == "inf":
        return F32(-np.inf if negative else np.inf)
    for s in scales:
        magnitude *= s
    return fl32(magnitude, negative)


def zero_code(f, x):
    return 1 << (f.width - 1) if np.signbit(x) and not f.name.startswith("int") else 0


def exact_code(f, x, scales, q, rounding=None):
    if np.isinf(x):
        return element_code(f, "inf", bool(np.signbit(x)), rounding or q.rounding, q.overflow)
    r = abs(exact(x))
    for s in scales:
        r /= s
    return element_code(f, r, bool(np.signbit(x)), rounding or q.rounding, q.overflow)


def squared_error(f, values, code_of, scales):
    """In float64, one rounding after another.  code_of: under nearest rounding."""
    total = 0.0
    for x in values:
        if np.isfinite(x):
            y = product(f, code_of(x), scales) if all(scales) else F32(0)
            d = float(x) - float(y)
            total = total + d * d
    return total


def evaluate(q, rows, cols, x):
    """x: float32 in row-major order.  (codes or None, inner scale codes, outer ones, value bits)"""
    f = FORMATS[q.elem]
    inner = Store(q.levels[0])
    groups = Groups(q.levels[0], rows, cols)
    members = [[] for _ in range(groups.count)]
    places = [(r, c) for r in range(rows) for c in range(cols)]
    for k, (r, c) in enumerate(places):
        members[groups.of(r, c)].append(k)
    inner_of = [groups.of(r, c) for r, c in places]
    if len(q.levels) == 1:
        scales = [one_level_scale(f, q, inner, [x[k] for k in m]) for m in members]
        each = [(scales[g],) for g in inner_of]
        codes = [element_of(f, q, x[k], each[k], lambda v, s: one_level_code(f, v, s[0], q)) for k in range(len(x))]
        outer_codes = []
    else:
        outer = Store(q.levels[1])
        outer_groups = Groups(q.levels[1], rows, cols)
        outer_members = [[] for _ in range(outer_groups.count)]
        for k, (r, c) in enumerate(places):
            outer_members[outer_groups.of(r, c)].append(k)
        outer_of = [outer_groups.of(r, c) for r, c in places]
        for m in members:
            assert len({outer_of[k] for k in m}) == 1, "an inner group in two outer ones"
        finders = {"exact": exact_outer, "te": te_outer, "torchao": torchao_outer}
        outer_scales = [finders[q.order](f, q, inner, outer, [x[k] for k in m]) for m in outer_members]
        inners = {"exact": exact_inner, "te": te_inner, "torchao": torchao_inner}
        scales = [inners[q.order](f, q, inner, outer_scales[outer_of[m[0]]], [x[k] for k in m]) for m in members]
        each = [(scales[inner_of[k]], outer_scales[outer_of[k]].stored) for k in range(len(x))]
        element = {
            "exact": lambda k: lambda v, s: exact_code(f, v, s, q),
            "te": lambda k: lambda v, s: te_code(f, v, s, q),
            "torchao": lambda k: lambda v, s: torchao_code(f, v, s, q),
        }[q.order]
        codes = [element_of(f, q, x[k], each[k], element(k)) for k in range(len(x))]
        outer_codes = [outer.code(s.stored) for s in outer_scales]
    values = []
    for k, code in enumerate(codes):
        nan = x[k] != x[k] or any(s is None for s in each[k])
        if nan:
            values.append(NAN_BITS)
        elif not all(each[k]):
            values.append(bits_of(F32(-0.0 if element_value(f, code)[1] else 0.0)))
        else:
            values.append(bits_of(product(f, code, each[k])))
    refused = any(code == "refused" for code in codes)
    return None if refused else codes, [inner.code(s) for s in scales], outer_codes, values


def element_of(f, q, v, scales, code_of):
    if any(s is None for s in scales):
        return f.nan or 0  # where the whole group is NaN, the scale says so
    if v != v:
        return "refused" if f.nan is None else f.nan
    if q.order in ("exact", "reciprocal") and not all(scales):
        return zero_code(f, v)
    return code_of(v, scales)


def four_over_six(f, q, store, values, ratio, code_of, more):
    """ratio: amax over everything that it is divided by, a rational.  code_of: (x, s) under nearest rounding."""
    six, four = store.rounded(ratio), store.rounded(ratio * Fraction(3, 2))
    error6, error4 = (squared_error(f, values, lambda v, s=s: code_of(v, s), (s,) + more) for s in (six, four))
    return four if error4 < error6 else six


def one_level_scale(f, q, store, values):
    forced, scale = forced_scale(values, store)
    if forced:
        return scale
    if store.s.rule == "static":
        return exact(F32(store.s.static))
    amax = exact(amax_of(values, store.s))
    if amax == 0:
        return store.of_zero()
    if store.s.rule == "4over6":
        return four_over_six(f, q, store, values, amax / f.largest, lambda v, s: one_level_code(f, v, s, q, "rne"), ())
    return with_rule(store, amax, f.largest, f.emax, f.trailing_bits, True)


@dataclass
class Outer:
    stored: Fraction
    encode: F32 = None  # te: what it was found from


def exact_outer(f, q, inner, outer, values):
    forced, scale = forced_scale(values, outer)
    if forced:
        return Outer(scale)
    amax = exact(amax_of(values, outer.s))
    if outer.s.rule != "static" and amax == 0:
        return Outer(outer.of_zero())
    largest = f.largest * largest_inner(inner)
    return Outer(with_rule(outer, amax, largest, floor_log2(largest), f.trailing_bits, False))


def exact_inner(f, q, inner, outer, values):
    forced, scale = forced_scale(values, inner)
    if forced:
        return scale
    if inner.s.rule == "static":
        return exact(F32(inner.s.static))
    amax = exact(amax_of(values, inner.s))
    if amax == 0:
        return inner.of_zero()
    s1 = outer.stored
    amax /= s1
    if inner.s.rule == "4over6":
        return four_over_six(f, q, inner, values, amax / f.largest, lambda v, s: exact_code(f, v, (s, s1), q, "rne"), (s1,))
    return with_rule(inner, amax, f.largest, f.emax, f.trailing_bits, False)


def te_outer(f, q, inner, outer, values):
    amax = amax_of(values, outer.s)
    encode = min(fl32(inner.largest * f.largest) / amax, FLT_MAX) if amax != 0 else F32(1)
    if encode == 0:
        encode = F32(1)
    return Outer(exact(F32(1) / encode), encode)


def te_inner(f, q, inner, outer, values):
    amax = amax_of(values, inner.s)
    r = amax * (outer.encode * (F32(1) / fl32(f.largest)))
    return inner.f.values[nearest_code(inner.f, exact(min(r, FLT_MAX)))]


def te_code(f, v, scales, q):
    s = fl32(scales[0]) * fl32(scales[1])
    return quotient_code(f, v * min(F32(1) / s, FLT_MAX), q)


def torchao_outer(f, q, inner, outer, values):
    amax = amax_of(values, outer.s)
    return Outer(Fraction(1) if amax == 0 else exact(amax / fl32(inner.largest * f.largest)))


def torchao_inner(f, q, inner, outer, values):
    amax = amax_of(values, inner.s)
    r = (amax / fl32(f.largest)) / fl32(outer.stored)
    low, high = inner.f.min_normal, inner.largest
    r = low if r != r else high if np.isinf(r) else min(max(exact(r), low), high)
    return inner.f.values[nearest_code(inner.f, r)]


def torchao_code(f, v, scales, q):
    if v == 0:
        return zero_code(f, v)
    return quotient_code(f, v * ((F32(1) / fl32(scales[1])) / fl32(scales[0])), q)


# ---- inputs -----------------------------------------------------------------------------------------------------------

NAN, INF = F32(np.nan), F32(np.inf)


def normal(rng):
    """Nearly normal, from random() alone, whose sequence Python promises to keep."""
    return sum(rng.random() for _ in range(12)) - 6


def normals(seed, rows, cols, scale_of=lambda r, c, rng: 1.0):
    rng = random.Random(seed)
    return rows, cols, [F32(normal(rng) * scale_of(r, c, rng)) for r in range(rows) for c in range(cols)]


def any_bits(seed, rows, cols):
    """Finite float32 of every exponent, subnormal ones included."""
    rng = random.Random(seed)
    return rows, cols, [float_of(rng.randrange(2) << 31 | rng.randrange(255) << 23 | rng.randrange(1 << 23)) for _ in range(rows * cols)]


def every_significand(seed, powers):
    """Blocks of two whose amax has every significand of bfloat16, and two of its neighbours in float32."""
    rng = random.Random(seed)
    x = []
    for k in range(128):
        bits = (127 + rng.choice(powers)) << 23 | k << 16
        x += [float_of(bits), float_of(bits) * F32(-rng.random())]
    for k in rng.sample(range(1, 128), 8):
        bits = (127 + rng.choice(powers)) << 23 | k << 16
        x += [F32(-0.0), float_of(bits - 1), float_of(bits + 1) * F32(-1), float_of(1 << 31 | 1)]
    return 4, len(x) // 4, x


def thresholds(elem):
    """Blocks of two with amax at and beside what the rules turn on: M, M 2^k, 1.5 M 2^k, powers of two, half-up carries."""
    f = FORMATS[elem]
    carry = power(f.emax + 1) - power(f.emax - f.trailing_bits - 1)
    x = []
    for j in (-130, -9, 0, 100):
        for t in (f.largest, f.largest * Fraction(3, 2), power(f.emax), carry):
            middle = bits_of(fl32(t * power(j)))
            for bits in (middle - 1, middle, middle + 1):
                x += [float_of(bits), float_of(bits ^ 1 << 31) * F32(0.3)]
    return 4, len(x) // 4, x


def ties(seed, elem, cols, scales, whole=Fraction(1)):
    """Blocks whose largest value is M s, so that s is the scale, and the others midpoints of the element's grid times s."""
    rng = random.Random(seed)
    f = FORMATS[elem]
    middles = [(a + b) / 2 for a, b in zip(f.values, f.values[1:])]
    x = []
    for s in scales:
        row = [f.largest] + [rng.choice(middles) if len(middles) > cols else middles[k % len(middles)] for k in range(cols - 1)]
        x += [fl32(v * s * whole) * F32(rng.choice((-1, 1))) for v in row]
    return len(scales), cols, x


def with_values(base, changes):
    rows, cols, x = base
    x = list(x)
    for (r, c), v in changes.items():
        x[r * cols + c] = v
    return rows, cols, x


def spread(seed, rows, cols, amplitudes, per=16):
    """Blocks of `per` columns of these magnitudes in turn."""
    return normals(seed, rows, cols, lambda r, c, rng: amplitudes[(r * -(-cols // per) + c // per) % len(amplitudes)])


E4M3_SCALES = [Fraction(n, 8) for n in (8, 9, 11, 13, 15)] + [Fraction(1, 64), Fraction(7, 512), Fraction(448)]
POWERS = [power(k) for k in (0, -3, 7, -100, 90)]
TINY = 2.0**-149

INPUTS = {
    "normal": normals(1, 3, 70),
    "large": normals(2, 2, 37, lambda r, c, rng: 3e5),
    "small": normals(3, 2, 37, lambda r, c, rng: 2e-7),
    "spread": spread(4, 3, 64, [1, 1e-3, 300, 1e-8, 0, 2e5, 0.02]),
    "outlier": with_values(normals(5, 2, 48), {(0, 3): F32(-1000), (1, 40): F32(37)}),
    "every_exponent": any_bits(6, 4, 32),
    "significands": every_significand(7, range(-3, 4)),
    "significands_low": every_significand(8, (-126, -125, -124, -121, -118)),
    "thresholds_e2m1fn": thresholds("e2m1fn"),
    "thresholds_e4m3fn": thresholds("e4m3fn"),
    "thresholds_int8": thresholds("int8"),
    "ties_e2m1fn": ties(9, "e2m1fn", 16, E4M3_SCALES),
    "ties_e2m1fn_tensor": ties(10, "e2m1fn", 16, E4M3_SCALES, Fraction(3, 1024)),
    "ties_e2m1fn_powers": ties(11, "e2m1fn", 16, POWERS),
    "ties_e4m3fn_powers": ties(12, "e4m3fn", 32, POWERS),
    "ties_e5m2_powers": ties(13, "e5m2", 32, POWERS),
    "ties_e3m2fn_powers": ties(14, "e3m2fn", 32, POWERS),
    "ties_e2m3fn_powers": ties(15, "e2m3fn", 32, POWERS),
    "ties_int4": ties(16, "int4", 16, E4M3_SCALES),
    "zeros": (2, 37, [F32(-0.0 if k % 3 == 0 else 0.0) for k in range(74)]),
    "zero_blocks": with_values((2, 48, [F32(-0.0 if k % 5 == 0 else 0.0) for k in range(96)]), {(0, 20): F32(1.5), (0, 25): F32(-0.7), (1, 47): F32(1e-30)}),
    "subnormal": (2, 40, [F32((-1) ** k * TINY * (1 << (k * 23 // 80)) * (1 + k % 7 / 8)) for k in range(80)]),
    "tiniest": (1, 32, [F32((k % 4 - 1) * TINY) for k in range(32)]),
    "least_normal": spread(17, 2, 48, [2.0**-126, 2.0**-124, 2.0**-128, 2.0**-120, 2.0**-132]),
    "tiny_blocks": with_values(spread(18, 2, 64, [1e-9, 1e-6, 1e-30, 1e-3]), {(1, 5): F32(3e4)}),
    "underflowing_blocks": with_values(spread(19, 1, 64, [1e-38, 1e-20, 1e-44]), {(0, 0): F32(1e38)}),
    "huge": with_values(spread(20, 2, 40, [5e37, 1e38, 3e30]), {(0, 1): FLT_MAX, (0, 20): -FLT_MAX, (1, 33): FLT_MAX / F32(3)}),
    "infinities": with_values(normals(21, 3, 48), {(0, 2): INF, (0, 3): -INF, (1, 20): -INF, **{(2, c): INF for c in range(16, 32)}}),
    "nans": with_values(normals(22, 3, 48), {(0, 5): NAN, (1, 17): NAN, (1, 40): float_of(0xFF800001), **{(2, c): NAN for c in range(32, 48)}}),
    "nans_and_infinities": with_values(
        spread(23, 3, 48, [1, 1e-12, 0]), {(0, 1): INF, (0, 2): NAN, (0, 33): NAN, (1, 7): -INF, (1, 20): NAN, (2, 0): NAN, (2, 1): INF, (2, 47): -INF}
    ),
    "one": (1, 1, [F32(-3.3)]),
    "column": normals(24, 35, 1, lambda r, c, rng: 4.0**rng.randrange(-4, 5)),
    "square": normals(25, 18, 21, lambda r, c, rng: 1 if r < 16 else 30),
    "tall": normals(26, 130, 5, lambda r, c, rng: 1e-3 if r < 128 else 8),
    "wide": normals(27, 2, 261, lambda r, c, rng: 1e-7 if 128 <= c < 256 else 5),
}

# ---- cases ------------------------------------------------------------------------------------------------------------

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
        replace(two("e2m1fn", block(16, "e4m3fn", "4over6"), TENSOR), name="nvfp4:4over6"),
        replace(zero, order="te", name="nvfp4:te"),
        replace(plain, order="torchao", name="nvfp4:torchao"),
    ]
    everywhere = ["normal", "large", "small", "spread", "outlier", "ties_e2m1fn", "ties_e2m1fn_tensor", "tiny_blocks", "one", "column"]
    for q in named:
        for name in everywhere + EDGES + ["underflowing_blocks", "significands"] + SPECIAL:
            yield q, name
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
    for rule in ("amax", "exact"):
        for name in ("tiny_blocks", "subnormal", "zeros"):
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
    least = {"min": 1e-4}
    for suffix, fmt, rule, order in (("", "f32", "amax", "reciprocal"), ("_ue8m0", "e8m0fnu", "rceil", "exact")):
        row = one("e4m3fn", block(128, fmt, rule, **least), order=order, name="deepseek_1x128" + suffix)
        for data in ("normal", "wide", "zeros", "huge", "ties_e4m3fn_powers", "subnormal", "nans"):
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
            yield two("e4m3fn", replace(e4m3, nan=nan, inf=inf), TENSOR), "nans_and_infinities"
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


def wrapped(word, numbers, per_line=24):
    lines = [numbers[k : k + per_line] for k in range(0, len(numbers), per_line)]
    return [f"{word if k == 0 else ''} {' '.join(line)}" for k, line in enumerate(lines)]


def input_lines():
    yield "# The arrays that the cases quantize: rows, columns, float32 in row-major order. Written by make_blocks.py."
    for name, (rows, cols, x) in INPUTS.items():
        assert len(x) == rows * cols, name
        yield f"input {name} {rows} {cols}"
        yield from wrapped("bits", [f"{struct.unpack('<I', struct.pack('<f', v))[0]:x}" for v in x])


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
        yield from wrapped("scales", [f"{c:x}" for c in inner], 48)
        if len(q.levels) == 2:
            yield from wrapped("outer", [f"{c:x}" for c in outer], 48)
        yield from wrapped("values", [f"{v:x}" for v in values])


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
