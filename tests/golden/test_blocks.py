"""The golden quantizers equal their definition, and what other libraries' casts make of the published formulas.

The formulas are evaluated here on whole arrays in NumPy float32, with the casts of ml_dtypes or PyTorch; block_oracle.py
evaluates them value by value with rationals.
"""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent / "blocks"
sys.path.insert(0, str(FOLDER))


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed; `.venv/bin/pip install {name}` ends this skip")


np = library("numpy")
FLT_MAX = np.finfo(np.float32).max


def records(path):
    """(word, what follows it on its line, numbers) of each line; a line that begins with a blank continues the one before."""
    lines = [line for line in path.read_text().split("\n") if line and not line.startswith("#")]
    word = rest = None
    for line in lines:
        if not line.startswith(" "):
            if word:
                yield word, rest
            word, _, rest = line.partition(" ")
        else:
            rest += line
    yield word, rest


def read_inputs():
    inputs = {}
    for word, rest in records(FOLDER / "inputs.txt"):
        if word == "input":
            name, rows, cols = rest.split()
        else:
            bits = np.array([int(b.ljust(8, "0"), 16) for b in rest.split()], dtype=np.uint32)
            inputs[name] = bits.view(np.float32).reshape(int(rows), int(cols))
    return inputs


def read_cases(file, texts):
    """(text, input name, {line: numbers}) of the cases with these texts."""
    cases = []
    for word, rest in records(FOLDER / file):
        if word == "case":
            name, _, text = rest.partition(" ")
            cases.append((text, name, {}))
        elif word != "refused":
            digits = 8 if word == "values" else 0
            cases[-1][2][word] = np.array([-1 if n == "?" else int(n.ljust(digits, "0"), 16) for n in rest.split()], dtype=np.int64)
    return [case for case in cases if case[0] in texts]


