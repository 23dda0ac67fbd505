"""What nvcc makes of the kernels: read in PTX, since a machine that only compiles cannot run them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

root = Path(__file__).resolve().parents[2]


def find_nvcc():
    found = shutil.which("nvcc")
    candidates = [found] if found else sorted(map(str, Path("/usr/local").glob("cuda*/bin/nvcc")))
    return candidates[0] if candidates else None


@pytest.fixture(scope="module")
def ptx(tmp_path_factory):
    nvcc = find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc: install the CUDA toolkit to end the skip")
    folder = tmp_path_factory.mktemp("ptx")
    source = folder / "kernels.cu"
    source.write_text(
        '#include "bodies.hpp"\n#include "segment_kernels.cuh"\n#include "launch.cuh"\n'
        "namespace binade::cuda {\n"
        "template __global__ void for_each_index_kernel(std::size_t, quantize_body);\n"
        "template __global__ void for_each_index_kernel(std::size_t, encode_body<std::uint8_t>);\n"
        "template __global__ void one_scale_kernel<true>(segment_job, const float*, std::size_t, const float*, std::uint8_t*);\n"
        "}\n"
    )
    flags = ["--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--expt-relaxed-constexpr"]
    output = folder / "kernels.ptx"
    subprocess.run(
        [nvcc, "-std=c++20", *flags, "-gencode=arch=compute_90a,code=compute_90a", "-ptx"]
        + [f"-I{root / 'include'}", f"-I{root / 'cuda'}", str(source), "-o", str(output)],
        check=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    return output.read_text()


def test_leading_zeros_are_counted_on_the_device(ptx):
    """nvcc 13.0 folds std::countl_zero to a constant in device code."""
    assert re.search(r"\bclz\.b64\b", ptx)


def test_fused_multiply_adds_are_those_that_are_written(ptx):
    """std::fma in double for what a division leaves, and noise in float32 toward zero: nvcc contracts no other product."""
    assert set(re.findall(r"\bfma\.[a-z0-9.]+", ptx)) <= {"fma.rn.f64", "fma.rz.f32"}


@pytest.mark.parametrize("instruction", [r"\.ftz\b", r"\.approx\b", r"\bdiv\.full\b", r"\bmad\.[a-z]*\.?f"])
def test_no_arithmetic_that_the_cpu_does_not_do(ptx, instruction):
    assert not re.search(instruction, ptx)


def test_division_rounds_correctly(ptx):
    assert re.search(r"\bdiv\.rn\.f32\b", ptx)
