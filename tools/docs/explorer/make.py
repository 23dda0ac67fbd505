"""Writes docs/explorer.html: what every named format can represent and what it does to a Gaussian, drawn.  Use ./dev docs.

The page computes nothing: values, codes and facts are the program's and the package's, the curves are made here.  For formats of 8 bits or fewer the mean squared error and
the densities are integrals over the interval of each value, whose ends are found by bisection of binade.quantize; wider formats and quantizers with scales see a fixed sample.
"""

import argparse
import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np

import binade

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs" / "explorer.html"

# Formats without a row in the catalogue: the ones of P3109 that the golden tables have, and the usual members of each family.
P3109 = sorted((path.stem for path in (ROOT / "tests/golden").glob("binary*.txt")), key=lambda n: (-int(re.match(r"binary(\d+)", n)[1]), n))
FAMILIES = [
    ("Integers and fixed point", ["int8", "int7", "int6", "int5", "int4", "int3", "int2", "uint8", "uint4", "fixed1.6", "fixed3.4", "fixed0.7"]),
    ("Logarithmic", ["lns8", "lns8:bias=64:zero", "lns4"]),
    ("Posits and takums", ["posit16", "posit8", "posit6", "posit4", "takum16", "takum8"]),
]
LOG2_SIGMA = [k / 4 for k in range(-28 * 4, 20 * 4 + 1)]
BINS = 80
SAMPLE = (128, 128)  # of quantizers
FINE = 1 << 16  # elements for wide formats, which have no scales: their order says nothing
SHOWN = 32  # elements of the example of a quantizer


# ---- numbers as text -----------------------------------------------------------------------------------------------------------------------


def exact(value):
    """As the golden tables have it: NpE is N x 2^E."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    numerator, denominator = value.as_integer_ratio()
    shift = (numerator & -numerator).bit_length() - 1
    return f"{numerator >> shift}p{shift - denominator.bit_length() + 1}"


def short(value, digits=3):
    """The number that `digits` significant digits leave, an integer where it is one."""
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) else rounded


# ---- a Gaussian --------------------------------------------------------------------------------------------------------------------------------

_erfc = np.vectorize(math.erfc, otypes=[float])


def upper(x):
    """P(X > x) of a standard Gaussian, for x >= 0."""
    return _erfc(x / math.sqrt(2)) / 2


def probability(a, b):
    """P(a < X < b) of a standard Gaussian, a <= b, without cancellation in the tails."""
    beyond_a, beyond_b = upper(np.abs(a)), upper(np.abs(b))
    return np.where(a >= 0, beyond_a - beyond_b, np.where(b <= 0, beyond_b - beyond_a, 1 - beyond_a - beyond_b))


def density(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def quantiles(count):
    """A sample of a standard Gaussian that is the same on every machine, ascending."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((k + 0.5) / count) for k in range(count)])


def shuffled(values):
    """In an order that is the same in every version of Python."""
    keys = random.Random(0)
    return values[sorted(range(values.size), key=lambda _: keys.random())]


# ---- a format that is seen whole -------------------------------------------------------------------------------------------------------------


