"""The conversions of other libraries, the inputs they are tried on, and what kind of input each is."""

import functools
import importlib.metadata
import os
import pathlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Callable

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("BINADE_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "libraries"
REFUSED = 0xFFFF  # stands for the code of an input that has none (array_file.hpp); only formats of few bits refuse
NO_CODE = 0xFFFE  # stands for a number that is no code of the format
BITS = {"float16": np.uint16, "bfloat16": np.uint16, "float32": np.uint32, "float64": np.uint64, "int64": np.int64}


# ---- binade -------------------------------------------------------------------------------------------------------------


def run_on_files(program, arguments, data, result_type, *extra):
    """What `program ARGUMENTS IN OUT EXTRA` makes of an array."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = pathlib.Path(folder, "in"), pathlib.Path(folder, "out")
        data.tofile(given)
        done = subprocess.run([program, *arguments, given, made, *extra], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{program.name} {' '.join(arguments)}: {done.stderr.strip()}")
        return np.fromfile(made, result_type)


def type_of(source):
    """`strided float32` says that only every second element of an array is converted: PyTorch has another path for that."""
    return source.split()[-1]


def exact_numbers(bits, source):
    """The numbers that bit patterns of a source type stand for, as float32 or float64 with sign and payload of a NaN."""
    source = type_of(source)
    if source == "float16":
        return bits.view(np.float16).astype(np.float32)
    if source == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return bits.astype(np.float64) if source == "int64" else bits.view(source)  # integers here are below 2^53


def binade_encode(text, bits, source, noise=0):
    numbers = exact_numbers(bits, source)
    return run_on_files(PROGRAMS / "cast", ["encode", text, numbers.dtype.name], numbers, np.uint16, str(noise))


def width_of(name):
    split = re.fullmatch(r"(u?)e(\d+)m(\d+)(fnuz|fnu|fn|b11fnuz)?", name)
    if split:
        return int(split[2]) + int(split[3]) + (not split[1] and split[4] != "fnu")
    return int(re.match(r"binary(\d+)p", name)[1])


@functools.lru_cache
def binade_values(name):
    """The value of every code of a format, in float64."""
    codes = np.arange(1 << width_of(name), dtype=np.uint16)
    return run_on_files(PROGRAMS / "cast", ["decode", name, "float64"], codes, np.float64)


# ---- inputs -------------------------------------------------------------------------------------------------------------


@functools.lru_cache
def marks(name):
    """Values and midpoints of a format, the step above its largest value included: (midpoints, all of them)."""
    values = binade_values(name)
    values = np.unique(np.abs(values[np.isfinite(values)]))
    top, step = values[-1], values[-1] - values[-2]
    if np.frexp(top)[0] == 0.5:
        step *= 2  # a power of two: the binade above has twice the step
    values = np.append(values, top + step)
    middles = values[:-1] / 2 + values[1:] / 2
    return middles, np.concatenate([values, middles])


FLOAT32_SPECIALS = [
    *(0x7FC00000, 0x7F800001, 0x7FFFFFFF, 0x7FA00000, 0x7FC01234, 0x7FBFFFFF, 0x7F812345),  # NaN, quiet and signaling
    *(0x7F800000, 0x7F7FFFFF, 0, 1, 2, 0x007FFFFF, 0x00800000, 0x00400000, 0x00400001, 0x003FFFFF, 0x3F800000),
]
FLOAT64_SPECIALS = [
    *(0x7FF8000000000000, 0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF, 0x7FF4000000000000, 0x7FF9234500000000),
    *(0x7FF0000000000000, 0x7FEFFFFFFFFFFFFF, 0, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x3FF0000000000000),
    *(0x01A56E1FC2F8F359, 0x7E37E43C8800759C),  # 1e-300, 1e300: outside float32
]


@functools.lru_cache
def inputs(name, source):
    """Bit patterns of a source type for a format: all there are, or both sides of every step, specials and a walk."""
    source = type_of(source)
    if source in ("float16", "bfloat16"):
        return np.arange(1 << 16, dtype=np.uint16)
    middles, steps = marks(name)
    if source == "int64":
        # Beside the midpoints that float32 does not tell apart, and across the range.
        whole = np.unique(middles[(middles >= 1 << 20) & (middles < 1 << 52)]).astype(np.int64)
        powers = np.int64(1) << np.arange(52)
        near = np.concatenate([whole, powers, powers + (powers >> 8), powers + (powers >> 4) + (powers >> 9)])
        near = np.concatenate([near + d for d in (-2, -1, 0, 1, 2)] + [np.arange(-1000, 1000)])
        return np.unique(np.concatenate([near, -near]))
    kind, specials = (np.float32, FLOAT32_SPECIALS) if source == "float32" else (np.float64, FLOAT64_SPECIALS)
    with np.errstate(over="ignore"):
        near = steps.astype(kind)
    sides = np.concatenate([near, np.nextafter(near, kind(0)), np.nextafter(near, kind(np.inf))])
    if source == "float64":  # so near to a midpoint that float32 takes them for it, or for its neighbour
        sides = np.concatenate([sides, middles * (1 + 2.0**-30), middles * (1 - 2.0**-30), middles * (1 + 2.0**-24)])
    bits = [np.array(specials, BITS[source]), sides.view(BITS[source])]
    spread = np.random.default_rng(0)
    if source == "float32":
        stride = np.arange(1 << 19, dtype=np.uint32) << 12
        bits += [stride + spread.integers(0, 1 << 12, len(stride), dtype=np.uint32), np.arange(0, 1 << 31, 1 << 16, dtype=np.uint32)]
    else:
        bits.append(spread.integers(0, 1 << 63, 1 << 12, dtype=np.uint64))
    bits = np.unique(np.concatenate(bits))
    return np.concatenate([bits, bits | BITS[source](1 << (8 * bits.itemsize - 1))])


def classes(name, policies, source, bits):
    """What kind of input each is, by the format's values and independent of what anyone makes of it."""
    with np.errstate(invalid="ignore"):  # a signaling NaN
        x = exact_numbers(bits, source).astype(np.float64)
    values = binade_values(name)
    finite = np.unique(np.abs(values[np.isfinite(values)]))
    middles, _ = marks(name)
    is_signed = bool((values < 0).any())
    magnitude = np.abs(x)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        to_nearest = not re.search(r"\br(tz|up|dn)\b", policies)
        beyond = magnitude >= middles[-1] if to_nearest else magnitude > finite[-1]
        tests = {
            "positive NaN": np.isnan(x) & ~np.signbit(x),
            "negative NaN": np.isnan(x) & np.signbit(x),
            "positive infinity": x == np.inf,
            "negative infinity": x == -np.inf,
            "zero": x == 0,
            "negative": (x < 0) & (not is_signed),
            "beyond the largest": beyond,
            "below the smallest": (finite[0] > 0) & (magnitude < finite[0]),
            "between float32 numbers": x.astype(np.float32).astype(np.float64) != x,
            "between the smallest two": (finite[0] > 0) & (magnitude > finite[0]) & (magnitude < finite[1 if len(finite) > 1 else 0]),
            "tie": np.isin(magnitude, middles),
        }
    return np.select(list(tests.values()), list(tests), "other")


# ---- other libraries ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    library: str
    format: str
    policies: str  # of binade's element that is meant to do the same, beside its defaults: "", "spec", "rna/saturate"
    source: str
    convert: Callable  # bit patterns of the source type -> codes
    profile: str = ""  # the policies under the library's profile: "as=cuda", "spec/as=cuda"
    noise: int = 0  # R of the stochastic modes

    def text(self, policies):
        return f"{self.format}/{policies}" if policies else self.format

    def __str__(self):
        return f"{self.library}-{self.source}-{self.text(self.policies)}".replace("/", "_")


ML_DTYPES = {
    "e8m7": "bfloat16",
    "e5m2": "float8_e5m2",
    "e4m3": "float8_e4m3",
    "e3m4": "float8_e3m4",
    "e4m3fn": "float8_e4m3fn",
    "e4m3fnuz": "float8_e4m3fnuz",
    "e5m2fnuz": "float8_e5m2fnuz",
    "e4m3b11fnuz": "float8_e4m3b11fnuz",
    "e3m2fn": "float6_e3m2fn",
    "e2m3fn": "float6_e2m3fn",
    "e2m1fn": "float4_e2m1fn",
    "e8m0fnu": "float8_e8m0fnu",
}
SOURCES = ["float32", "float64", "float16", "bfloat16", "int64"]


def ml_dtypes_cases():
    import ml_dtypes

    def converter(name, source):
        target = getattr(ml_dtypes, ML_DTYPES[name])

        def convert(bits):
            given = bits if source == "int64" else bits.view(ml_dtypes.bfloat16 if source == "bfloat16" else source)
            with np.errstate(all="ignore"):
                return given.astype(target).view(np.uint16 if name == "e8m7" else np.uint8).astype(np.uint16)

        return convert

    for name in ML_DTYPES:
        for source in SOURCES:
            if ML_DTYPES[name] != source:
                yield Case("ml_dtypes", name, "", source, converter(name, source), "as=ml_dtypes")


OPERATIONS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "sqrt": lambda x, _: np.sqrt(x)}


