"""`binade quantize` and `binade compare`: bits against other libraries, files of NumPy, limits, wrong use."""

import fcntl
import json
import os
import pty
import resource
import signal
import subprocess
import time
from fractions import Fraction

import numpy
import pytest
from test_vectors import Target

BFLOAT16 = numpy.dtype("V2")


def ml(name):
    return numpy.dtype(getattr(pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip"), name))


def save(path, array, version=None):
    with open(path, "wb") as file:
        numpy.lib.format.write_array(file, array, version=version, allow_pickle=False)


def load(path, dtype=None):
    array = numpy.load(path)
    return array if dtype is None else array.view(dtype)


def run(binade, *arguments):
    result = binade(*arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def samples(dtype, count=20000):
    """Numbers of every size that the type has, and specials."""
    random = numpy.random.default_rng(5)
    with numpy.errstate(all="ignore"):
        x = random.standard_normal(count) * 2.0 ** random.integers(-30, 20, count)
        x[:12] = [0, -0.0, numpy.inf, -numpy.inf, 448, 464, -464, 465, 2.0**-10, 3 * 2.0**-10, 1e30, -(2.0**-9)]
        return x.astype(dtype)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- bits --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float6_e3m2fn", "float4_e2m1fn"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_codes_and_values_are_those_of_ml_dtypes(binade, folder, name, dtype):
    target, wide = ml(name), ml("bfloat16") if dtype == "bfloat16" else numpy.dtype(dtype)
    x = samples(wide)
    numpy.save("x.npy", x)
    run(binade, "quantize", "x.npy", "q.npy", "--to", f"{name.split('_')[1]}/as=ml_dtypes", "--codes", "c.npy")
    with numpy.errstate(all="ignore"):
        theirs = x.astype(target)
        values = theirs.astype(wide)
    codes, ours = load("c.npy"), load("q.npy", wide)
    assert codes.dtype == numpy.uint8
    # ml_dtypes pads narrow codes with the bits of the sign or zeros; the value decides.
    width = {"float6_e3m2fn": 6, "float4_e2m1fn": 4}.get(name, 8)
    assert numpy.array_equal(codes, theirs.view(numpy.uint8) & ((1 << width) - 1))
    assert ours.dtype == wide and ours.shape == x.shape
    numbers = ~numpy.isnan(values.astype(float))
    assert numpy.array_equal(ours.view(f"u{wide.itemsize}")[numbers], values.view(f"u{wide.itemsize}")[numbers])
    assert numpy.isnan(ours.astype(float)[~numbers]).all()


def test_float64_is_rounded_once(binade, folder):
    # Through float32 the second and the fourth number would become ties, which go to the even neighbour.
    x = numpy.array([1.0625, 1.0625 + 2.0**-40, 1.1875, 1.1875 - 2.0**-40, 1e300, 2.0**-1074])
    numpy.save("x.npy", x)
    summary = json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--codes", "c.npy", "--json"))
    assert load("q.npy").tolist() == [1, 1.125, 1.25, 1.125, 448, 0]
    assert load("c.npy").tolist() == [0x38, 0x39, 0x3A, 0x39, 0x7E, 0]
    counts = summary["counts"]
    assert (counts["elements"], counts["saturated"], counts["underflowed"], counts["amax"]) == (6, 1, 1, 1e300)
    assert counts["max_error"] == 1e300 - 448
    assert counts["sqnr_db"] is None  # the sum of squares is beyond float64


def test_formats_wider_than_float32_keep_float64(binade, folder):
    x = samples("float64")
    numpy.save("x.npy", x)
    run(binade, "quantize", "x.npy", "q.npy", "--to", "f64", "--codes", "c.npy")
    assert numpy.array_equal(load("q.npy").view("u8"), x.view("u8"))
    assert numpy.array_equal(load("c.npy"), x.view("u8"))


def test_float64_with_scales_must_be_float32_numbers(binade, folder):
    x = samples("float32")[12:]
    numpy.save("single.npy", x)
    numpy.save("double.npy", x.astype("float64"))
    run(binade, "quantize", "single.npy", "a.npy", "--to", "mxfp4")
    run(binade, "quantize", "double.npy", "b.npy", "--to", "mxfp4")
    assert load("b.npy").dtype == numpy.float64
    assert numpy.array_equal(load("a.npy").astype("float64"), load("b.npy"))
    numpy.save("double.npy", numpy.append(x.astype("float64"), 0.1))
    result = binade("quantize", "double.npy", "c.npy", "--to", "mxfp4")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"element {len(x)} in storage order is no float32 number" in result.stderr
    assert not (folder / "c.npy").exists()


def test_what_the_dtype_cannot_hold_is_said(binade, folder):
    numpy.save("x.npy", numpy.array([1, 0.3], "float16"))
    assert json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--json"))["rounded_to_dtype"] == 0
    # 1/127 is no float16: the value of code 38 is rounded to float32 and then to float16.
    text = run(binade, "quantize", "x.npy", "q.npy", "--to", "int8@tensor")
    assert "rounded again      1 values that float16 cannot hold" in text
    with numpy.errstate(all="ignore"):
        scale = numpy.float32(1) / numpy.float32(127)
    assert load("q.npy")[1] == numpy.float16(numpy.float32(38) * scale)


def test_codes_and_scales_are_the_values(binade, folder):
    x = samples("float32").reshape(100, 200)[1:]
    numpy.save("x.npy", x)
    grid = Target("e2m1fn")
    value = numpy.array([float(grid.value(code)) for code in range(8)] + [-float(grid.value(code)) for code in range(8)], "float32")
    for axis in (1, 0, -1, -2):
        run(binade, "quantize", "x.npy", "q.npy", "--to", "mxfp4", "--axis", axis, "--codes", "c.npy", "--scales", "s.npy")
        codes, scales = load("c.npy"), load("s.npy")
        along_rows = axis in (1, -1)
        assert codes.shape == x.shape and scales.dtype == numpy.uint8
        assert scales.shape == ((99, 7) if along_rows else (200, 4))
        blocks = numpy.repeat(2.0 ** (scales.astype(float) - 127), 32, axis=1)
        factors = blocks[:, :200] if along_rows else blocks[:, :99].T
        assert numpy.array_equal(load("q.npy"), (value[codes] * factors).astype("float32"))


def test_scales_have_the_shape_of_tiles_and_are_float32_or_codes(binade, folder):
    x = numpy.random.default_rng(1).standard_normal((4, 6, 40)).astype("float32")
    numpy.save("x.npy", x)
    for spec, shape, dtype in [
        ("e4m3fn@tensor", (1, 1), "float32"),
        ("e4m3fn@row", (24, 1), "float32"),
        ("e4m3fn@col", (1, 40), "float32"),
        ("e4m3fn@tensor(pow2)", (1, 1), "float32"),
        ("e4m3fn@block(16)", (24, 3), "uint8"),
        ("e4m3fn@tile(5,16,e5m10)", (5, 3), "uint16"),
        ("nvfp4", (24, 3), "uint8"),
    ]:
        run(binade, "quantize", "x.npy", "q.npy", "--to", spec, "--scales", "s.npy")
        scales = load("s.npy")
        assert (scales.shape, scales.dtype) == (shape, numpy.dtype(dtype)), spec
    run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn@row", "--scales", "s.npy")
    want = numpy.abs(x).reshape(24, 40).max(axis=1, keepdims=True) / numpy.float32(448)
    assert numpy.array_equal(load("s.npy"), want)
    run(binade, "quantize", "x.npy", "q.npy", "--to", "nvfp4", "--outer-scales", "o.npy")
    assert load("o.npy").shape == (1, 1)
    assert load("o.npy")[0, 0] == numpy.float32(Fraction(float(numpy.abs(x).max())) / (448 * 6))


def test_noise_is_a_function_of_seed_stream_and_step(binade, folder):
    numpy.save("x.npy", samples("float32"))
    outputs = {}
    for arguments in [(), ("--seed", 1), ("--stream", 1), ("--step", 1), ("--seed", 2**64 - 1, "--stream", 2**64 - 1, "--step", 2**32 - 1)]:
        run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn/sr", *arguments)
        outputs[arguments] = load("q.npy").tobytes()
        run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn/sr", *arguments)
        assert load("q.npy").tobytes() == outputs[arguments]
    assert len(set(outputs.values())) == 5


# ---- files -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numpy_reads_what_is_written_and_the_other_way(binade, folder, version, dtype):
    kind = ml("bfloat16") if dtype == "bfloat16" else numpy.dtype(dtype)
    for shape in [(7,), (3, 4), (2, 3, 4, 5), (1, 1), (0,), (3, 0, 2), (1,) * 20]:
        x = (numpy.arange(numpy.prod(shape)) % 7 - 3).astype(kind).reshape(shape)
        save("x.npy", x, version)
        run(binade, "quantize", "x.npy", "q.npy", "--to", "f64" if dtype == "float64" else "f32")
        raw = numpy.load("q.npy")
        assert raw.dtype == (BFLOAT16 if dtype == "bfloat16" else kind) and raw.shape == shape and raw.flags.c_contiguous
        assert numpy.array_equal(raw.view(kind), x)
        mapped = numpy.load("q.npy", mmap_mode="r")
        assert mapped.shape == shape or 0 in shape
    with open("q.npy", "rb") as file:
        assert numpy.lib.format.read_magic(file) == (1, 0)


def test_an_empty_array_gives_empty_files(binade, folder):
    numpy.save("x.npy", numpy.zeros((3, 0, 4), "float32"))
    for spec in ["e4m3fn", "mxfp4", "e4m3fn@tensor", "nvfp4"]:
        scales = [] if spec == "e4m3fn" else ["--scales", "s.npy"]
        summary = json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", spec, "--codes", "c.npy", *scales, "--json"))
        assert summary["counts"]["elements"] == 0
        assert load("q.npy").shape == load("c.npy").shape == (3, 0, 4)
        assert spec == "e4m3fn" or load("s.npy").size == 0
    assert "no elements" in binade("compare", "e4m3fn", "mxfp4", "x.npy").stderr


def test_the_output_may_replace_an_older_file(binade, folder):
    numpy.save("x.npy", samples("float32"))
    (folder / "q.npy").write_text("old")
    (folder / "link.npy").symlink_to("x.npy")
    run(binade, "quantize", "link.npy", "q.npy", "--to", "e4m3fn")
    assert load("q.npy").shape == (20000,)
    assert sorted(path.name for path in folder.iterdir()) == ["link.npy", "q.npy", "x.npy"]


def test_a_file_larger_than_memory_is_read_in_parts(program, folder):
    rows, columns = 16384, 4096  # 256 MiB
    with open("x.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
        numpy.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * columns * 4)
        file.seek(-4, os.SEEK_END)
        file.write(numpy.float32(448).tobytes())

    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20))

    for spec in ["e4m3fn@tensor", "e4m3fn@col"]:
        result = subprocess.run(
            [program, "quantize", "x.npy", "q.npy", "--to", spec, "--scales", "s.npy"], capture_output=True, text=True, preexec_fn=little_memory
        )
        assert result.returncode == 0, result.stderr
        assert load("s.npy").ravel()[-1] == 1
        q = numpy.load("q.npy", mmap_mode="r")
        assert q[-1, -1] == 448 and not q[:-1].any()
        del q
        os.remove("q.npy")


# ---- the summaries -----------------------------------------------------------------------------------------------------------------------


def test_the_summary_counts(binade, folder):
    x = numpy.array([[1, 0, 7, -100, 0.1, numpy.nan, numpy.inf, 0.3]], "float32")
    numpy.save("x.npy", x)
    document = json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", "e2m1fn", "--json"))
    assert load("q.npy").ravel().tolist()[:5] == [1, 0, 6, -6, 0] and numpy.isnan(load("q.npy")[0, 5])
    counts = document["counts"]
    assert [counts[key] for key in ("elements", "nonzero", "saturated", "underflowed", "nans", "amax")] == [8, 6, 3, 1, 1, 100]
    assert counts["max_error"] == 94
    assert document["bytes_per_element"] == 0.5
    assert document["expanded"] == "e2m1fn/rne/saturate/gradual"
    assert (document["shape"], document["dtype"]) == ([1, 8], "float32")
    text = run(binade, "quantize", "x.npy", "q.npy", "--to", "e2m1fn")
    assert "saturated          3 (50.0 %)\n" in text and "amax               100\n" in text


def test_exact_values_lose_nothing(binade, folder):
    numpy.save("x.npy", numpy.array([1, 2, -3], "float32"))
    document = json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--json"))
    assert document["counts"]["sqnr_db"] is None and document["counts"]["sum_sq_error"] == 0
    assert "nothing lost" in run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn")


def test_compare_shows_both_and_agrees_with_quantize(binade, folder):
    x = samples("float32").reshape(100, 200)[1:]
    numpy.save("x.npy", x)
    document = json.loads(run(binade, "compare", "mxfp4", "e4m3fn@tensor", "x.npy", "--json"))
    for spec, side in zip(["mxfp4", "e4m3fn@tensor"], document["quantizers"]):
        alone = json.loads(run(binade, "quantize", "x.npy", "q.npy", "--to", spec, "--json"))
        assert side["text"] == spec
        assert side["counts"] == alone["counts"]
        assert side["bytes_per_element"] == alone["bytes_per_element"]
        q = load("q.npy")
        assert side["counts"]["max_error"] == numpy.abs(x.astype(float) - q)[numpy.isfinite(q)].max()
        for array, exponents in ((x, document["exponents"]), (q, side["exponents"])):
            finite = array[numpy.isfinite(array) & (array != 0)]
            want = dict(zip(*(part.tolist() for part in numpy.unique(numpy.frexp(finite)[1] - 1, return_counts=True))))
            assert {int(key): count for key, count in exponents["finite"].items()} == want
            assert exponents["zeros"] == (array == 0).sum()
    text = run(binade, "compare", "mxfp4", "e4m3fn@tensor", "x.npy")
    assert "x.npy, (99, 200) of float32" in text and "SQNR" in text and "####" in text


def test_compare_of_float64_counts_binades_beyond_float32(binade, folder):
    numpy.save("x.npy", numpy.array([1e300, 1e-300, 0, 1.5, 2.0**-1074]))
    document = json.loads(run(binade, "compare", "f64", "bf16", "x.npy", "--json"))
    assert document["exponents"]["finite"] == {"996": 1, "0": 1, "-997": 1, "-1074": 1}
    assert document["quantizers"][0]["exponents"] == document["exponents"]
    assert document["quantizers"][1]["exponents"]["infinities"] == 1


def test_the_sample_is_standard_normal_and_a_function_of_the_seed(binade, folder):
    first = run(binade, "compare", "mxfp4", "nvfp4", "--json")
    assert first == run(binade, "compare", "mxfp4", "nvfp4", "--json")
    document = json.loads(first)
    assert document["shape"] == [256, 4096] and document["array"] == "1048576 standard normal numbers, seed 0"
    counts = document["quantizers"][0]["counts"]
    assert abs(counts["sum_sq"] / counts["elements"] - 1) < 0.01
    assert 18 < counts["sqnr_db"] < document["quantizers"][1]["counts"]["sqnr_db"] < 21
    assert json.loads(run(binade, "compare", "mxfp4", "nvfp4", "--seed", 1, "--json"))["exponents"] != document["exponents"]


# ---- wrong use ---------------------------------------------------------------------------------------------------------------------------

WRONG = [
    (["quantize"], 2, "IN is required"),
    (["quantize", "x.npy"], 2, "OUT is required"),
    (["quantize", "x.npy", "q.npy"], 2, "--to is required"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fm"], 2, "nearest known name: e4m3fn"),
    (["quantize", "x.npy", "q.npy", "--to", ""], 2, "format"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn@tensor(delayed=4)"], 2, "delayed"),
    (["quantize", "missing.npy", "q.npy", "--to", "e4m3fn"], 2, "missing.npy is not there"),
    (["quantize", ".", "q.npy", "--to", "e4m3fn"], 2, ". is no regular file"),
    (["quantize", "/dev/zero", "q.npy", "--to", "e4m3fn"], 2, "/dev/zero is no regular file"),
    (["quantize", "text.npy", "q.npy", "--to", "e4m3fn"], 1, "text.npy cannot be used: it is no .npy file"),
    (["quantize", "truncated.npy", "q.npy", "--to", "e4m3fn"], 1, "truncated.npy cannot be used: it is truncated"),
    (["quantize", "codes.npy", "q.npy", "--to", "e4m3fn"], 2, "codes.npy holds uint8 elements"),
    (["quantize", "ints.npy", "q.npy", "--to", "e4m3fn"], 2, "ints.npy holds int64 elements"),
    (["quantize", "objects.npy", "q.npy", "--to", "e4m3fn"], 2, "objects.npy holds Python objects"),
    (["quantize", "big.npy", "q.npy", "--to", "e4m3fn"], 2, "big.npy is big-endian"),
    (["quantize", "fortran.npy", "q.npy", "--to", "e4m3fn"], 2, "fortran.npy is in Fortran order"),
    (["quantize", "scalar.npy", "q.npy", "--to", "e4m3fn"], 2, "scalar.npy is a single number"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--axis", "2"], 2, "no axis 2; give one from -2 to 1"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--axis", "-3"], 2, "no axis -3"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--axis", "one"], 2, "axis"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--seed", "-1"], 2, "--seed: '-1' is no whole number from 0 to 18446744073709551615"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--seed", "18446744073709551616"], 2, "--seed: '18446744073709551616' is no"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--step", "4294967296"], 2, "from 0 to 4294967295"),
    (["quantize", "x.npy", "x.npy", "--to", "e4m3fn"], 2, "OUT and IN are the same file"),
    (["quantize", "x.npy", "./x.npy", "--to", "e4m3fn"], 2, "OUT and IN are the same file"),
    (["quantize", "x.npy", "link.npy", "--to", "e4m3fn"], 2, "OUT and IN are the same file"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--codes", "q.npy"], 2, "--codes and OUT are the same file"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--codes", "none/../q.npy"], 2, "--codes and OUT are the same file"),
    (["quantize", "x.npy", "q.npy", "--to", "mxfp4", "--codes", "c.npy", "--scales", "./c.npy"], 2, "--scales and --codes are the same"),
    (["quantize", "x.npy", "/dev/null", "--to", "e4m3fn"], 1, "/dev/null is there and no regular file"),
    (["quantize", "x.npy", "/dev/full", "--to", "e4m3fn"], 1, "/dev/full is there and no regular file"),
    (["quantize", "x.npy", "none/q.npy", "--to", "e4m3fn"], 1, "none/q.npy: No such file or directory"),
    (["quantize", "x.npy", "q.npy", "--to", "mxfp4", "--scales", "none/s.npy"], 1, "none/s.npy: No such file or directory"),
    (["quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--scales", "s.npy"], 2, "--scales: e4m3fn has no scales; leave it out, or give a scaling, such as e4m3fn@tensor"),
    (["quantize", "x.npy", "q.npy", "--to", "mxfp4", "--outer-scales", "s.npy"], 2, "mxfp4 has no second level"),
    (["quantize", "x.npy", "q.npy", "--to", "clamp(0.99)+mxfp4", "--codes", "c.npy"], 2, "what undoes expand and clamp"),
    (["quantize", "x.npy", "q.npy", "--to", "hadamard(32)+mxfp4"], 2, "no whole number of blocks of 32"),
    (["quantize", "nan.npy", "q.npy", "--to", "e2m1fn", "--codes", "c.npy"], 2, "x has 2 NaN and the format has no code"),
    (["compare"], 2, "SPEC is required"),
    (["compare", "e4m3fn"], 2, "OTHER is required"),
    (["compare", "e4m3fn", "e5m3m"], 2, "e5m3m"),
    (["compare", "e4m3fn", "e5m2", "missing.npy"], 2, "missing.npy is not there"),
    (["compare", "e4m3fn", "e5m2", "truncated.npy"], 1, "truncated"),
    (["compare", "e4m3fn", "e5m2", "codes.npy"], 2, "holds uint8 elements"),
    (["compare", "e4m3fn", "e5m2", "x.npy", "--axis", "7"], 2, "no axis 7"),
    (["compare", "e4m3fn", "mxfp4", "double.npy"], 2, "is no float32 number"),
]