class Grid:
    """The finite values of a format, ascending, and the interval of the numbers that become each of them.  Unsigned ones see x >= 0."""

    def __init__(self, spec, values):
        finite = np.unique(np.array([v for v in values if math.isfinite(v)]))
        self.values = finite[binade.quantize(finite, spec) == finite]  # a symmetric integer has one value that nothing is rounded to
        low, high = self.values[:-1].copy(), self.values[1:].copy()
        for _ in range(64):
            middle = low + (high - low) / 2
            stays = binade.quantize(middle, spec) == self.values[:-1]
            low, high = np.where(stays, middle, low), np.where(stays, high, middle)
        self.sides = 1 if self.values[0] < 0 else 2  # of an unsigned format the half that it sees counts twice
        self.low = np.concatenate([[-np.inf if self.sides == 1 else 0.0], high])
        self.high = np.concatenate([high, [np.inf]])

    def mean_squared_error(self, sigma):
        a, b, q = self.low / sigma, self.high / sigma, self.values / sigma
        share = probability(a, b)
        at_a, at_b = density(a), density(b)
        edges = np.where(np.isfinite(a), a, 0) * at_a - np.where(np.isfinite(b), b, 0) * at_b
        with np.errstate(under="ignore", over="ignore"):
            return self.sides * float(np.sum((share + edges) - 2 * q * (at_a - at_b) + np.where(share > 0, q * q * share, 0)))

    def densities(self, sigma, edges_absolute, edges_relative):
        """Of (q - x) / sigma and (q - x) / x: the mean of each bin, from the distribution at its ends."""
        a, b, q = (each[:, None] / sigma for each in (self.low, self.high, self.values))

        def share(low, high):
            low, high = np.clip(low, a, b), np.clip(high, a, b)
            return self.sides * np.sum(probability(low, np.maximum(low, high)), axis=0)

        absolute = share(q - edges_absolute, np.inf)  # error <= t where x >= q - t
        with np.errstate(divide="ignore", invalid="ignore"):
            border = q / (1 + edges_relative)  # x that has this relative error; q = 0 has -1, below every bin
        relative = share(np.where(q > 0, border, np.inf), np.inf) + share(-np.inf, np.where(q < 0, border, -np.inf))
        return np.diff(absolute) / np.diff(edges_absolute), np.diff(relative) / np.diff(edges_relative)


def errors(x, q):
    """(q - x) / rms of x, and (q - x) / x."""
    return (q - x) / math.sqrt(np.mean(x * x)), (q - x) / x


def limits(x, q):
    """How far the axes of the two densities go: to what most of a sample has."""
    absolute, relative = (np.abs(e) for e in errors(x, q))
    return float(f"{np.quantile(absolute, 0.995):.2g}") or 1.0, min(1.0, float(f"{1.15 * np.quantile(relative, 0.92):.2g}"))


def density_record(limit_absolute, limit_relative, absolute, relative, zero):
    return {
        "al": limit_absolute, "rl": limit_relative, "zero": short(zero, 2),
        "a": [short(v) for v in absolute], "r": [short(v) for v in relative],
    }  # fmt: skip


def sampled_densities(x, q):
    limit_absolute, limit_relative = limits(x, q)
    absolute, relative = errors(x, q)
    shares = (  # the relative error -1 of what becomes zero is a number of its own, no part of the density
        np.histogram(seen, np.linspace(-limit, limit, BINS + 1))[0] / x.size / (2 * limit / BINS)
        for seen, limit in ((absolute, limit_absolute), (relative[q != 0], limit_relative))
    )
    return density_record(limit_absolute, limit_relative, *shares, np.mean(q == 0))


def grid_densities(grid, spec, x, sigma):
    q = binade.quantize(x, spec)
    limit_absolute, limit_relative = limits(x, q)
    edges = (np.linspace(-limit, limit, BINS + 1) for limit in (limit_absolute, limit_relative))
    absolute, relative = grid.densities(sigma, *edges)
    at_zero = grid.values == 0
    zero = grid.sides * float(np.sum(probability(grid.low[at_zero] / sigma, grid.high[at_zero] / sigma)))
    return density_record(limit_absolute, limit_relative, absolute, relative, zero)


def decibels(power, mean_squared_error):
    return round(10 * math.log10(power / mean_squared_error), 2)


def error_record(sqnr, densities_at):
    """The curve, its highest point (of a plateau the one nearest to sigma = 1), and the densities there and at sigma = 1."""
    best = max(range(len(sqnr)), key=lambda k: (round(sqnr[k], 1), -abs(LOG2_SIGMA[k])))
    return {"sqnr": sqnr, "best": best, "at": [densities_at(2 ** LOG2_SIGMA[best]), densities_at(1.0)]}


# ---- records of the page -----------------------------------------------------------------------------------------------------------------------


