"""bench/memory_bench.py runs, and what is saved changes no forward pass; its sizes say nothing here."""

import os
import pathlib
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench" / "memory_bench.py"


def test_each_row_has_the_first_loss_of_float32(program):
    result = subprocess.run([sys.executable, BENCH, "--smoke"], check=False, capture_output=True, text=True, env={**os.environ, "BINADE_PROGRAM": program})
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("| saved, states |") == 2
