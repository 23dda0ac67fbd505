"""The verbs in Python give the bits of the golden files, of the conformance vectors and of ml_dtypes."""

import functools
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import binade

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
sys.path.insert(0, str(ROOT / "tests" / "cli"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from noise_oracle import noise  # noqa: E402
from vectors_reader import read_folder  # noqa: E402

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
NAN_BITS = np.uint32(0x7FC00000)


def bits(x):
    return np.ascontiguousarray(x, np.float32).view(np.uint32)


# ---- formats: tests/golden/*.txt ---------------------------------------------------------------------------------------------------


def number(text):
    """A value of a golden table as a float, which all of them are."""
    if text in ("0", "-0", "inf", "-inf", "nan"):
        return float(text)
    significand, _, exponent = text.partition("p")
    value = Fraction(int(significand)) * Fraction(2) ** int(exponent)
    assert Fraction(float(value)) == value
    return float(value)


def table(path):
    """(facts by their word, forms, {code: value}) of a golden table."""
    facts, forms, values = {}, [], {}
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "codes":
            first, *numbers = rest.split()
            values.update((int(first, 16) + i, number(n)) for i, n in enumerate(numbers))
        elif word == "form":
            forms.append(rest.split()[0])
        elif word and not word.startswith("#"):
            facts[word] = rest
    return facts, forms, values


def assert_same_values(got, wanted):
    wanted = np.array(wanted)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    numbers = ~np.isnan(wanted)
    assert np.array_equal(got.astype(np.float64)[numbers].view(np.uint64), wanted[numbers].view(np.uint64))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_format_says_and_decodes_what_its_golden_table_says(path):
    facts, _, values = table(path)
    f = binade.format(facts["name"])
    assert f.name == facts["name"]
    assert bool(f.source) != f.name.startswith("binary")  # a family, of which no catalogue lists the members
    sign, exponent, mantissa = map(int, facts["layout"].split("/"))
    assert (f.is_signed, f.exponent_bits, f.trailing_bits, f.bits) == (bool(sign), exponent, mantissa, sign + exponent + mantissa)
    assert f.bias == int(facts["bias"])
    for name, got in (("max", f.max), ("min_normal", f.min_normal), ("min_subnormal", f.min_subnormal)):
        assert got == (None if facts[name] == "none" else number(facts[name].split()[1])), name
    assert f.has_infinity == (facts["infinity"] != "none")
    assert f.has_negative_zero == (facts["negative_zero"] != "none")
    assert f.has_nan == (facts["nans"] != "0")
    decoded = binade.decode(np.array(list(values), np.uint64), f)
    assert decoded.dtype == (np.float32 if f.fits_float32 else np.float64)
    assert_same_values(decoded, list(values.values()))


@pytest.mark.parametrize("path", sorted((GOLDEN / "other").glob("*.txt")), ids=lambda path: path.stem)
def test_formats_of_other_kinds_decode_as_their_golden_tables_say(path):
    facts, forms, values = table(path)
    assert forms
    for form in forms:
        assert binade.format(form).bits == int(facts["width"])
        assert_same_values(binade.decode(np.array(list(values)), form), list(values.values()))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_codes_are_the_bits_of_ml_dtypes(name):
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip"), ML_DTYPES[name]))
    f = binade.format(name)
    codes = np.arange(2**f.bits, dtype=f"uint{8 * dtype.itemsize}")
    theirs = codes.view(dtype)
    with np.errstate(invalid="ignore"):
        values = theirs.astype(np.float32)
        wanted = values.astype(np.float64)
    assert_same_values(binade.decode(codes, name), wanted)
    assert_same_values(binade.decode(theirs, name), wanted)
    numbers = values[np.isfinite(values)]
    encoded = binade.encode(numbers, name, dtype=dtype)
    assert encoded.dtype == dtype
    assert np.array_equal(encoded.view(codes.dtype), codes[np.isfinite(values)])
    out = np.empty(numbers.shape, dtype)
    assert binade.encode(numbers, name, dtype=dtype, out=out) is out
    assert np.array_equal(out.view(codes.dtype), codes[np.isfinite(values)])
    x = np.random.default_rng(1).standard_normal(10000).astype(np.float32)
    profile = binade.encode(x, f"{name}/as=ml_dtypes")
    with np.errstate(invalid="ignore"):
        assert np.array_equal(profile, x.astype(dtype).view(codes.dtype))


# ---- quantizers: tests/golden/blocks -----------------------------------------------------------------------------------------------


def records(path):
    """(word, what follows it) of each line; a line that begins with a blank continues the one before."""
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in re.sub(r"\n ", " ", path.read_text()).splitlines())]


