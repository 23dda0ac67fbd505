"""bench/python_bench.py runs, and what it compares agrees; its times say nothing here."""

import pathlib
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench" / "python_bench.py"


def test_each_row_of_an_installed_baseline_agrees_with_binade():
    result = subprocess.run([sys.executable, BENCH, "--smoke"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    rows = [line.split()[1] for line in result.stdout.splitlines() if line.split()[2].isdigit()]
    assert rows.count("ml_dtypes") == 3 and rows.count("gfloat") == 3