class Program:
    def __init__(self, path):
        self.path = path

    def ask(self, *arguments):
        return subprocess.run([self.path, "formats", *arguments], check=True, capture_output=True, text=True).stdout

    def document(self, *name):
        return json.loads(self.ask(*name, "--json"))

    def facts(self, name):
        """The lines above the table of codes, as they are printed."""
        lines = self.ask(name).split("\n\n")[0].rstrip().splitlines()
        return [re.split(r"\s{2,}", line, maxsplit=1) for line in lines]


def sampled_codes(f):
    """Codes of the positive values of a wide format, evenly spaced: at most some hundreds of them."""
    step = 1 << max(0, f.bits - 1 - (11 if f.exponent_bits is None or f.exponent_bits > 8 else 9))
    return np.arange(step, 1 << (f.bits - 1), step, dtype=np.uint64)


def scalar_record(program, name, normal):
    f = binade.format(name)
    document = program.document(name)["format"]
    spec = f"{name}/saturate"
    facts = program.facts(name)
    is_whole = f.bits <= 8
    record = {"name": name, "kind": f.kind, "bits": f.bits, "signed": f.min < 0, "facts": facts, "max": exact(f.max), "least": exact(f.smallest_positive)}
    if f.exponent_bits is not None:
        record["layout"] = [int(f.is_signed), f.exponent_bits, f.trailing_bits]
        record["normal"] = exact(f.min_normal)
    facts.append(["dynamic range", f"{math.log2(f.max) - math.log2(f.smallest_positive):.1f} binades = {20 * (math.log10(f.max) - math.log10(f.smallest_positive)):.0f} dB"])
    if is_whole:
        values = [float(v) for v in binade.decode(np.arange(1 << f.bits, dtype=np.uint8), f)]
        record["values"] = " ".join(map(exact, values))
        record["kinds"] = "".join(v["kind"][0] for v in document["values"])
        grid = Grid(spec, values)
        if not any(key == "finite values" for key, _ in facts):
            facts.append(["finite values", str(grid.values.size)])
        sqnr = [decibels(1, grid.mean_squared_error(2**k)) for k in LOG2_SIGMA]
        seen = normal if f.min < 0 else np.abs(normal)
        record |= error_record(sqnr, lambda sigma: grid_densities(grid, spec, seen * sigma, sigma))
    else:
        finite = binade.decode(sampled_codes(f).astype(f"uint{max(16, 1 << (f.bits - 1).bit_length())}"), f)
        shown = {float(v) for v in finite if np.isfinite(v)} | {f.max, f.smallest_positive}
        record["sampled"] = " ".join(exact(v) for v in sorted(shown))

        def quantized(sigma):
            x = normal * sigma
            return x, binade.quantize(x, spec)

        def decibels_at(sigma):
            x, q = quantized(sigma)
            error = np.mean((x - q) ** 2)
            return decibels(np.mean(x * x), error) if error > 0 else None

        sqnr = [decibels_at(2**k) for k in LOG2_SIGMA]
        record |= error_record(sqnr, lambda sigma: sampled_densities(*quantized(sigma))) if None not in sqnr else {}
    return record


def group_words(s, rules):
    """What shares a scale, how it is stored, how it is found."""
    sizes = {"block": f"{s.cols} consecutive elements", "tile": f"a tile of {s.rows} × {s.cols} elements", "tensor": "the whole tensor", "row": "a row", "col": "a column"}
    stored = "a float32" if s.format.bits == 32 else f"a code of {s.format} ({s.format.bits} bit{'s' if s.format.bits > 1 else ''})"
    return {"shared": sizes[s.granularity], "stored": stored, "rule": s.rule, "means": rules.get(s.rule, "")}


