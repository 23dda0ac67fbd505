#!/usr/bin/env python3
"""Prints the constants of include/binade/elementary.hpp.  Needs mpmath.

Each polynomial interpolates its function at the Chebyshev nodes of the interval that the argument reduction leaves, in
60-digit arithmetic; the coefficients are then rounded to binary64.  The largest error is printed beside each, measured on
2000 points with the rounded coefficients; the error of the finished functions is measured by the tests.
"""
from mpmath import mp, mpf, atan, atanh, chop, cos, erfc, exp, log, pi, sin, sqrt, taylor, polyval, matrix, lu_solve, floor

mp.dps = 60


def interpolate(f, low, high, degree):
    nodes = [(low + high) / 2 + (high - low) / 2 * cos((2 * i + 1) * pi / (2 * degree + 2)) for i in range(degree + 1)]
    powers = matrix(degree + 1, degree + 1)
    values = matrix(degree + 1, 1)
    for i, x in enumerate(nodes):
        values[i] = f(x)
        for j in range(degree + 1):
            powers[i, j] = x**j
    return [float(c) for c in lu_solve(powers, values)]


def show(name, what, f, low, high, degree, weight):
    """weight(x): what the polynomial's error is multiplied with to become a relative error of the function."""
    low, high = mpf(low), mpf(high)
    coefficients = interpolate(f, low, high, degree)
    worst = max(abs((polyval([mpf(c) for c in coefficients[::-1]], x) - f(x)) * weight(x))
                for x in (low + (high - low) * (i + mpf(1) / 3) / 2000 for i in range(2000)))
    print(f"/// {what}; relative error 2^{float(log(worst, 2)):.1f}")
    print(f"inline constexpr double {name}[] = {{" + ", ".join(c.hex() for c in coefficients) + "};")


def split(name, value, bits):
    """Prints value as high + low, high with this many significant bits."""
    exponent = floor(log(value, 2))
    unit = mpf(2) ** (exponent + 1 - bits)
    high = floor(value / unit) * unit
    print(f"{name}: {float(high).hex()} + {float(value - high).hex()}")


half_ln2 = log(2) / 2 * (1 + mpf(2) ** -20)
exp_tail = lambda r: (exp(r) - 1 - r) / r**2 if abs(r) > mpf(10) ** -15 else mpf(1) / 2 + r / 6
show("exp_short", "(e^r - 1 - r) / r^2, |r| <= ln(2)/2", exp_tail, -half_ln2, half_ln2, 6, lambda r: r**2)
show("exp_long", "(e^r - 1 - r) / r^2, |r| <= ln(2)/2", exp_tail, -half_ln2, half_ln2, 10, lambda r: r**2)

z_log = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * (1 + mpf(2) ** -20)
log_tail = lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z
show("log_short", "(ln((1+s)/(1-s)) / s - 2) / z, z = s^2 <= (3 - 2 sqrt 2)^2", log_tail, 0, z_log, 4, lambda z: z / 2)
show("log_long", "(ln((1+s)/(1-s)) / s - 2) / z, z = s^2 <= (3 - 2 sqrt 2)^2", log_tail, 0, z_log, 7, lambda z: z / 2)

z_trig = (pi / 4) ** 2 * (1 + mpf(2) ** -20)
sin_tail = lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z
cos_tail = lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2
show("sin_short", "(sin(r) / r - 1) / z, z = r^2 <= (pi/4)^2", sin_tail, 0, z_trig, 3, lambda z: z)
show("sin_long", "(sin(r) / r - 1) / z, z = r^2 <= (pi/4)^2", sin_tail, 0, z_trig, 6, lambda z: z)
show("cos_short", "(cos(r) - 1 + z/2) / z^2, z = r^2 <= (pi/4)^2", cos_tail, 0, z_trig, 3, lambda z: z**2)
show("cos_long", "(cos(r) - 1 + z/2) / z^2, z = r^2 <= (pi/4)^2", cos_tail, 0, z_trig, 6, lambda z: z**2)

z_erfc = lambda u: mpf(15) / 4 * (1 + u) / (1 - u)
erfc_ratio = lambda u: (1 + 2 * z_erfc(u)) * exp(z_erfc(u) ** 2) * erfc(z_erfc(u))
show("erfc_short", "erfc(z) e^(z^2) (1 + 2z), u = (z - 15/4) / (z + 15/4)", erfc_ratio, -1, 1, 17, lambda u: 1)
show("erfc_long", "erfc(z) e^(z^2) (1 + 2z), u = (z - 15/4) / (z + 15/4)", erfc_ratio, -1, 1, 23, lambda u: 1)

split("ln2, 32 bits", log(2), 32)
split("ln2, 42 bits", log(2), 42)
split("pi/2, 33 bits", pi / 2, 33)
split("pi/2, 53 bits", pi / 2, 53)
print("1/ln2:", float(1 / log(2)).hex(), " 2/pi:", float(2 / pi).hex())

mp.prec = 1400
bits = int(floor(2 / pi * mpf(2) ** 1248))
print("2/pi, 32 bits each: " + ", ".join(f"0x{(bits >> (1248 - 32 * (i + 1))) & 0xffffffff:08x}" for i in range(39)))