@pytest.fixture
def files(folder):
    x = samples("float32").reshape(100, 200)
    numpy.save("x.npy", x)
    (folder / "truncated.npy").write_bytes((folder / "x.npy").read_bytes()[:-1])
    (folder / "text.npy").write_text("1 2 3 4 5 6 7 8 9 10")
    numpy.save("codes.npy", numpy.zeros(4, "uint8"))
    numpy.save("ints.npy", numpy.zeros(4, "int64"))
    numpy.save("objects.npy", numpy.array([None]), allow_pickle=True)
    numpy.save("big.npy", x.astype(">f4"))
    numpy.save("fortran.npy", numpy.asfortranarray(x))
    numpy.save("scalar.npy", numpy.float32(1))
    numpy.save("double.npy", numpy.array([0.1]))
    x[3, 4] = x[50, 60] = numpy.nan
    numpy.save("nan.npy", x)
    (folder / "link.npy").symlink_to("x.npy")
    return folder


@pytest.mark.parametrize("arguments, code, message", WRONG, ids=[" ".join(row[0]) for row in WRONG])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_wrong_use_is_one_message_and_writes_nothing(binade, files, arguments, code, message, as_json):
    before = {path: path.read_bytes() for path in files.iterdir()}
    result = binade(*arguments, *(["--json"] if as_json else []))
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert result.stderr.startswith("binade: error: ") and result.stdout == ""
    assert all(line.startswith("  ") for line in result.stderr.splitlines()[1:]), result.stderr
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_a_nan_is_a_value_where_only_its_code_is_refused(binade, files):
    run(binade, "quantize", "nan.npy", "q.npy", "--to", "e2m1fn")
    assert numpy.isnan(load("q.npy")).sum() == 2
    run(binade, "quantize", "nan.npy", "q.npy", "--to", "mxfp4", "--scales", "s.npy")
    assert load("s.npy").shape == (100, 7)
    run(binade, "quantize", "nan.npy", "q.npy", "--to", "e2m1fn:nan=max", "--codes", "c.npy")
    assert load("c.npy")[3, 4] == 7