def float_bits(text):
    return np.array([int(n.ljust(8, "0"), 16) for n in text.split()], np.uint32)


@functools.cache
def inputs():
    found = {}
    for word, rest in records(GOLDEN / "blocks" / "inputs.txt"):
        if word == "input":
            name, rows, columns = rest.split()
        elif word == "bits":
            found[name] = float_bits(rest).view(np.float32).reshape(int(rows), int(columns))
    return found


def cases():
    found = []
    for path in sorted((GOLDEN / "blocks").glob("*.txt")):
        for word, rest in records(path) if path.stem != "inputs" else []:
            if word == "case":
                name, _, text = rest.partition(" ")
                found.append((name, text, {}))
            elif found and word in ("codes", "refused", "scales", "outer", "values"):
                found[-1][2][word] = rest
    return found


def assert_scales(got, wanted, f):
    """`?` is a scale that may be anything."""
    got = np.asarray(got)
    got = (got.view(np.uint32) if got.dtype == np.float32 else got).reshape(-1)
    known = [(i, int(n, 16)) for i, n in enumerate(wanted.split()) if n != "?"]
    assert len(got) == len(wanted.split())
    assert [(i, int(got[i])) for i, _ in known] == known


def assert_case(x, text, lines, axis):
    spec = binade.quantizer(text)
    turned = (lambda a: np.asarray(a).T) if axis == 0 else np.asarray
    source = np.ascontiguousarray(turned(x))
    values = turned(binade.quantize(source, spec, axis=axis))
    assert np.array_equal(bits(values).reshape(-1), float_bits(lines["values"]))
    if "refused" in lines:
        with pytest.raises(ValueError, match="x has [1-9][0-9]* NaN and the format has no code for it"):
            binade.encode(source, spec, axis=axis)
        return
    encoded = binade.encode(source, spec, axis=axis)
    if spec.scaling is None:
        encoded = binade.Encoded(encoded, None, None)
    assert encoded.codes.shape == source.shape
    assert np.array_equal(turned(encoded.codes).reshape(-1), [int(n, 16) for n in lines["codes"].split()])
    if spec.scaling is not None:
        assert encoded.scales.ndim == 2
        assert_scales(turned(encoded.scales), lines["scales"], spec.scaling.format)
    if spec.outer_scaling is None:
        assert encoded.tensor_scale is None
    elif spec.outer_scaling.granularity != "tensor":
        assert_scales(turned(encoded.tensor_scale), lines["outer"], spec.outer_scaling.format)
    elif spec.outer_scaling.format == binade.format("f32"):
        assert np.array_equal(bits([encoded.tensor_scale]), [int(lines["outer"], 16)])
    decoded = binade.decode(encoded if spec.scaling is not None else encoded.codes, spec, axis=axis)
    assert np.array_equal(bits(turned(decoded)).reshape(-1), float_bits(lines["values"]))


@pytest.mark.parametrize("text", sorted({text for _, text, _ in cases()}))
def test_quantize_encode_and_decode_give_the_golden_numbers_along_both_axes(text):
    for name, case, lines in cases_of()[text]:
        for axis in (-1, 0):
            assert_case(inputs()[name], case, lines, axis)


@functools.cache
def cases_of():
    found = {}
    for case in cases():
        found.setdefault(case[1], []).append(case)
    return found


# ---- scalar conversions: `binade vectors` ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    program = Path(os.environ.get("BINADE_PROGRAM", ROOT / "build" / "release" / "src" / "binade"))
    assert program.exists(), f"{program} is not there: build it, or set BINADE_PROGRAM"
    out = tmp_path_factory.mktemp("vectors") / "out"
    formats = ["e4m3fn", "e5m2", "e4m3fnuz", "e2m1fn", "e3m2fn", "e8m0fnu", "ue4m3", "e5m10", "e8m7", "dlfloat16", "e8m23", "e11m52", "binary8p4se",
               "binary8p3ue", "binary6p3sf", "e5m3:bias=10"]  # fmt: skip
    subprocess.run([program, "vectors", "--out", out, "--format", *formats], capture_output=True, check=True)
    return read_folder(out)


def test_every_vector_gets_its_code(vectors):
    checked = 0
    for file in vectors:
        if file.kind == "decode":
            value = file.columns["value"][1][:, 0].view("<f8")
            assert_same_values(binade.decode(file.inputs, file.format), value)
            continue
        x = file.inputs.view({"binary32": "<f4", "binary64": "<f8"}[file.kind])
        rows = np.arange(len(x))
        for text, (noise_bits, codes) in file.columns.items():
            chosen = noise(len(x), noise_bits, 5, 2**40 + 3, 7).astype(np.int64) if noise_bits else np.zeros(len(x), np.int64)
            got = binade.encode(x, text, seed=5, stream=2**40 + 3, step=7)
            wanted = codes[rows, chosen]
            wrong = np.flatnonzero(got != wanted)
            assert len(wrong) == 0, f"{text} takes {x[wrong[0]]!r} to {got[wrong[0]]:#x}, not {wanted[wrong[0]]:#x}"
            checked += len(x)
    assert checked > 1_000_000