def binade_compute(operation, text, x, y):
    return run_on_files(PROGRAMS / "cast", [operation, text, "codes"], np.concatenate([x, y]), np.uint16)


def ml_dtypes_numbers(name, codes):
    """An array of the format of these codes."""
    import ml_dtypes

    return codes.astype(np.uint16 if name == "e8m7" else np.uint8).view(getattr(ml_dtypes, ML_DTYPES[name]))


def ml_dtypes_compute(operation, name, x, y):
    with np.errstate(all="ignore"):
        result = OPERATIONS[operation](ml_dtypes_numbers(name, x), ml_dtypes_numbers(name, y))
    return result.view(np.uint16 if name == "e8m7" else np.uint8).astype(np.uint16)


def operands(name):
    """All pairs of codes; of 16 bits 2^20 random ones, half of them with exponents near one another."""
    if width_of(name) > 8:
        random = np.random.default_rng(1)
        x, y = random.integers(0, 1 << 16, (2, 1 << 20)).astype(np.uint16)
        y[::2] = (x[::2] & 0x7C00) | (y[::2] & 0x83FF)
        return x, y
    codes = np.arange(1 << width_of(name), dtype=np.uint16)
    return [grid.ravel() for grid in np.meshgrid(codes, codes, indexing="ij")]