def example(q, x):
    """The first elements of the sample, their scale and what becomes of them."""
    e = binade.encode(x, q)
    levels = [(q.scaling, e.scales)] + ([(q.outer_scaling, e.tensor_scale)] if q.outer_scaling is not None else [])
    effective = np.ones(SHOWN)
    words = []
    for s, scales in levels:
        scales = np.atleast_2d(np.asarray(scales))
        if scales.dtype.kind in "ui":
            words.append(f"{float(binade.decode(scales[:1, :1], s.format).item()):.6g} (code 0x{int(scales[0, 0]):02x})")
            scales = binade.decode(scales, s.format)
        else:
            words.append(f"{float(scales[0, 0]):.6g}")
        effective = effective * np.array([float(scales[0, min(j // s.cols if s.cols else 0, scales.shape[1] - 1)]) for j in range(SHOWN)])
    return {
        "x": [short(float(v), 6) for v in x[0, :SHOWN]],
        "q": [short(float(v), 6) for v in binade.quantize(x, q)[0, :SHOWN]],
        "codes": [int(c) for c in e.codes[0, :SHOWN]],
        "step": [short(float(v), 6) for v in effective],
        "scales": words,
    }


def quantizer_record(program, row, rules, normal):
    q = binade.quantizer(row["name"])
    x = normal.astype(np.float32)

    def quantized(sigma):
        scaled = x * np.float32(sigma)
        return scaled.astype(np.float64), binade.quantize(scaled, q).astype(np.float64)

    def decibels_at(sigma):
        exactly, rounded = quantized(sigma)
        return decibels(np.mean(exactly**2), np.mean((exactly - rounded) ** 2))

    groups = [group_words(s, rules) for s in (q.scaling, q.outer_scaling) if s is not None]
    record = {"name": row["name"], "quantizer": True, "element": str(q.format), "facts": program.facts(row["name"]), "groups": groups, "example": example(q, x)}
    record["group"] = q.scaling.cols
    record["bits_per_element"] = program.document(row["name"])["bits_per_element"]
    return record | error_record([decibels_at(2**k) for k in LOG2_SIGMA], lambda sigma: sampled_densities(*quantized(sigma)))


def groups_of(document):
    """The headings of the chooser and the names below them."""
    floats = document["formats"]
    signed = [row for row in floats if row["sign_bits"]]
    quantizers = [row["name"] for row in document["quantizers"]]
    families = dict.fromkeys(re.split(r"[_:\d]", name)[0] for name in quantizers)
    return [
        ("Floating point, 16 bits and more", [row["name"] for row in signed if row["bits"] > 8]),
        ("Floating point, 8 bits", [row["name"] for row in signed if row["bits"] == 8]),
        ("Floating point, 6 and 4 bits", [row["name"] for row in signed if row["bits"] < 8]),
        ("Unsigned, for scales", [row["name"] for row in floats if not row["sign_bits"]]),
        ("Code books", [row["name"] for row in document["code_books"]]),
        *FAMILIES,
        ("IEEE P3109", P3109),
        *((f"Quantizers: {family}", [name for name in quantizers if re.split(r"[_:\d]", name)[0] == family]) for family in families),
    ]


def page_data(program):
    document = program.document()
    groups = groups_of(document)
    rules = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/text_form.md").read_text(), re.MULTILINE))
    quantizers = {row["name"]: row for row in document["quantizers"]}
    normal, fine = shuffled(quantiles(math.prod(SAMPLE))).reshape(SAMPLE), quantiles(FINE)
    names = [name for _, members in groups for name in members]
    records = [quantizer_record(program, quantizers[n], rules, normal) if n in quantizers else scalar_record(program, n, fine) for n in names]
    aliases = {alias: row["name"] for row in document["formats"] for alias in row["aliases"]}
    return {
        "groups": groups,
        "aliases": aliases,
        "sigma": [LOG2_SIGMA[0], LOG2_SIGMA[-1], len(LOG2_SIGMA)],
        "sample": math.prod(SAMPLE),
        "fine": FINE,
        "formats": {record["name"]: record for record in records},
    }


def page(data):
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    # A line for each format, so that a change of one is seen as such.
    text = re.sub(r'(?<=[{,])("[^"]+":\{"name":)', r"\n\1", text)
    parts = {"style": (HERE / "page.css").read_text(), "script": (HERE / "page.js").read_text(), "data": text}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]].rstrip("\n"), (HERE / "page.html").read_text())


def main():
    parser = argparse.ArgumentParser(prog="tools/docs/explorer/make.py")
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", default=PAGE, type=Path)
    arguments = parser.parse_args()
    arguments.out.write_text(page(page_data(Program(arguments.program))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
