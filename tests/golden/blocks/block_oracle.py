"""Quantizers with one or two levels of scales, evaluated from their definition.  Nothing of the library.

Everything that the definition calls exact is done in rationals, and everything that it says is done in float32 is one
NumPy float32 operation after the other.
"""
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from block_formats import F32, FLT_MAX, FORMATS, NAN_BITS, bits_of, ceil_log2, element_code, element_value, exact, fl32, floor_log2, nearest_code, power

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

# A scale is a rational, or None for NaN, or ANY where the definition leaves it open: inside of an outer NaN.
ANY = "?"


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
        if value is ANY:
            return ANY
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
        return F32(np.nan if not all(scales) else -np.inf if negative else np.inf)
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
        outer_scales = []
        for m in outer_members:
            forced, scale = forced_scale([x[k] for k in m], outer)
            outer_scales.append(Outer(scale) if forced else finders[q.order](f, q, inner, outer, [x[k] for k in m]))
        inners = {"exact": exact_inner, "te": te_inner, "torchao": torchao_inner}
        scales = []
        for m in members:
            s1 = outer_scales[outer_of[m[0]]]
            forced, scale = forced_scale([x[k] for k in m], inner)
            scales.append(ANY if s1.stored is None else scale if forced else inners[q.order](f, q, inner, s1, [x[k] for k in m]))
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
        elif q.order == "torchao":
            values.append(bits_of(product(f, code, (Fraction(1),)) * (fl32(each[k][0]) * fl32(each[k][1]))))
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
    amax = exact(amax_of(values, outer.s))
    if outer.s.rule != "static" and amax == 0:
        return Outer(outer.of_zero())
    largest = f.largest * largest_inner(inner)
    return Outer(with_rule(outer, amax, largest, floor_log2(largest), f.trailing_bits, False))


def exact_inner(f, q, inner, outer, values):
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
    if r != r:  # 0 / 0: amax0 / max and the outer scale have both vanished
        return None
    return inner.f.values[nearest_code(inner.f, high if np.isinf(r) else min(max(exact(r), low), high))]


def torchao_code(f, v, scales, q):
    if v == 0:
        return zero_code(f, v)
    return quotient_code(f, v * ((F32(1) / fl32(scales[1])) / fl32(scales[0])), q)