def results(operation, name, x, y):
    """What kind of result each pair has, by its exact value in float64 (which holds the binade of every result here)."""
    values = binade_values(name)
    with np.errstate(all="ignore"):
        exact = OPERATIONS[operation](values[x], values[y])
        tests = {"NaN": np.isnan(exact), "below float32": (exact != 0) & (exact.astype(np.float32) == 0)}
    return np.select(list(tests.values()), list(tests), "other")


PYTORCH = {
    "e8m7": "bfloat16",
    "e5m10": "float16",
    "e5m2": "float8_e5m2",
    "e4m3fn": "float8_e4m3fn",
    "e4m3fnuz": "float8_e4m3fnuz",
    "e5m2fnuz": "float8_e5m2fnuz",
    "e8m0fnu": "float8_e8m0fnu",
}


def pytorch_cases():
    import torch

    def converter(name, source):
        target = getattr(torch, PYTORCH[name])

        def convert(bits):
            # The last elements of an array do not go through the vector code; none of the inputs is to be among them.
            padded = np.append(bits, np.zeros(64 + -len(bits) % 64, bits.dtype))
            given = torch.from_numpy(padded.view(np.int16 if bits.itemsize == 2 else type_of(source)))
            if bits.itemsize == 2:
                given = given.view(getattr(torch, source))
            if source.startswith("strided"):
                given = given.repeat_interleave(2)[::2]
            codes = given.to(target).view(torch.uint16 if width_of(name) == 16 else torch.uint8)
            return codes.numpy()[: len(bits)].astype(np.uint16)

        return convert

    for name in PYTORCH:
        for source in [*SOURCES, "strided float32"]:
            if PYTORCH[name] != source:
                yield Case("PyTorch", name, "", source, converter(name, source), "as=pytorch")


