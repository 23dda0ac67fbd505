"""`binade explain`: codes, neighbours and errors judged by exact fractions; wrong input."""

import json
import math
from fractions import Fraction

import pytest
from test_vectors import Target, expected_code, goes_up, make_golden

FORMATS = ["e4m3fn", "e5m2", "e2m1fn", "e3m2fn", "e4m3fnuz", "e8m0fnu", "e5m10", "e8m7", "binary8p4se", "binary8p3sf", "binary6p3uf"]
NUMBERS = [
    "0.3", "-0.3", "1", "1.1", "448", "449", "464", "464.00000000000000000000000000000000000001", "465", "1e9", "-1e9", "57344", "61439.999",
    "61440", "0", "-0", "1e-3", "1e-30", "-1e-30", "1e300", "0x1.8p-3", "-0x1.000000000000000000000001p0", "0.0009765625",
    "0.00097656250000000000000000000000000000000000000000000000000000000000001", "6.5", "7", "240", "+2.5",
]  # fmt: skip
MODES = ["rne", "rna", "rtz", "rup", "rdn", "rto"]


def exact(text):
    text = text.lstrip("+")
    if "0x" not in text:
        return Fraction(text)
    mantissa, exponent = text.replace("0x", "").split("p")
    whole, _, rest = mantissa.partition(".")
    return Fraction(int(whole + rest, 16), 16 ** len(rest)) * Fraction(2) ** int(exponent)


def explain(binade, *arguments):
    result = binade("explain", *arguments, "--json")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", FORMATS)
def test_codes_of_every_rounding_are_those_of_the_number_as_it_stands(binade, name):
    target = Target(name)
    for text in NUMBERS:
        x = exact(text)
        negative = text.startswith("-")
        document = explain(binade, f"{name}/saturate", text)
        stand_in = math.copysign(0.0 if x == 0 else 1.0, -1.0 if negative else 1.0)
        for mode in MODES:
            want = expected_code(target, stand_in, target.locate(abs(x)), mode, "saturate", 0, 0)
            got = document["roundings"][mode]
            assert got["code"] == want, (text, mode)
            value = Fraction(got["value"])
            assert Fraction(got["error_text"] or got["error"]) == value - x or got["error_text"] is None, (text, mode)
            assert got["error"] == float(value - x)
            assert got["relative_error"] == (None if x == 0 else float((value - x) / abs(x)))


def as_fraction(value):
    """A number, or "7*2^-16382" where binary64 does not hold it."""
    if not isinstance(value, str):
        return Fraction(value)
    odd, _, power = value.partition("*") if "*" in value else ("-1" if value.startswith("-") else "1", "", value)
    return int(odd) * Fraction(2) ** int(power.rpartition("^")[2])


WIDE = {
    "binary12p1ue": (0, 12, 0, 2048, "p3109ue"),
    "binary15p1se": (1, 14, 0, 8192, "p3109se"),
    "binary16p4se": (1, 12, 3, 2048, "p3109se"),
    "e8m7:bias=1100": (1, 8, 7, 1100, "ieee"),
    "e4m3fn:bias=-3000": (1, 4, 3, -3000, "fn"),
}


