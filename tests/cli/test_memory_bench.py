"""The benches of memory run, and what is saved changes no forward pass; their sizes say nothing here."""

import os
import pathlib
import subprocess
import sys

import pytest

BENCHES = pathlib.Path(__file__).resolve().parents[2] / "bench"


def run(bench, program):
    command = [sys.executable, BENCHES / bench, "--smoke"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "BINADE_PROGRAM": program})
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_each_row_has_the_first_loss_of_float32(program):
    assert run("memory_bench.py", program).count("| saved, states |") == 2


def test_steps_take_memory_beside_those_of_pytorch(program):
    pytest.importorskip("torch", reason="PyTorch is the baseline: ./dev setup --torch")
    rows = [line for line in run("step_memory_bench.py", program).splitlines() if line.startswith(("| GPT", "| ResNet"))]
    assert len(rows) == 2
    assert all(float(number) > 0 for row in rows for number in row.split("|")[2:5])
