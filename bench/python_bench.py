"""binade.quantize from Python beside the casts of ml_dtypes, PyTorch and NumPy: float32 -> e4m3fn -> float32, in turn, in one process.

What the others give is checked against binade's first, on the elements within range. Prints the median time, the ratio of medians, and between which values 80 % of
the single ratios lie.

    ./dev bench python
"""

import os
import pathlib
import platform
import statistics
import time

import numpy as np

import binade

ROUNDS, ELEMENTS = 9, 1 << 26


def cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def others(x):
    """name -> round trip through e4m3fn; float16 for NumPy, which has nothing narrower."""
    found = {"numpy copy": lambda: x.copy(), "numpy float16": lambda: x.astype(np.float16).astype(np.float32)}
    try:
        import ml_dtypes

        found["ml_dtypes"] = lambda: x.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    except ImportError:
        print("ml_dtypes is not installed: no row")
    try:
        import torch

        tensor = torch.from_numpy(x)
        found["PyTorch"] = lambda: tensor.to(torch.float8_e4m3fn).to(torch.float32).numpy()
    except ImportError:
        print("PyTorch is not installed: no row (./dev setup --torch)")
    return found


def main():
    x = np.random.default_rng(0).standard_normal(ELEMENTS, dtype=np.float32)
    out = np.empty_like(x)
    want = binade.quantize(x, "e4m3fn", out=out).copy()
    print(f"binade {binade.__version__}, {cpu_name()}, {os.cpu_count()} processors, {ELEMENTS >> 20} Mi elements, median of {ROUNDS}")
    print(f"{'beside':<16}{'its ms':>9}{'binade ms':>11}{'ratio':>8}  spread")
    for name, call in others(x).items():
        if name in ("ml_dtypes", "PyTorch"):
            np.testing.assert_array_equal(call(), want)
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(seconds(call))
            ours.append(seconds(lambda: binade.quantize(x, "e4m3fn", out=out)))
        ratios = sorted(t / o for t, o in zip(theirs, ours))
        t, o = statistics.median(theirs), statistics.median(ours)
        print(f"{name:<16}{t * 1e3:9.1f}{o * 1e3:11.1f}{t / o:7.1f}x  {ratios[1]:.1f}..{ratios[-2]:.1f}")


if __name__ == "__main__":
    main()