@pytest.mark.parametrize("name", WIDE)
def test_codes_in_formats_whose_exponents_go_beyond_those_of_binary64(binade, name):
    target = Target(make_golden.Format(name, *WIDE[name], ""))
    numbers = ["0.3", "1e-1400", "1e700", "1e-323", "1e308", "1e3900", "0x1.8p-32000", "1e-12000", "2e904", "0x1.7p3001"]
    for text in numbers:
        x = exact(text)
        document = explain(binade, f"{name}/saturate", text)
        for mode in MODES:
            want = expected_code(target, 1.0, target.locate(x), mode, "saturate", 0, 0)
            got = document["roundings"][mode]
            assert got["code"] == want, (text, mode)
            assert as_fraction(got["value"]) == target.value(want), (text, mode)


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "e2m1fn", "e8m0fnu", "binary6p3uf"])
def test_neighbours_are_the_next_values_and_the_ulp_is_their_distance(binade, name):
    target = Target(name)
    values = [target.value(code) for code in range(target.max + 1)]
    values = sorted({*values, *(-v for v in values)} if target.signed else values)
    for text in NUMBERS:
        x = exact(text)
        document = explain(binade, name, text)
        below, above = [v for v in values if v < x], [v for v in values if v > x]
        assert document["is_value"] == (x in values)
        assert (Fraction(document["below"]["value"]) if document["below"] else None) == (below[-1] if below else None), text
        assert (Fraction(document["above"]["value"]) if document["above"] else None) == (above[0] if above else None), text
        got = document["roundings"]["rtz"]
        if x in values:
            assert got["error_in_ulp"] == 0
        elif below and above:
            assert got["error_in_ulp"] == float((Fraction(got["value"]) - x) / (above[0] - below[-1])), text


@pytest.mark.parametrize("name", ["e4m3fn", "e5m2", "e2m1fn", "binary8p4se"])
def test_beyond_the_range_each_overflow_rule_has_its_result(binade, name):
    target = Target(name)
    for text in ["1e9", "-1e9", "inf", "nan"]:
        document = explain(binade, name, text)
        if text == "nan":
            assert document["overflow"] is None
            assert (document["result"] is None) == (target.nan is None)
            assert target.nan is None or document["nan"]["code"] == target.nan
            continue
        for rule in ["saturate", "propagate", "infinity", "nan", "spec"]:
            got = document["overflow"][rule]
            if (rule == "infinity" and target.infinity is None) or (rule == "nan" and target.nan is None):
                assert got is None
                continue
            x = float(text)
            want = expected_code(target, x, None if math.isinf(x) else target.locate(abs(Fraction(x))), "rne", rule, 0, 0)
            assert got["code"] == want, (text, rule)
    assert explain(binade, name, "1")["overflow"] is None


@pytest.mark.parametrize("mode, bits", [("sr", 8), ("srb", 3), ("src", 5), ("sr", 1)])
def test_stochastic_rounding_counts_the_noise_values_that_lead_away_from_zero(binade, mode, bits):
    target = Target("e5m2")
    for text in ["1.1", "-1.1", "1.2499999999999999999999999999999", "3", "1e-9", "0.26"]:
        code, nu = target.locate(abs(exact(text)))
        want = sum(goes_up(mode, text.startswith("-"), code, nu, bits, noise) for noise in range(1 << bits))
        result = explain(binade, f"e5m2/{mode}:{bits}", text)["result"]
        assert result["noise_values"] == 1 << bits
        if want == 0 or want == 1 << bits:
            assert result["nearer"]["code"] == result["further"]["code"] or result["further_count"] == want
        else:
            assert result["further_count"] == want, text


def test_a_code_and_the_bits_of_another_format_are_their_values(binade):
    assert explain(binade, "e4m3fn", "0x7e")["x"] == "448"
    assert explain(binade, "e4m3fn", "f32:0x40b33333")["x"] == "5.599999904632568359375"
    assert explain(binade, "e2m1fn", "f64:0xbff8000000000000")["x"] == "-1.5"
    assert explain(binade, "e5m2", "e5m3:bias=10:0x00")["x"] == "0"
    assert explain(binade, "e5m2", "e5m10:0x8000")["x"] == "-0"
    assert explain(binade, "posit8", "posit8:0x80")["x"] == "NaN"


def test_profiles_and_policies_of_the_text_are_kept(binade):
    assert explain(binade, "e4m3fn/as=ml_dtypes", "465")["result"]["code"] == 0x7F
    assert explain(binade, "e4m3fn/as=ml_dtypes", "f32:0xffc00000")["result"]["code"] == 0xFF
    assert explain(binade, "e4m3fn", "465")["result"]["code"] == 0x7E
    assert explain(binade, "e5m2/ftz", "1e-5")["result"]["value"] == 0
    assert explain(binade, "e4m3fn/rup", "0.3")["result"]["value"] == 0.3125


