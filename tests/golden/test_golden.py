"""The golden tables equal their definitions, and the definitions equal what other libraries decode."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_golden  # noqa: E402
import make_other  # noqa: E402

FORMATS = {form.name: form for form, _ in make_golden.all_formats()}
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
P3109 = [name for name, form in FORMATS.items() if form.policy.startswith("p3109")]


def same(ours, theirs):
    """A decoded value against a float: NaN by class, zeros by sign."""
    if isinstance(ours, Fraction):
        return abs(theirs) < float("inf") and str(theirs) != "-0.0" and ours == Fraction(theirs)
    special = {make_golden.NAN: "nan", make_golden.INFINITY: "inf", make_golden.NEGATIVE_INFINITY: "-inf", make_golden.NEGATIVE_ZERO: "-0.0"}
    return str(theirs) == special[ours]


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed; `.venv/bin/pip install {name}` ends this skip")


def test_every_table_equals_its_definition(capsys):
    assert make_golden.check() == 0, capsys.readouterr().out


def test_every_table_of_other_kinds_equals_its_definition(capsys):
    assert make_other.check() == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in make_other.TABLES if name.startswith(("posit", "takum"))])
def test_tapered_codes_are_ordered_as_signed_integers_and_negated_as_such(name):
    width, decode, _ = make_other.TABLES[name]
    half = 1 << (width - 1)
    values = [decode(code % (1 << width)) for code in range(1 - half, half)]
    assert all(a < b for a, b in zip(values, values[1:]))
    assert all(decode(code) == -decode((1 << width) - code) for code in range(1, half))


@pytest.mark.parametrize(("name", "codes", "kind"), [("e5m10", "uint16", "float16"), ("e8m23", "uint32", "float32"), ("e11m52", "uint64", "float64")])
def test_numpy_decodes_every_listed_code_alike(name, codes, kind):
    numpy = library("numpy")
    form = FORMATS[name]
    listed = range(1 << 16) if form.bits == 16 else [code for run in make_golden.runs(form, make_golden.Limits(form)) for code in run]
    for code, value in zip(listed, numpy.array(listed, dtype=codes).view(kind).tolist()):
        assert same(form.decode(code), value), f"{name} code {code:#x}: {form.decode(code)}, numpy has {value}"


@pytest.mark.parametrize("name", ML_DTYPES)
def test_ml_dtypes_decodes_every_code_alike(name):
    kind = getattr(library("ml_dtypes"), ML_DTYPES[name])
    numpy = library("numpy")
    form = FORMATS[name]
    codes = numpy.arange(1 << form.bits, dtype=numpy.uint16 if form.bits > 8 else numpy.uint8)
    with numpy.errstate(invalid="ignore"):  # converting a signaling NaN raises the flag
        values = codes.view(kind).astype(numpy.float64).tolist()
    for code, value in enumerate(values):
        assert same(form.decode(code), value), f"{name} code {code:#x}: {form.decode(code)}, ml_dtypes has {value}"


@pytest.mark.parametrize("name", [*GFLOAT, *P3109])
def test_gfloat_decodes_every_code_alike(name):
    gfloat = library("gfloat")
    formats = library("gfloat.formats")
    form = FORMATS[name]
    if name in GFLOAT:
        info = getattr(formats, "format_info_" + GFLOAT[name])
    else:
        info = formats.format_info_p3109(
            form.bits,
            form.mantissa_bits + 1,
            gfloat.types.Signedness.Signed if form.policy[-2] == "s" else gfloat.types.Signedness.Unsigned,
            gfloat.Domain.Extended if form.policy[-1] == "e" else gfloat.Domain.Finite,
        )
    for code in range(0, 1 << form.bits, 1 if form.bits <= 8 else 13):  # gfloat takes 0.1 ms a code
        value = float(gfloat.decode_float(info, code).fval)
        assert same(form.decode(code), value), f"{name} code {code:#x}: {form.decode(code)}, gfloat has {value}"
