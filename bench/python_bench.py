"""binade.quantize from Python beside what else rounds arrays there: ml_dtypes, PyTorch, NumPy, gfloat, qtorch, torchao; each pair in turn, in one process.

What the others give is checked first: equal to binade's on the same numbers, or values of the same grid where noise decides. Each call makes a new array. Prints the median time for each element, the
ratio of medians, and between which values 80 % of the single ratios lie. Baselines that are not installed have no row: requirements/bench.txt has them all.

    ./dev bench python
"""

import argparse
import os
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

import binade
from step_timing import cpu_name

ROUNDS = 9
# Arrays of 256 MB where a call is as fast as memory; the slower ones get what takes them about a second.
LARGE, MEDIUM, SMALL = 1 << 26, 1 << 22, 1 << 13


@dataclass(frozen=True)
class Row:
    spec: str
    baseline: str
    call: Callable[[np.ndarray], Any]
    elements: int = LARGE
    agrees: str = "equal"  # or "grid": stochastic rounding with other noise; "": another computation
    ours: str = ""  # the spec that has the baseline's choices, where that is not `spec`


def numpy_rows():
    yield Row("e4m3fn", "numpy copy", lambda x: x.copy(), agrees="")
    yield Row("f16", "numpy float16", lambda x: x.astype(np.float16).astype(np.float32))


def ml_dtypes_rows():
    import ml_dtypes

    def through(dtype):
        return lambda x: x.astype(dtype).astype(np.float32)

    yield Row("e4m3fn", "ml_dtypes", through(ml_dtypes.float8_e4m3fn))
    yield Row("e2m1fn", "ml_dtypes", through(ml_dtypes.float4_e2m1fn))
    yield Row("bf16", "ml_dtypes", through(ml_dtypes.bfloat16))


def torch_rows():
    import torch

    def through(dtype):
        return lambda x: torch.from_numpy(x).to(dtype).to(torch.float32).numpy()

    yield Row("e4m3fn", "PyTorch", through(torch.float8_e4m3fn))
    yield Row("bf16", "PyTorch", through(torch.bfloat16))


def gfloat_rows():
    import gfloat
    from gfloat import formats

    e4m3fn, mxfp4 = formats.format_info_ocp_e4m3, formats.format_info_mxfp4_e2m1

    def stochastic(x):
        noise = np.random.default_rng(0).integers(0, 1 << 16, x.shape)
        return gfloat.round_ndarray(e4m3fn, x, gfloat.RoundMode.Stochastic, sat=True, srbits=noise, srnumbits=16)

    def blocks(x):
        return np.stack([gfloat.quantize_block(mxfp4, block, gfloat.compute_scale_amax) for block in x.reshape(-1, 32)]).reshape(x.shape)

    yield Row("e4m3fn", "gfloat", lambda x: gfloat.round_ndarray(e4m3fn, x, sat=True), MEDIUM)
    yield Row("e4m3fn/sr:16", "gfloat", stochastic, MEDIUM, "grid")
    yield Row("mxfp4", "gfloat", blocks, SMALL)


def qtorch_rows():
    import torch
    from qtorch.quant import float_quantize  # compiled for this machine when it is first imported

    def through(rounding):
        return lambda x: float_quantize(torch.from_numpy(x), exp=5, man=2, rounding=rounding).numpy()

    yield Row("e5m2/rna", "qtorch", through("nearest"), MEDIUM)
    yield Row("e5m2/sr", "qtorch", through("stochastic"), MEDIUM, "grid")


def torchao_rows():
    import torch
    from torchao.prototype.mx_formats.mx_tensor import MXTensor
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

    def mx(element):
        return lambda x: MXTensor.to_mx(torch.from_numpy(x), element, 32).dequantize(torch.float32).numpy()

    def nvfp4(x):
        tensor = torch.from_numpy(x)
        scale = per_tensor_amax_to_scale(tensor.abs().max())
        return NVFP4Tensor.to_nvfp4(tensor, per_tensor_scale=scale).dequantize(torch.float32).numpy()

    yield Row("mxfp8_e4m3", "torchao", mx(torch.float8_e4m3fn), MEDIUM, ours="mxfp8_e4m3:torchao")
    yield Row("mxfp4", "torchao", mx(torch.float4_e2m1fn_x2), MEDIUM, ours="mxfp4:torchao")
    yield Row("nvfp4", "torchao", nvfp4, MEDIUM, ours="nvfp4:torchao")


def rows():
    for each in (numpy_rows, ml_dtypes_rows, torch_rows, gfloat_rows, qtorch_rows, torchao_rows):
        try:
            yield from list(each())
        except ImportError as error:
            print(f"no rows of {each.__name__.removesuffix('_rows')}: {error} (pip install -r requirements/bench.txt)")


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def check(row, spec, x):
    """The baseline computes what it is compared for; 32 rows, so that blocks and tensor scales are the same."""
    theirs = np.asarray(row.call(x), np.float32)
    if row.agrees == "equal":
        np.testing.assert_array_equal(theirs, binade.quantize(x, spec), f"{row.baseline}, {spec}")
    elif row.agrees == "grid":
        nearest = spec.split("/")[0]
        np.testing.assert_array_equal(theirs, binade.quantize(theirs, nearest), f"{row.baseline}, {spec}")
        assert abs(float(np.mean(theirs - x))) < 1e-3 + 4 * float(np.std(theirs - x)) / x.size**0.5, f"{row.baseline}, {spec}: biased"


def main():
    parser = argparse.ArgumentParser(prog="python_bench.py")
    parser.add_argument("--smoke", action="store_true", help="small arrays, once: only that each row runs and agrees")
    smoke = parser.parse_args().smoke
    warnings.filterwarnings("ignore", module="torch")
    rounds = 1 if smoke else ROUNDS
    print(f"binade {binade.__version__}, {cpu_name()}, {os.cpu_count()} processors, float32 in and out, median of {rounds}")
    print(f"{'spec':<20}{'beside':<15}{'elements':>10}{'its ns/el':>11}{'binade ns/el':>14}{'ratio':>9}  80 % within")
    normal = np.random.default_rng(0).standard_normal(1 << 13 if smoke else LARGE, dtype=np.float32)
    for row in rows():
        spec = row.ours or row.spec
        count = min(row.elements, normal.size)
        x = normal[:count].reshape(32, -1)
        check(row, spec, x)
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(seconds(lambda: row.call(x)))
            ours.append(seconds(lambda: binade.quantize(x, spec)))
        ratios = sorted(t / o for t, o in zip(theirs, ours))
        t, o = statistics.median(theirs), statistics.median(ours)
        tenth = len(ratios) // 9
        print(f"{spec:<20}{row.baseline:<15}{count:>10}{t / count * 1e9:11.2f}{o / count * 1e9:14.2f}{t / o:8.1f}x  {ratios[tenth]:.1f}..{ratios[-1 - tenth]:.1f}", flush=True)


if __name__ == "__main__":
    main()
