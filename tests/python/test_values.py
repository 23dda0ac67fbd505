"""Formats and quantizers are values with one text; the package is typed and documented; wrong use is told what to do."""

import ast
import copy
import doctest
import importlib.metadata
import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import binade

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["e4m3fn", "e4m3fn:bias=5", "e2m1fn:nan=max", "binary8p4se", "int8", "int4:asym", "fixed1.6", "lns8:gamma=4:bias=64", "posit8", "takum8", "nf4",
           "book(-1,0,0.5,1)", "e8m7", "e11m52"]  # fmt: skip
QUANTIZERS = ["e4m3fn", "e4m3fn/sr:8/spec/ftz", "mxfp4", "nvfp4:te", "int8@row", "e4m3fn@tensor(static=0.5)", "hadamard(32)+mxfp4", "e4m3fn/as=ml_dtypes",
              "e2m1fn@tile(4,8,e4m3fn,min=0.5)", "rht(16,7)+e2m1fn/sr@block(16,e4m3fn)@tensor"]  # fmt: skip


# ---- values ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "texts"), [(binade.format, FORMATS), (binade.quantizer, QUANTIZERS)], ids=["format", "quantizer"])
def test_a_value_is_its_text(make, texts):
    values = [make(text) for text in texts]
    assert len(set(values)) == len(texts)
    for text, value in zip(texts, values):
        assert str(value) == text
        assert repr(value) == f"binade.{make.__name__}('{text}')"
        for same in (eval(repr(value)), make(value), make(str(value)), pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert same == value and hash(same) == hash(value) and not same != value
        assert value != text and value != 3
        with pytest.raises(AttributeError):
            value.bits = 3
    assert make("BF16") == make("e8m7")


def test_a_format_says_what_it_can():
    f = binade.format("e4m3fn")
    assert (f.name, f.bits, f.max, f.min, f.min_normal, f.min_subnormal, f.bias) == ("e4m3fn", 8, 448, -448, 2**-6, 2**-9, 7)
    assert (f.kind, f.has_infinity, f.has_nan, f.has_zero, f.fits_float32) == ("floating point", False, True, True, True)
    eight = binade.format("int8")
    assert (eight.kind, eight.max, eight.min, eight.smallest_positive, eight.has_negative_zero) == ("fixed point", 127, -127, 1, False)
    assert eight.bias is eight.min_normal is eight.min_subnormal is eight.exponent_bits is eight.trailing_bits is eight.source is None
    assert binade.format("nf4").kind == "code book" and "QLoRA" in binade.format("nf4").source
    assert binade.format("posit8").smallest_positive == 2**-24
    assert binade.format("e8m0fnu").min_subnormal is None


def test_a_quantizer_says_what_it_does():
    q = binade.quantizer("nvfp4")
    assert (str(q.format), q.rounding, q.noise_bits, q.overflow, q.subnormals, q.transforms) == ("e2m1fn", "rne", None, "saturate", "gradual", "")
    assert (str(q.scaling), str(q.outer_scaling)) == ("block(16,e4m3fn)", "tensor")
    inner = q.scaling
    assert (inner.granularity, inner.rows, inner.cols, str(inner.format), inner.rule, inner.static_value) == ("block", 1, 16, "e4m3fn", "amax", None)
    assert (q.outer_scaling.granularity, q.outer_scaling.cols, q.outer_scaling.power_of_two) == ("tensor", None, False)
    assert binade.quantizer(q.expanded) == q
    assert inner == binade.quantizer("e3m2fn@block(16,e4m3fn)").scaling and len({inner, binade.quantizer("nvfp4").scaling}) == 1
    noisy = binade.quantizer("rht(16,7)+hadamard(4)+e4m3fn/srb:5@tile(2,4)")
    assert (noisy.rounding, noisy.noise_bits, noisy.transforms, noisy.scaling.granularity) == ("srb", 5, "rht(16,7)+hadamard(4)", "tile")
    still = binade.quantizer("int8@tensor(pow2,static=0.5)")
    assert (still.scaling.rule, still.scaling.static_value, still.scaling.power_of_two) == ("static", 0.5, True)
    assert binade.quantizer(binade.format("int8")).scaling is None
    assert binade.quantizer("expand(4)+e4m3fn").keeps_records and not noisy.keeps_records


def test_a_spec_is_text_or_a_value():
    x = np.float32([0.3, 1.7])
    wanted = binade.quantize(x, "e2m1fn").tolist()
    for spec in ("E2M1FN", binade.format("e2m1fn"), binade.quantizer("e2m1fn")):
        assert binade.quantize(x, spec).tolist() == wanted


# ---- wrong use ---------------------------------------------------------------------------------------------------------------------

X = np.ones((4, 64), np.float32)
REFUSED = [
    (lambda: binade.format("e4m3fm"), ValueError, "format: unknown format 'e4m3fm'\n  e4m3fm\n  \\^\n  valid here: .*nearest known name: e4m3fn"),
    (lambda: binade.format(3), TypeError, "format: text is int; give a text such as 'e4m3fn'"),
    (lambda: binade.format("mxfp4"), ValueError, "format: unknown format 'mxfp4'"),
    (lambda: binade.quantizer("e5m2@blokc(32)"), ValueError, "quantizer: unknown scaling 'blokc'.*nearest known name: block"),
    (lambda: binade.quantizer(None), TypeError, "quantizer: text is NoneType; give"),
    (lambda: binade.quantize(X, "e2m1"), ValueError, "quantize: spec: 'e2m1' is used for two formats.*e2m1fn"),
    (lambda: binade.quantize(X, 3), TypeError, "quantize: spec: it is int; give a text such as 'mxfp4'"),
    (lambda: binade.quantize(X, "mxfp4", axis=2), ValueError, r"quantize: axis is 2; give an integer, -2 to 1 for an array of shape \(4, 64\)"),
    (lambda: binade.quantize(X, "mxfp4", axis=0.5), TypeError, "quantize: axis is 0.5, a float; give an integer"),
    (lambda: binade.quantize(X, "mxfp4", seed=-1), ValueError, r"quantize: seed is -1; give an integer, 0 to 2\*\*64 - 1"),
    (lambda: binade.encode(X, "mxfp4", stream=2**64), ValueError, "encode: stream is 18446744073709551616; give"),
    (lambda: binade.encode(X, "mxfp4", step=2**32), ValueError, r"encode: step is 4294967296; give an integer, 0 to 2\*\*32 - 1"),
    (lambda: binade.quantize(X.astype(int), "mxfp4"), TypeError, "quantize: x has dtype int64; give float32, float64, float16 or bfloat16"),
    (lambda: binade.quantize("abc", "mxfp4"), TypeError, "quantize: x has dtype str"),
    (lambda: binade.quantize([[1.0], [1.0, 2.0]], "e4m3fn"), TypeError, r"quantize: x \(list\) is no array: "),
    (lambda: binade.quantize(X.astype(complex), "mxfp4"), TypeError, "quantize: x has dtype complex128"),
    (lambda: binade.quantize(X.astype(float), "mxfp4"), TypeError, "quantize: x has dtype float64, and the scales .* of 'mxfp4' are computed in float32; give"),
    (lambda: binade.encode(X.astype(float), "hadamard(4)+e4m3fn"), TypeError, "encode: x has dtype float64, and the scales and transforms"),
    (lambda: binade.quantize(X, "hadamard(4)+e4m3fn", axis=0, out=X[:2]), ValueError, r"out has shape \(2, 64\) and the result \(4, 64\)"),
    (lambda: binade.quantize(X[:, :3], "hadamard(4)+e4m3fn"), ValueError, "rows of 3 are no whole number of blocks of 4"),
    (lambda: binade.quantize(X, "mxfp4", out=np.empty((4, 64))), TypeError, "quantize: out has dtype float64 and the result is float32"),
    (lambda: binade.quantize(X, "mxfp4", out=[0.0]), TypeError, "quantize: out is list; give an array to write to"),
    (lambda: binade.quantize(X, "mxfp4", out=np.broadcast_to(np.float32(0), (4, 64))), ValueError, "out .* is read-only"),
    (lambda: binade.quantize(X, "mxfp4", out=X.astype(">f4")), TypeError, "out has dtype >f4 and the result is float32"),
    (lambda: binade.encode(np.float32([1, np.nan, np.nan]), "int8"), ValueError, "encode: x has 2 NaN and the format has no code for it; say"),
    (lambda: binade.encode(np.float64([1, np.nan, np.nan]), "int8"), ValueError, "encode: x has 2 NaN and the format has no code for it; say"),
    (lambda: binade.encode(np.full(1 << 19, np.nan), "int8"), ValueError, "encode: x has 524288 NaN"),
    (lambda: binade.encode(np.full(1 << 19, np.nan, np.float32), "int8"), ValueError, "encode: x has 524288 NaN"),
    (lambda: binade.encode(X, "expand(64)+e4m3fn"), ValueError, "encode: .* has a transform that remembers something of each array"),
    (lambda: binade.encode(X, "e5m2", dtype=np.float16), ValueError, "encode: dtype is float16, whose values are not those of 'e5m2'; give"),
    (lambda: binade.encode(X, "e5m2", dtype="float9"), TypeError, "encode: dtype: .*float9.*; import ml_dtypes first"),
    (lambda: binade.decode(X, "e4m3fn"), TypeError, "decode: codes has dtype float32; codes of 'e4m3fn' are unsigned integers"),
    (lambda: binade.decode([1, 16], "e2m1fn"), ValueError, "decode: codes has 16 at index 1; codes of 'e2m1fn' are 0 to 15"),
    (lambda: binade.decode([1, -1], "e2m1fn"), ValueError, "decode: codes has -1 at index 1"),
    (lambda: binade.decode(np.uint8([1, 16]), "e2m1fn"), ValueError, "decode: element code 16 at index 1 is wider than the 4 bits"),
    (lambda: binade.decode(np.append(np.zeros(1 << 18, np.uint8), np.uint8(16)), "e2m1fn"), ValueError, "code 16 at index 262144"),
    (lambda: binade.decode(X.astype(np.uint8), "mxfp4"), TypeError, "decode: 'mxfp4' has scales and ndarray has none; give the Encoded"),
    (lambda: binade.decode(binade.encode(X, "mxfp4"), "e2m1fn"), TypeError, "decode: 'e2m1fn' has no scales and Encoded has"),
    (lambda: binade.decode(binade.encode(X, "nvfp4"), "mxfp4"), ValueError, r"scales has shape \(4, 4\) and .* have scales of shape \(4, 2\)"),
    (lambda: binade.decode(binade.encode(X, "mxfp4"), "mxfp4", axis=0), ValueError, r"have scales of shape \(1, 64\)"),
    (lambda: binade.decode(binade.encode(X, "mxfp4"), "nvfp4"), ValueError, "decode: scales has shape"),
    (lambda: binade.decode(binade.encode(X, "nvfp4")._replace(tensor_scale=None), "nvfp4"), TypeError, "tensor_scale is NoneType; give a float"),
    (lambda: binade.decode(binade.encode(X, "nvfp4")._replace(tensor_scale=0.1), "nvfp4"), ValueError, "tensor_scale is 0.1, which is no value of 'e8m23'"),
    (lambda: binade.decode(binade.encode(X, "expand(4)+e4m3fn@row"), "e4m3fn"), ValueError, "encode: "),
    (lambda: binade.pack(np.uint8([1, 16]), "e2m1fn"), ValueError, "pack: code 16 at index 1 is wider than 4 bits"),
    (lambda: binade.pack(binade.encode(X, "mxfp4"), "mxfp4"), TypeError, "pack: codes is Encoded; pack its codes"),
    (lambda: binade.pack(X, "mxfp4"), TypeError, "pack: codes has dtype float32"),
    (lambda: binade.unpack(b"ab", "e2m1fn", 5), ValueError, "unpack: data has 2 bytes, and 5 codes of 4 bits take 3; give"),
    (lambda: binade.unpack(b"\x21\x13", "e2m1fn", 3), ValueError, "unpack: the byte at offset 1 is 19, with padding bits that must be zero"),
    (lambda: binade.unpack(b"ab", "e2m1fn", -1), ValueError, "unpack: count is -1; give an integer, 0 or more"),
    (lambda: binade.unpack(np.zeros(2, np.int16), "e2m1fn", 4), TypeError, "unpack: data has dtype int16; give bytes or an array of uint8"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_wrong_use_is_refused_and_told_what_to_do(number):
    use, error, message = REFUSED[number]
    with pytest.raises(error) as caught:
        use()
    assert type(caught.value) is error and re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'binade' has no attribute 'quantise'"):
        binade.quantise


# ---- the package -------------------------------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_cmake_project():
    version = re.search(r"project\(binade VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert binade.__version__ == importlib.metadata.version("binade") == version


def test_everything_public_is_documented_and_typed():
    folder = Path(binade.__file__).parent
    assert (folder / "py.typed").exists()
    assert sorted(name for name in dir(binade) if not name.startswith("_") and name not in ("store", "Any", "TYPE_CHECKING")) == sorted(binade.__all__)
    for name in binade.__all__:
        assert getattr(binade, name).__doc__, name
        if inspect.isfunction(getattr(binade, name)):
            assert "Returns" in getattr(binade, name).__doc__ and "Raises" in getattr(binade, name).__doc__
    from binade import _core

    stub = ast.parse((folder / "_core.pyi").read_text())
    public = {name: member for name, member in vars(_core).items() if not name.startswith("_")}
    assert {node.name for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))} == set(public)
    for name, member in public.items():
        for attribute in vars(member) if isinstance(member, type) else ():
            assert attribute.startswith("_") or getattr(member, attribute).__doc__, f"{name}.{attribute}"


def test_the_manual_shows_real_output():
    pytest.importorskip("torch", reason="the manual uses torch; `./dev setup --torch` ends this skip")
    pytest.importorskip("ml_dtypes", reason="`pip install ml_dtypes` ends this skip")
    result = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 20 and result.failed == 0


def test_reading_studies_needs_neither_numpy_nor_the_compiled_part():
    code = "import sys; import binade.store; assert not {'numpy', 'binade._core'} & set(sys.modules), 'loaded'"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
