"""`binade vectors`: what it writes is read from the documented layout and judged by exact fractions and by other libraries."""

import bisect
import json
import math
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from vectors_reader import INPUT_TYPES, DamagedError, read_file, read_folder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))
import make_golden  # noqa: E402
from test_golden import GFLOAT, ML_DTYPES, same  # noqa: E402

DEFINITIONS = {form.name: form for form, _ in make_golden.all_formats()}
P3109 = ["binary8p4se", "binary8p3sf", "binary8p4ue", "binary8p1uf", "binary8p1se", "binary6p3uf", "binary4p2se"]
NAMED = [name for name, form in DEFINITIONS.items() if not form.policy.startswith("p3109") and form.policy != "merged"]


class Target:
    """A format as the sorted values of its magnitudes; everything exact."""

    def __init__(self, name):
        form = DEFINITIONS[name] if isinstance(name, str) else name  # a make_golden.Format
        self.signed, policy = form.sign_bits == 1, form.policy
        self.p3109 = policy.startswith("p3109")
        self.sign = 1 << form.magnitude_bits if self.signed else 0
        specials = 0
        self.value = lambda code: Fraction(form.decode(code)) if form.decode(code) != make_golden.NEGATIVE_ZERO else Fraction(0)
        top = (1 << form.magnitude_bits) - 1
        if policy == "ieee":
            specials = 1 << form.mantissa_bits
        while policy != "ieee" and form.special(False, top - specials) is not None:
            specials += 1
        self.max = top - specials
        self.infinity = self.max + 1 if form.special(False, min(self.max + 1, top)) == make_golden.INFINITY else None
        self.negative_zero = self.signed and form.special(True, 0) == make_golden.NEGATIVE_ZERO
        self.nan = None
        if policy == "ieee":
            self.nan = (((1 << form.exponent_bits) - 1) << form.mantissa_bits) | (1 << (form.mantissa_bits - 1))
        elif policy == "fnuz" or (self.p3109 and self.signed):
            self.nan = self.sign
        elif policy not in ("none", "powers"):
            self.nan = top
        largest, exponent = self.value(self.max), 0
        while Fraction(2) ** (exponent + 1) <= largest:
            exponent += 1
        lowest = -form.bias if policy in ("fnu", "powers") else 1 - form.bias  # exponent of the smallest binade
        self.beyond = largest + Fraction(2) ** (max(exponent, lowest) - form.mantissa_bits)
        self.has_zero = self.value(0) == 0

    def locate(self, magnitude):
        """(code, nu): between the values of code and code + 1, the grid going on one step above the largest; nu in [0, 1)."""
        if magnitude < self.value(0):
            return 0, Fraction(0)
        if magnitude >= self.beyond:
            return self.max + 1, Fraction(0)
        code = bisect.bisect_right(range(self.max + 1), magnitude, key=self.value) - 1
        low, high = self.value(code), self.value(code + 1) if code < self.max else self.beyond
        return code, (magnitude - low) / (high - low)


def goes_up(rounding, negative, code, nu, noise_bits, noise):
    """IEEE 754-2019, 4.3, and P3109's StochasticA, B and C."""
    odd, top, bottom = code % 2 == 1, nu.numerator, nu.denominator
    if top == 0:
        return False
    if rounding == "rne":
        return 2 * top > bottom or (2 * top == bottom and odd)
    if rounding in ("rna", "rtz"):
        return rounding == "rna" and 2 * top >= bottom
    if rounding in ("rup", "rdn"):
        return negative == (rounding == "rdn")
    if rounding == "rto":
        return not odd
    if rounding == "sr":
        return (top << noise_bits) // bottom + noise >= 1 << noise_bits
    if rounding == "srb":
        return (top << (noise_bits + 1)) // bottom + 2 * noise + 1 >= 2 << noise_bits
    assert rounding == "src"
    kept, rest = divmod(top << noise_bits, bottom)
    kept += 2 * rest > bottom or (2 * rest == bottom and kept % 2 == 1)
    return kept + noise >= 1 << noise_bits


def expected_code(t, x, place, rounding, overflow, noise_bits, noise):
    """docs/text_form.md, "Policies"."""
    negative = math.copysign(1, x) < 0
    if math.isnan(x):
        return t.nan
    sign = t.sign if negative else 0

    def special_or_largest(inward):
        kind = overflow
        if kind == "spec":
            kind = "infinity" if t.infinity is not None else "saturate" if t.nan is None or t.p3109 else "nan"
            if t.p3109 and t.signed and t.infinity is not None and rounding == "rto":
                inward = False
        if kind == "propagate":
            kind = "infinity" if math.isinf(x) and t.infinity is not None else "saturate"
        if kind == "saturate" or (inward and not math.isinf(x)):
            return t.max | sign
        return t.nan if kind == "nan" else t.infinity | sign

    if negative and not t.signed and x != 0:
        if overflow in ("saturate", "propagate") or t.nan is None:
            return 0
        if t.p3109 and overflow == "spec" and not math.isinf(x):
            code, nu = place
            if rounding in ("rtz", "rup") or (code == 0 and not goes_up(rounding, True, code, nu, noise_bits, noise)):
                return 0
        return t.nan
    inward = rounding in ("rtz", "rto") or rounding == ("rup" if negative else "rdn")
    if math.isinf(x):
        return special_or_largest(inward)
    code, nu = place
    code += goes_up(rounding, negative, code, nu, noise_bits, noise)
    if code > t.max:
        return special_or_largest(inward)
    return code if code == 0 and t.has_zero and not t.negative_zero else code | (sign if t.signed else 0)


