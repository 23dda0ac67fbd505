"""Rationals, float32 and the formats of elements and scales, from their definitions.  Nothing of the library."""
import bisect
import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

F32 = np.float32
FLT_MAX = F32(3.4028234663852886e38)
NAN_BITS = 0x7FC00000
np.seterr(all="ignore")  # float32 operations overflow, underflow and divide by zero on purpose


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


# ---- formats ---------------------------------------------------------------------------------------------------------


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