def in_blocks(x, size):
    """(rows, blocks, size), the tail filled up with zeros."""
    rows, cols = x.shape
    padded = np.zeros((rows, -(-cols // size) * size), np.float32)
    padded[:, :cols] = x
    return padded.reshape(rows, -1, size)


def finite_amax(x, **axes):
    return np.max(np.where(np.isfinite(x), np.abs(x), np.float32(0)), **axes)


def cut(blocks, shape):
    return blocks.reshape(shape[0], -1)[:, : shape[1]].reshape(-1)


def bits(values):
    """Bit patterns; every NaN is 7fc00000."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    return np.where(np.isnan(values), 0x7FC00000, values.view(np.uint32)).astype(np.int64).reshape(-1)


def compare(case, shape, scales, codes, values, outer=None):
    """Scales that the definition leaves open, and the codes of arrays that encode refuses, are not compared."""
    text, name, golden = case
    said = golden["scales"] >= 0
    assert scales.reshape(-1)[said].tolist() == golden["scales"][said].tolist(), f"scales of {text}, {name}"
    if outer is not None:
        assert [outer] == golden["outer"].tolist(), f"outer scale of {text}, {name}"
    if "codes" in golden:
        assert cut(codes, shape).tolist() == golden["codes"].tolist(), f"codes of {text}, {name}"
    assert bits(cut(values, shape)).tolist() == golden["values"].tolist(), f"values of {text}, {name}"


def test_every_golden_quantizer_equals_its_definition(capsys):
    import make_blocks

    assert make_blocks.check() == 0, capsys.readouterr().out


def nvfp4_te(x):
    """TransformerEngine, finite elements: (s1, s0, scaled elements, what multiplies the elements back)"""
    amax, s = finite_amax(x), finite_amax(x, axis=-1, keepdims=True)
    enc = np.float32(1) if amax == 0 else min(np.float32(2688) / amax, FLT_MAX)
    outer = np.float32(1) / enc
    inner = e4m3(np.minimum(s * (enc * (np.float32(1) / np.float32(6))), np.float32(448)))
    return outer, inner, x * np.minimum(np.float32(1) / (inner.astype(np.float32) * outer), FLT_MAX), inner.astype(np.float64) * outer


def nvfp4_torchao(x):
    """torchao, whatever the elements; of its own is that an array of zeros has scale 1."""
    outer = np.max(np.abs(x)) / np.float32(2688)
    outer = np.float32(np.nan) if np.isinf(outer) else np.float32(1) if not x.any() else outer
    inner = e4m3(np.clip((np.max(np.abs(x), axis=-1, keepdims=True) / np.float32(6)) / outer, np.float32(2.0**-6), np.float32(448)))
    multiplier = (np.float32(1) / outer) / inner.astype(np.float32)
    return outer, inner, np.where((x == 0) & ~np.isnan(multiplier), x, x * multiplier), outer * inner.astype(np.float32)


def e4m3(x):
    return x.astype(library("ml_dtypes").float8_e4m3fn)


@pytest.mark.parametrize(("text", "formulas"), [("nvfp4:te", nvfp4_te), ("nvfp4:torchao", nvfp4_torchao)])
@np.errstate(all="ignore")
def test_nvfp4_equals_the_published_formulas_with_the_casts_of_ml_dtypes(text, formulas):
    ml_dtypes = library("ml_dtypes")
    inputs, count = read_inputs(), 0
    for case in read_cases("nvfp4.txt", {text}):
        x = inputs[case[1]]
        outer, inner, scaled, factor = formulas(in_blocks(x, 16))
        t = np.clip(scaled, np.float32(-6), np.float32(6))
        e2m1 = np.where(np.isnan(t), np.float32(0), t).astype(ml_dtypes.float4_e2m1fn)
        # In float64 the product of significands of 2, 4 and 24 bits is exact, and rounded once.
        values = np.where(np.isnan(t), np.nan, e2m1.astype(np.float64) * factor).astype(np.float32)
        compare(case, x.shape, inner.view(np.uint8) & 127, e2m1.view(np.uint8) & 15, values, bits(outer)[0])
        count += 1
    assert count >= 20


@pytest.mark.parametrize("scaling", ["deepseek_1x128", "deepseek_1x128_ue8m0"])
@np.errstate(all="ignore")
def test_deepseek_equals_the_published_formulas_with_the_cast_of_pytorch(scaling):
    torch = library("torch")
    inputs, count = read_inputs(), 0
    for case in read_cases("named.txt", {scaling}):
        x = inputs[case[1]]
        if np.isinf(x).any() or (scaling.endswith("ue8m0") and np.isnan(x).any()):
            continue  # the scale of such a block is infinite there, or 2^127
        blocks = torch.from_numpy(in_blocks(x, 128))
        s = blocks.abs().amax(dim=-1, keepdim=True).clamp(min=1e-4) / 448
        if scaling.endswith("ue8m0"):
            fraction, exponent = torch.frexp(s)  # s = fraction 2^exponent, fraction in [1/2, 1)
            codes = torch.where(fraction == 0.5, exponent - 1, exponent) + 127
            s = torch.ldexp(torch.ones_like(s), codes - 127)
            stored = codes.numpy().reshape(-1)
        else:
            stored = bits(s.numpy())
        q = (blocks * (1 / s)).to(torch.float8_e4m3fn)
        compare(case, x.shape, stored, q.view(torch.uint8).numpy(), (q.float() * s).numpy())
        count += 1
    assert count >= 5


@pytest.mark.parametrize("name", ["mxfp8_e4m3", "mxfp8_e5m2"])
@np.errstate(all="ignore")
def test_mxfp8_of_torchao_equals_the_published_formulas_with_the_cast_of_pytorch(name):
    torch = library("torch")
    kind, emax = {"mxfp8_e4m3": (torch.float8_e4m3fn, 8), "mxfp8_e5m2": (torch.float8_e5m2, 15)}[name]
    inputs, count = read_inputs(), 0
    for case in read_cases("named.txt", {f"{name}:torchao"}):
        x = inputs[case[1]]
        blocks = torch.from_numpy(in_blocks(x, 32))
        amax = blocks.abs().amax(dim=-1, keepdim=True)
        field = (amax.view(torch.int32) >> 23 & 255) - emax
        finite = torch.isfinite(amax)
        codes = torch.where(finite, field.clamp(min=0), 255)
        s = torch.where(finite, torch.ldexp(torch.ones_like(amax), codes - 127), torch.nan)
        limit = torch.finfo(kind).max
        q = (blocks * (1 / s)).clamp(-limit, limit).to(kind)
        nan = (s != s).expand(q.shape).numpy()
        element_codes = np.where(nan, {"mxfp8_e4m3": 0x7F, "mxfp8_e5m2": 0x7E}[name], q.view(torch.uint8).numpy())  # which NaN code is not torchao's say here
        compare(case, x.shape, codes.numpy(), element_codes, (q.float() * s).numpy())
        count += 1
    assert count >= 5