# ---- many elements -----------------------------------------------------------------------------------------------------------------


def test_large_arrays_give_the_bits_of_their_rows():
    x = np.random.default_rng(3).standard_normal((700, 1000)).astype(np.float32)
    x[5, 5], x[6, 6] = np.inf, np.nan
    for spec in ("mxfp8_e4m3", "int8:nan=zero@row", "e4m3fn", "e2m1fn:nan=zero@block(7)", "hadamard(8)+e4m3fn@row"):
        whole = binade.quantize(x, spec)
        rows = np.stack([binade.quantize(row, spec) for row in x])
        assert np.array_equal(bits(whole), bits(rows)), spec
        numbers = ~np.isnan(whole)  # a NaN has another code where the format has none for it
        assert np.array_equal(bits(binade.decode(binade.encode(x, spec), spec))[numbers], bits(whole)[numbers]), spec


def test_the_scale_of_a_large_tensor_is_that_of_its_largest_element():
    x = np.random.default_rng(4).standard_normal((512, 1024)).astype(np.float32)
    x[400, 77] = -31.5
    scale = np.float32(31.5) / np.float32(448)
    encoded = binade.encode(x, "e4m3fn@tensor")
    assert encoded.scales.shape == (1, 1) and encoded.scales[0, 0] == scale
    assert np.array_equal(encoded.codes, binade.encode(x / scale, "e4m3fn"))
    assert np.array_equal(binade.quantize(x, "e4m3fn@tensor"), binade.decode(encoded.codes, "e4m3fn") * scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise_bits", [1, 8, 13, 32])
def test_noise_is_a_function_of_seed_stream_step_and_index(dtype, noise_bits):
    count, arguments = 300_000, {"seed": 2**63 + 5, "stream": 77, "step": 2**32 - 1}
    # Of int8 the tail is the fraction, and sr rounds up where fraction + noise / 2^bits reaches 1.
    whole = np.arange(count) % 100
    fraction = (np.arange(count) * 37 % 256) / 256
    up = np.floor(fraction * 2**noise_bits) + noise(count, noise_bits, **arguments) >= 2**noise_bits
    x = (whole + fraction).astype(dtype)
    assert np.array_equal(binade.quantize(x, f"int8/sr:{noise_bits}", **arguments), (whole + up).astype(dtype))
    assert np.array_equal(binade.encode(x.reshape(100, -1), f"int8/sr:{noise_bits}", **arguments).reshape(-1), whole + up)


# ---- the dtypes of x ---------------------------------------------------------------------------------------------------------------


def test_float64_is_rounded_once():
    # As float32 it would be the tie of 1 and 1.125, which goes to the even code of 1.
    x = np.array([1.0625 + 2.0**-40, 1.0625])
    assert binade.quantize(x, "e4m3fn").tolist() == [1.125, 1.0]
    assert binade.encode(x, "e4m3fn").tolist() == [0x39, 0x38]
    third = np.array([1 / 3])
    assert binade.quantize(third, "e11m52")[0] == 1 / 3
    assert binade.decode(binade.encode(third, "f64"), "f64")[0] == 1 / 3


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_every_16_bit_number_is_taken_exactly(name):
    dtype = np.dtype(np.float16) if name == "float16" else np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float32)
    for spec in ("e4m3fn", "e5m2/rtz", "e4m3fn/sr", "mxfp8_e4m3:cublas"):
        assert np.array_equal(binade.encode(wide, spec)[0], binade.encode(x, spec)[0])
    for spec in ("e4m3fn", "e5m2", "e4m3fn/sr"):
        got = binade.quantize(x, spec)
        assert got.dtype == dtype
        with np.errstate(invalid="ignore"):
            assert np.array_equal(bits(got.astype(np.float32)), bits(binade.quantize(wide, spec)))


def test_a_result_that_the_dtype_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"float16, which does not have 2 of the 5 results, such as 65536.0 at index 2; give x in float32"):
        binade.quantize(np.float16([1, 60000, 65504, 2, -65504]), "e8m7")
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip")
    with pytest.raises(ValueError, match="bfloat16, which does not have 1 of the 2 results"):
        binade.quantize(np.array([0.3, 1], ml_dtypes.bfloat16), "e4m3fn@tensor")
    assert np.isnan(binade.quantize(np.float16([np.nan]), "e4m3fn"))