def cuda_cases():
    program = PROGRAMS / "cuda_cast"
    listing = subprocess.run([program, "list"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        text, *sources = line.split()
        name, *policies = text.split("/")
        plain = [p for p in policies if not p.startswith("as=")]
        if name == "e8m0fnu" and "rtz" not in plain:
            plain.insert(0, "rup")  # what the profile takes where nothing is said
        for source in sources:
            yield Case(
                "CUDA",
                name,
                "/".join(plain),
                source,
                functools.partial(lambda text, source, bits: run_on_files(program, ["encode", text, source], bits, np.uint16), text, source),
                "/".join(policies),
            )


GFLOAT = {
    "e5m10": "binary16",
    "e8m7": "bfloat16",
    "e5m2": "ocp_e5m2",
    "e4m3fn": "ocp_e4m3",
    "e3m2fn": "ocp_e3m2",
    "e2m3fn": "ocp_e2m3",
    "e2m1fn": "ocp_e2m1",
    "e8m0fnu": "ocp_e8m0",
}
GFLOAT_MODES = {"rne": "TiesToEven", "rna": "TiesToAway", "rtz": "TowardZero", "rup": "TowardPositive", "rdn": "TowardNegative"}
GFLOAT_STOCHASTIC = {"sr:3": "StochasticFastest", "srb:3": "StochasticFast", "src:3": "Stochastic"}  # P3109's A, B, C


def gfloat_format(name):
    import gfloat
    import gfloat.formats

    if name in GFLOAT:
        return getattr(gfloat.formats, "format_info_" + GFLOAT[name])
    width, precision, sign, domain = re.fullmatch(r"binary(\d+)p(\d+)([su])([ef])", name).groups()
    return gfloat.formats.format_info_p3109(
        int(width),
        int(precision),
        gfloat.types.Signedness.Signed if sign == "s" else gfloat.types.Signedness.Unsigned,
        gfloat.Domain.Extended if domain == "e" else gfloat.Domain.Finite,
    )


def p3109_names():
    for width in range(3, 9):
        for sign in "su":
            for precision in range(1, width + (sign == "u")):
                for domain in "ef":
                    yield f"binary{width}p{precision}{sign}{domain}"


def gfloat_cases():
    import gfloat

    def converter(name, mode, saturate, noise=0):
        info = gfloat_format(name)
        round_mode = getattr(gfloat.RoundMode, (GFLOAT_MODES | GFLOAT_STOCHASTIC)[mode])
        bits_of_noise = 3 if mode in GFLOAT_STOCHASTIC else 0

        def part(x):
            try:
                with np.errstate(all="ignore"):
                    rounded = gfloat.round_ndarray(info, x, round_mode, saturate, np.full(len(x), noise), bits_of_noise)
                    made = gfloat.encode_ndarray(info, rounded)
                    return np.where(made < 1 << width_of(name), made, NO_CODE).astype(np.uint16)
            except (ValueError, AssertionError):
                return None

        def convert(bits):
            x = exact_numbers(bits, "float64")
            codes = np.full(len(x), REFUSED, np.uint16)
            kinds = classes(name, mode, "float64", bits)
            for kind in np.unique(kinds):  # an error concerns a whole array: one kind of input at a time
                made = part(x[kinds == kind])
                if made is not None:
                    codes[kinds == kind] = made
            return codes

        return convert

    for name in [*GFLOAT, *p3109_names()]:
        for mode in GFLOAT_MODES:
            for saturate in (False, True):
                if mode != "rne" and (width_of(name) == 16 or (name.startswith("binary") and width_of(name) != 4)):
                    continue  # gfloat takes its time: all formats to nearest even, the other modes for some
                yield Case("gfloat", name, f"{mode}/{'saturate' if saturate else 'spec'}", "float64", converter(name, mode, saturate))
        if width_of(name) in (4, 8) and name != "e8m0fnu" and not name.startswith("binary8"):
            for mode in GFLOAT_STOCHASTIC:
                for noise in (0, 5, 7):
                    yield Case("gfloat", name, f"{mode}/saturate", "float64", converter(name, mode, True, noise), noise=noise)


def version(library):
    return importlib.metadata.version({"PyTorch": "torch"}.get(library, library)).split("+")[0]


def family(name):
    """The formats of P3109 stand under one name for each of their four kinds."""
    return re.sub(r"^binary\d+p\d+", "binary*", name)