@pytest.mark.parametrize("room", [4096, 50000, 79000, 90000])
def test_a_full_disk_leaves_nothing(binade, files, room):
    """80128 bytes of values and 20128 of codes: room for none, for the codes, or for all but the last of the values."""
    before = {path: path.read_bytes() for path in files.iterdir()}

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    result = binade("quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--codes", "c.npy", preexec_fn=small_files)
    if room > 80128:
        assert result.returncode == 0
        return
    assert (result.returncode, result.stdout) == (1, "")
    assert "q.npy: File too large" in result.stderr and "free space" in result.stderr
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_a_summary_that_cannot_be_printed_is_a_failure(program, files):
    with open("/dev/full", "w") as full:
        result = subprocess.run([program, "quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--json"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "binade: error: cannot write to standard output: No space left on device\n"


# ---- long runs ---------------------------------------------------------------------------------------------------------------------------


def sparse_array(path, elements):
    with open(path, "wb") as file:
        numpy.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": (elements,)})
        file.truncate(file.tell() + 2 * elements)


@pytest.fixture
def started(program, folder):
    """A long run that is writing its two files."""
    sparse_array("x.npy", 1 << 30)
    process = subprocess.Popen(
        [program, "quantize", "x.npy", "q.npy", "--to", "posit8", "--codes", "c.npy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup, under which tests may run, has it ignored
    )
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.tmp*"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP, signal.SIGHUP]])
def test_ctrl_c_and_a_closed_terminal_leave_nothing_behind(started, folder, signals):
    for each in signals:
        started.send_signal(each)
        time.sleep(0.01)
    output, errors = started.communicate(timeout=60)
    assert started.returncode == 130 and output == ""
    assert "interrupted: nothing was written" in errors
    assert [path.name for path in folder.iterdir()] == ["x.npy"]


def test_ctrl_c_while_the_disk_is_waited_for_leaves_nothing_behind(binade, files):
    (files / "slow.c").write_text("#include <signal.h>\nint fsync(int file) { raise(SIGINT); return file < 0; }\n")
    subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "slow.c", "-o", "slow.so"], cwd=files, check=True)
    before = {path: path.read_bytes() for path in files.iterdir()}
    result = binade("quantize", "x.npy", "q.npy", "--to", "e4m3fn", env={**os.environ, "LD_PRELOAD": str(files / "slow.so")})
    assert (result.returncode, result.stdout) == (130, "")
    assert "interrupted: nothing was written" in result.stderr
    assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_what_a_killed_run_left_is_no_output_and_goes_with_the_next_run(binade, started, folder):
    started.kill()
    started.wait(timeout=60)
    left = {path.name for path in folder.iterdir()} - {"x.npy"}
    assert left == {f"{name}.npy.tmp{started.pid}" for name in "qc"}
    # These have another writer: a process that lives, somebody on another machine who holds the lock, and nobody of us.
    others = [folder / name for name in (f"q.npy.tmp{os.getpid()}", f"q.npy.tmp{started.pid}0", "q.npy.tmp1x", f"other.npy.tmp{started.pid}")]
    for path in others:
        path.touch()
    numpy.save("x.npy", numpy.zeros(4, "float32"))
    with open(others[1]) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run(binade, "quantize", "x.npy", "q.npy", "--to", "e4m3fn", "--codes", "c.npy")
    assert {path.name for path in folder.iterdir()} == {"x.npy", "q.npy", "c.npy", *(path.name for path in others)}


def test_a_terminal_shows_how_far_it_is(program, folder):
    sparse_array("x.npy", 1 << 30)
    parent, child = pty.openpty()
    process = subprocess.Popen([program, "compare", "posit8", "posit16", "x.npy"], stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    shown = b""
    while b"left" not in shown:
        shown += os.read(parent, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    os.close(parent)
    assert b"\rcompare  " in shown and b" % " in shown and b"B/s" in shown