def numbers(vectors):
    """The inputs, which are float64 numbers all."""
    with numpy.errstate(invalid="ignore"):  # a signaling NaN raises the flag
        return vectors.inputs.view(INPUT_TYPES[vectors.kind]).astype(numpy.float64).tolist()


@pytest.fixture(scope="module")
def folder(program, tmp_path_factory):
    out = tmp_path_factory.mktemp("vectors") / "new" / "out"
    formats = [*NAMED, *P3109, "e5m3:bias=10"]
    result = subprocess.run([program, "vectors", "--out", out, "--format", *formats, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == json.loads((out / "manifest.json").read_text())
    return out


@pytest.fixture(scope="module")
def files(folder):
    return {(file.format, file.kind): file for file in read_folder(folder)}


def test_three_files_a_format_match_the_manifest(files):
    assert set(files) == {(name, kind) for name in [*NAMED, *P3109, "e5m3:bias=10"] for kind in ("decode", "binary32", "binary64")}


@pytest.mark.parametrize("name", [*NAMED, *P3109])
def test_decode_tables_equal_the_definition(files, name):
    table, form = files[name, "decode"], DEFINITIONS[name]
    values = table.columns["value"][1][:, 0].view("<f8").tolist()
    for code, value in zip(table.inputs.tolist(), values):
        assert same(form.decode(code), value), f"{name} code {code:#x}"
    if form.bits <= 16:
        assert sorted(table.inputs.tolist()) == list(range(1 << form.bits))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_decode_tables_equal_ml_dtypes(files, name):
    kind = getattr(pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip"), ML_DTYPES[name])
    table = files[name, "decode"]
    codes = table.inputs.astype(numpy.uint16 if numpy.dtype(kind).itemsize == 2 else numpy.uint8)
    with numpy.errstate(invalid="ignore"):
        theirs = codes.view(kind).astype(numpy.float64)
    ours = table.columns["value"][1][:, 0].view("<f8")
    assert numpy.array_equal(numpy.isnan(ours), numpy.isnan(theirs))
    numbers = ~numpy.isnan(ours)
    assert numpy.array_equal(ours[numbers].view("<u8"), theirs[numbers].view("<u8"))


@pytest.mark.parametrize("kind", ["binary32", "binary64"])
@pytest.mark.parametrize("name", [*NAMED, *P3109])
def test_every_conversion_is_the_exact_one(files, name, kind):
    vectors, target = files[name, kind], Target(name)
    inputs = numbers(vectors)
    # Of wide formats one input in three, and all beyond the largest value: exact arithmetic on long significands takes its time.
    wide, largest = DEFINITIONS[name].bits > 8, float(target.value(target.max))
    judged = [row for row, x in enumerate(inputs) if not wide or row % 3 == 0 or not abs(x) < largest]
    places = {row: target.locate(abs(Fraction(inputs[row]))) for row in judged if math.isfinite(inputs[row])}
    overflows = ["saturate", "propagate", "spec"] + ["infinity"] * (target.infinity is not None) + ["nan"] * (target.nan is not None)
    roundings = ["rne", "rna", "rtz", "rup", "rdn", "rto"] + [f"{mode}:{bits}" for mode in ("sr", "srb", "src") for bits in (1, 3)]
    assert set(vectors.columns) == {f"{name}/{rounding}/{overflow}/gradual" for rounding in roundings for overflow in overflows}
    assert any(map(math.isnan, inputs)) == (target.nan is not None)
    # Where no overflow rule is asked, a rounding has one answer under all of them.
    rows = {True: [], False: []}
    for row in judged:
        rows[row in places and places[row][0] < target.max and (target.signed or inputs[row] > 0)].append(row)

    def judge(text, some_rows, want):
        got = vectors.columns[text][1][some_rows]
        wrong = numpy.argwhere(got != want)
        assert len(wrong) == 0, f"{text}: {inputs[some_rows[wrong[0][0]]]!r} noise {wrong[0][1]} gives {got[tuple(wrong[0])]:#x}"

    for rounding in roundings:
        mode, bits = (rounding.split(":") + ["0"])[:2]
        bits = int(bits)

        def wanted(some_rows, overflow):
            codes = [
                [expected_code(target, inputs[row], places.get(row), mode, overflow, bits, noise) for noise in range(1 << bits)] for row in some_rows
            ]
            return numpy.array(codes, dtype=numpy.uint64).reshape(len(some_rows), 1 << bits)

        shared = wanted(rows[True], "saturate")
        for overflow in overflows:
            text = f"{name}/{rounding}/{overflow}/gradual"
            assert vectors.columns[text][0] == bits
            judge(text, rows[True], shared)
            judge(text, rows[False], wanted(rows[False], overflow))


@pytest.mark.parametrize("name", [name for name in ML_DTYPES if name != "e8m0fnu"])
def test_nearest_even_equals_ml_dtypes_on_finite_results(files, name):
    kind = getattr(pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip"), ML_DTYPES[name])
    vectors, target = files[name, "binary32"], Target(name)
    inputs = vectors.inputs.view("<f4")
    finite = numpy.isfinite(inputs)
    with numpy.errstate(all="ignore"):
        theirs = inputs.astype(kind).view(numpy.uint16 if numpy.dtype(kind).itemsize == 2 else numpy.uint8)
    ours = vectors.columns[f"{name}/rne/spec/gradual"][1][:, 0]
    within = finite & ((ours & ~numpy.asarray(target.sign, ours.dtype)) <= target.max) & (ours != (target.nan if target.nan is not None else -1))
    assert within.sum() > 200 or target.max < 64
    assert numpy.array_equal(ours[within], theirs[within])


@pytest.mark.parametrize("name", [name for name in GFLOAT if name not in ("e8m0fnu",)])
def test_directed_roundings_equal_gfloat(files, name):
    gfloat = pytest.importorskip("gfloat", reason="`pip install gfloat` ends this skip")
    formats = pytest.importorskip("gfloat.formats", reason="`pip install gfloat` ends this skip")
    info = getattr(formats, f"format_info_{GFLOAT[name]}")
    vectors = files[name, "binary32"]  # from the float64 just below a tie, gfloat's ties away go up: it adds a half and truncates
    table = files[name, "decode"]
    values = dict(zip(table.inputs.tolist(), table.columns["value"][1][:, 0].view("<f8").tolist()))
    modes = {"rne": "TiesToEven", "rna": "TiesToAway", "rtz": "TowardZero", "rup": "TowardPositive", "rdn": "TowardNegative"}
    for word, mode in modes.items():
        codes = vectors.columns[f"{name}/{word}/saturate/gradual"][1][:, 0].tolist()
        for x, code in zip(numbers(vectors), codes):
            if math.isfinite(x):
                theirs = gfloat.round_float(info, x, getattr(gfloat.RoundMode, mode), sat=True)
                assert (theirs, math.copysign(1, theirs)) == (values[code], math.copysign(1, values[code])), f"{word} {x!r}"


def test_a_changed_byte_is_noticed(folder, tmp_path):
    for path in folder.glob("e2m1fn.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = [entry for entry in manifest["files"] if entry["format"] == "e2m1fn"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert len(read_folder(tmp_path)) == 3
    data = bytearray((tmp_path / "e2m1fn.binary32.bin").read_bytes())
    data[-1] ^= 1
    (tmp_path / "e2m1fn.binary32.bin").write_bytes(data)
    with pytest.raises(DamagedError):
        read_folder(tmp_path)
    with pytest.raises(DamagedError):
        read_file(bytes(data[:-8]))


def test_the_same_command_writes_the_same_bytes(binade, folder, tmp_path):
    result = binade("vectors", "--out", "out", "--format", "e5m2", "--format", "E5M2", "e4m3fn")
    assert (result.returncode, result.stdout.split(",")[0]) == (0, "6 files")
    for path in (tmp_path / "out").glob("*.bin"):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert not [path for path in (tmp_path / "out").iterdir() if "tmp" in path.name]


def test_a_file_that_cannot_be_written_is_a_clear_failure_without_a_manifest(binade, tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    result = binade("vectors", "--out", "out", "--format", "e4m3fn", preexec_fn=small_files)
    assert result.returncode == 1 and result.stdout == ""
    assert "out/e4m3fn.binary32.bin: File too large" in result.stderr and "free space" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["e4m3fn.decode.bin"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "/proc/nowhere/out"], 1, "/proc/nowhere/out"),
        (["--out", "afile"], 2, "afile is a file"),
        (["--out", "mine"], 2, "mine holds other files (other.txt)"),
        (["--out", "out", "--format", "e4m3fm"], 2, "e4m3fn"),
        (["--out", "out", "--format", ""], 2, "format"),
        (["--format", "e4m3fn"], 2, "--out"),
    ],
)
def test_wrong_use_says_what_and_writes_nothing(binade, tmp_path, arguments, code, message):
    (tmp_path / "afile").write_text("a file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.txt").write_text("mine")
    result = binade("vectors", *arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["afile", "mine", "other.txt"]
