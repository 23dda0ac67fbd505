"""The arrays that the golden quantizers take: rows, columns, float32 in row-major order."""
import random
from fractions import Fraction

import numpy as np
from block_formats import F32, FLT_MAX, FORMATS, bits_of, exact, fl32, float_of, power

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


def scale_ties(seed, blocks):
    """A tensor's amax in the first of the blocks of 16; in the others the float32 next to what takes their scale between two of E4M3."""
    rng = random.Random(seed)
    whole = F32(1 + rng.random())
    s1, scales = exact(whole / F32(2688)), FORMATS["e4m3fn"].values
    x = [whole] + [F32(0)] * 15
    for _ in range(blocks - 1):
        k = rng.randrange(8, len(scales) - 1)
        near = bits_of(fl32(6 * s1 * (scales[k] + scales[k + 1]) / 2))
        x += [float_of(near + rng.choice((-1, 0, 0, 1)))] + [F32(0)] * 15
    return 1, len(x), x


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
    **{f"scale_ties_{seed}": scale_ties(seed, 30) for seed in (30, 31, 32, 33)},
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
    # Blocks about 2^-10 of what the largest scale takes, and one that sets the tensor's scale: scales vanish or just do not.
    "vanishing": with_values(spread(28, 2, 96, [6 * 2.0**-10 * k for k in (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)]), {(0, 0): F32(2688), (1, 95): F32(-0.0)}),
    "one": (1, 1, [F32(-3.3)]),
    "column": normals(24, 35, 1, lambda r, c, rng: 4.0**rng.randrange(-4, 5)),
    "square": normals(25, 18, 21, lambda r, c, rng: 1 if r < 16 else 30),
    "tall": normals(26, 130, 5, lambda r, c, rng: 1e-3 if r < 128 else 8),
    "wide": normals(27, 2, 261, lambda r, c, rng: 1e-7 if 128 <= c < 256 else 5),
}