def test_every_kind_of_format_is_explained(binade):
    for name in ["int8", "uint4", "fixed1.6", "lns8:gamma=8", "posit16", "takum16", "nf4", "book(-1,0,0.5,1)", "f64", "dlfloat16", "e1m2"]:
        document = explain(binade, name, "0.3")
        below, above = document["below"], document["above"]
        assert below["value"] <= 0.3 <= above["value"]
        assert document["roundings"]["rup"]["code"] == above["code"]
        assert document["roundings"]["rne"]["code"] in (below["code"], above["code"])
        # Without a zero there is no way down from the smallest positive value.
        assert document["roundings"]["rdn"]["code"] == (above if name.startswith("lns") else below)["code"]


def test_neighbours_are_values_also_where_rounding_does_not_lead_to_them(binade):
    assert explain(binade, "posit8", "1e-30")["below"]["value"] == 0
    assert explain(binade, "posit8", "-1e-30")["above"]["value"] == 0
    assert explain(binade, "posit8", "0")["above"]["code"] == 1
    assert explain(binade, "lns8", "0.3")["below"]["value"] == -1
    assert explain(binade, "lns8", "1")["below"]["value"] == -1
    assert explain(binade, "e8m0fnu", "-1")["below"] is None
    assert explain(binade, "uint4", "0")["below"] is None
    assert explain(binade, "int8", "127")["above"] is None


def test_the_text_shows_codes_bits_and_exact_values(binade):
    text = binade("explain", "e4m3fn", "0.3").stdout
    assert "above   0x2a  0 0101 010  0.3125\n" in text
    assert "rtz       0x29  0 0101 001  0.28125  -0.01875  -0.0625    -0.6\n" in text
    assert "NaN becomes   0x7f  0 1111 111  NaN\n" in text
    assert "2^-149" in binade("explain", "f32", "0x1p-149").stdout
    assert "-999999552" in binade("explain", "e4m3fn", "1e9").stdout
    assert "1e400" in binade("explain", "binary8p4se", "1e400").stdout
    assert "for 102 of 256 noise values" in binade("explain", "e5m2/sr:8", "1.1").stdout
    assert "no code for it" in binade("explain", "e2m1fn", "nan").stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "SPEC is required"),
        (["e4m3fn"], "VALUE is required"),
        (["e4m3fm", "1"], "nearest known name: e4m3fn"),
        (["mxfp4", "1"], "explain its element, e2m1fn"),
        (["hadamard(32)+e4m3fn", "1"], "explain its element, e4m3fn"),
        (["e4m3fn", ""], "is no number"),
        (["e4m3fn", "one"], "is no number"),
        (["e4m3fn", "1..2"], "is no number"),
        (["e4m3fn", "1e"], "is no number"),
        (["e4m3fn", "1 "], "is no number"),
        (["e4m3fn", "1,5"], "is no number"),
        (["e4m3fn", "0x100"], "is wider than the 8 bits of e4m3fn"),
        (["e4m3fn", "0x11111111111111111"], "is wider than the 8 bits of e4m3fn"),
        (["e4m3fn", "0x"], "is no code"),
        (["e4m3fn", "0x1g"], "is no code"),
        (["e4m3fn", "-0x10"], "has a sign before a code"),
        (["e4m3fn", "e4m3fm:0x10"], "nearest known name: e4m3fn"),
        (["e4m3fn", "1e40001"], "has an exponent beyond 40000"),
        (["e4m3fn", "1e99999999999999999999"], "has an exponent beyond 40000"),
        (["e4m3fn", "0." + 1001 * "1"], "has more than 1000 digits"),
        (["e4m3fn", "1", "2"], "2"),
    ],
)
def test_wrong_use_is_one_message(binade, arguments, message):
    result = binade("explain", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.startswith("binade: error: ")
