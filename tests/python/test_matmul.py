"""matmul in Python and on the command line: the sums against exact fractions, both doors alike, wrong use."""

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import binade

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("BINADE_PROGRAM", ROOT / "build" / "release" / "src" / "binade"))


def rounded(x, trailing=23, lowest=-126):
    """A fraction rounded once to nearest even, of this many trailing significand bits; no overflow."""
    if x == 0:
        return Fraction(0)
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    exponent -= abs(x) < Fraction(2) ** exponent
    ulp = Fraction(2) ** (max(exponent, lowest) - trailing)
    return round(x / ulp) * ulp  # Python's round goes to even


def fraction_product(a, b, step):
    m, k = a.shape
    out = np.empty((m, b.shape[1]), np.float32)
    for i in range(m):
        for j in range(b.shape[1]):
            total = Fraction(0)
            for p in range(k):
                total = step(total, Fraction(float(a[i, p])) * Fraction(float(b[p, j])))
            out[i, j] = float(rounded(total))
    return out


STEPS = {
    "f32": lambda total, product: rounded(total + product),
    "exact": lambda total, product: total + product,
    "e8m7": lambda total, product: rounded(total + product, 7),
    "e8m7:mul=e8m7": lambda total, product: rounded(total + rounded(product, 7), 7),
}


def operands(m=5, k=37, n=4, seed=0):
    random = np.random.default_rng(seed)
    scales = np.float32(2) ** random.integers(-12, 12, (m, k))
    return (random.standard_normal((m, k)) * scales).astype(np.float32), random.standard_normal((k, n)).astype(np.float32)


@pytest.mark.parametrize("accumulator", STEPS)
def test_sums_are_those_of_exact_fractions(accumulator):
    a, b = operands()
    np.testing.assert_array_equal(binade.matmul(a, b, accumulator=accumulator), fraction_product(a, b, STEPS[accumulator]))


def test_operands_are_quantized_along_k():
    a, b = operands(6, 64, 3)
    want = binade.matmul(binade.quantize(a, "mxfp8_e4m3"), binade.quantize(b, "mxfp4", axis=0))
    np.testing.assert_array_equal(binade.matmul(a, b, a_spec="mxfp8_e4m3", b_spec=binade.quantizer("mxfp4")), want)


def test_16_bit_operands_count_as_their_float32():
    a, b = operands()
    half_a, half_b = a.astype(np.float16), b.astype(np.float16)
    want = binade.matmul(half_a.astype(np.float32), half_b.astype(np.float32))
    np.testing.assert_array_equal(binade.matmul(half_a, half_b), want)


def test_out_receives_the_result():
    a, b = operands(4, 4, 4)
    want = binade.matmul(a, b)
    out = np.empty((4, 4), np.float32)
    assert binade.matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, want)
    onto = a.copy()  # read before it is written to
    binade.matmul(onto, b, out=onto)
    np.testing.assert_array_equal(onto, want)


def test_noise_is_a_function_of_seed_stream_and_step():
    a, b = operands()
    first = binade.matmul(a, b, accumulator="e8m7/sr:8", seed=1)
    np.testing.assert_array_equal(first, binade.matmul(a, b, accumulator="e8m7/sr:8", seed=1))
    for change in ({"seed": 2}, {"seed": 1, "stream": 5}, {"seed": 1, "step": 1}):
        assert (binade.matmul(a, b, accumulator="e8m7/sr:8", **change) != first).any()


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"b": np.zeros((3, 2), np.float32)}, ValueError, "the columns of a are the rows of b"),
        ({"a": np.zeros(37, np.float32)}, ValueError, "a has shape (37,); give a matrix"),
        ({"a": np.zeros((5, 37))}, TypeError, "a has dtype float64; give float32"),
        ({"accumulator": "e8m13/rtz:chunck=4"}, ValueError, "chunck"),
        ({"accumulator": 32}, TypeError, "accumulator is a int; give text"),
        ({"accumulator": "mx"}, ValueError, "mx"),
        ({"b_spec": "mxfp5"}, ValueError, "b_spec"),
        ({"a_spec": "expand(4)+mxfp4", "b_spec": "expand(4)+mxfp4"}, ValueError, "expand"),
        ({"seed": -1}, ValueError, "seed is -1"),
    ],
)
def test_wrong_use_says_which_argument_and_what_is_valid(change, kind, words):
    a, b = operands()
    with pytest.raises(kind, match="matmul: ") as error:
        binade.matmul(**{"a": a, "b": b, **change})
    assert words in str(error.value)


# ---- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    assert PROGRAM.exists(), f"{PROGRAM} is not there: build it, or set BINADE_PROGRAM"
    a, b = operands(6, 64, 5)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)

    def call(*arguments):
        return subprocess.run([PROGRAM, "matmul", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60)

    call.folder, call.a, call.b = tmp_path, a, b
    return call


@pytest.mark.parametrize("accumulator", ["f32", "exact", "e8m13/rtz:chunk=16->f32", "e5m10/sr:8", "kahan"])
def test_the_command_line_gives_the_same_bits(run, accumulator):
    specs = ("--a-spec", "mxfp8_e4m3", "--b-spec", "e4m3fn@tensor")
    result = run("a.npy", "b.npy", "c.npy", "--accumulator", accumulator, *specs, "--seed", "7")
    assert (result.returncode, result.stderr) == (0, "")
    want = binade.matmul(run.a, run.b, accumulator=accumulator, a_spec="mxfp8_e4m3", b_spec="e4m3fn@tensor", seed=7)
    np.testing.assert_array_equal(np.load(run.folder / "c.npy"), want)


def test_the_command_line_says_how_far_a_product_is_from_the_exact_one(run):
    result = run("a.npy", "b.npy", "--accumulator", "e8m7", "--compare", "--json")
    document = json.loads(result.stdout)
    got, exact = (binade.matmul(run.a, run.b, accumulator=each).astype(np.float64) for each in ("e8m7", "exact"))
    found = document["from_exact"]
    assert found["largest_error"] == np.abs(got - exact).max()
    assert found["relative_rms_error"] == pytest.approx(np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum()), rel=1e-12)
    assert found["equal"] == int((got == exact).sum()) and found["not_finite"] == 0
    assert document["accumulator"] == "e8m7" and (document["m"], document["k"], document["n"]) == (6, 64, 5)
    shown = run("a.npy", "b.npy", "--compare").stdout
    assert "accumulator f32" in shown and "relative RMS error" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.npy", "b.npy"), "give OUT, --compare or both"),
        (("a.npy", "a.npy", "c.npy"), "the columns of A are the rows of B"),
        (("a.npy", "gone.npy", "c.npy"), "gone.npy"),
        (("a.npy", "flat.npy", "c.npy"), "give a matrix"),
        (("a.npy", "codes.npy", "c.npy"), "give float32"),
        (("a.npy", "b.npy", "c.npy", "--accumulator", "f33"), "f33"),
        (("a.npy", "b.npy", "c.npy", "--b-spec", "mxfp5"), "mxfp5"),
    ],
)
def test_wrong_use_of_the_command_line_leaves_nothing_behind(run, arguments, words):
    np.save(run.folder / "flat.npy", np.zeros(64, np.float32))
    np.save(run.folder / "codes.npy", np.zeros((64, 5), np.uint8))
    result = run(*arguments)
    assert result.returncode == 2 and words in result.stderr and result.stdout == ""
    assert not (run.folder / "c.npy").exists()
