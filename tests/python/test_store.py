"""binade.store reads what the program writes, changes nothing, and refuses what it does not know."""

import json
import math
import re
import sqlite3
from pathlib import Path

import pytest

from binade.store import DETAILS, SCHEMA_VERSION, Study, Trial, as_arrays, exponent_counts, mean, scale_changes

ROOT = Path(__file__).resolve().parents[2]


def schema() -> str:
    """The tables as the program creates them."""
    source = (ROOT / "src/study/store.cpp").read_text()
    return re.search(r'R"\((\s*CREATE TABLE study.*?)\)";', source, re.DOTALL).group(1)


def trial_row(number, recipe, rate, seed, status, loss, divergence=None):
    floor = 2.5 if loss is not None else None
    return (number, recipe, "text of " + recipe, rate, seed, status, divergence, 3, 5.6, loss, loss, floor, "00ff", "cpu", "cc", "0.1.0",
            "2000-01-01T00:00:00Z", 1.5, 300)


@pytest.fixture
def folder(tmp_path):
    with sqlite3.connect(tmp_path / "study.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(schema())
        db.executemany("INSERT INTO study VALUES(?, ?)", [("schema_version", str(SCHEMA_VERSION)), ("name", "crafted"), ("floor", "2.5"),
                                                          ("unit", "token"), ("baseline", "f32")])
        rows = [trial_row(0, "f32", 1e-3, 0, "done", 3.1), trial_row(1, "f32", 1e-3, 1, "done", 3.2),
                trial_row(2, "f32", 1e-2, 0, "done", 2.9), trial_row(3, "f32", 1e-2, 1, "diverged", None, "nonfinite"),
                trial_row(4, "e2m1fn", 1e-3, 0, "pending", None)]
        db.executemany(f"INSERT INTO trial VALUES({', '.join('?' * 19)})", rows)
        db.executemany("INSERT INTO step VALUES(?, ?, ?, ?, ?, ?, ?)",
                       [(3, step, loss, 2.5, 1e-2, 0.7, 1) for step, loss in [(1, 4.0), (0, 5.6), (2, None)]])
        db.execute("INSERT INTO evaluation VALUES(0, 3, 3.1)")
        details = (0, 0, 60, 5, 30, 0.5, 2.0, None, -0.1, 0.9, "10 -3 40 0 50")
        db.executemany(f"INSERT INTO quantization VALUES({', '.join('?' * 22)})",
                       [(0, 0, "head", "forward", operand, 100, 90, 1, 9, 3.5, math.inf, *details) for operand in ("weight", "input")])
        db.executemany("INSERT INTO measurement VALUES(?, ?, ?, ?, ?)", [(0, 0, "logits", "log_z", 5.5), (0, 0, "head", "input_rms", None)])
    db.close()
    return tmp_path


def test_trials_come_with_their_numbers_in_the_order_of_the_grid(folder):
    with Study(folder) as study:
        assert (study.name, study.unit, study.baseline, study.floor) == ("crafted", "token", "f32", 2.5)
        assert [t.id for t in study.trials()] == [0, 1, 2, 3, 4]
        assert study.recipes() == ["f32", "e2m1fn"]
        assert study.trials(status="diverged")[0].divergence == "nonfinite"
        assert [t.id for t in study.trials(recipe="e2m1fn")] == [4]
        assert study.trials()[0].excess == 3.1 - 2.5
        assert study.trials()[3].excess is None and study.trials()[4].excess is None


def test_the_fields_of_a_trial_are_the_columns_of_the_store(folder):
    with sqlite3.connect(folder / "study.db") as db:
        assert [row[1] for row in db.execute("PRAGMA table_info(trial)")] == list(Trial.__dataclass_fields__)
    db.close()


def test_columns_are_in_step_order_and_a_loss_that_is_no_number_is_none(folder):
    with Study(folder) as study:
        steps = study.steps(study.trials()[3])
        assert steps["step"] == [0, 1, 2]
        assert steps["loss"] == [5.6, 4.0, None]
        assert study.steps(0)["step"] == []
        assert study.evaluations(0) == {"step": [3], "validation_loss": [3.1]}
        assert study.quantization(0)["operand"] == ["input", "weight"]
        assert study.quantization(0)["sqnr_db"] == [math.inf, math.inf]
        assert study.quantization(0)["exact"] == [60, 60] and study.quantization(0)["headroom"] == [None, None]
        assert exponent_counts(study.quantization(0)["exponents"][0]) == {None: 10, -3: 40, -1: 50}
        assert study.measurements(0) == {"step": [0, 0], "subject": ["head", "logits"], "quantity": ["input_rms", "log_z"], "value": [None, 5.5]}
    with sqlite3.connect(folder / "study.db") as db:
        db.execute("DROP TABLE measurement")  # as in a store that is older
        for name in DETAILS:
            db.execute(f"ALTER TABLE quantization DROP COLUMN {name}")
    db.close()
    with Study(folder) as study:
        assert study.measurements(0)["value"] == []
        assert study.quantization(0)["nonzero"] == [90, 90] and study.quantization(0)["exact"] == [None, None]
        assert exponent_counts(study.quantization(0)["exponents"][0]) == {}


def test_scale_changes_are_counted_from_row_to_row_of_each_operand(folder):
    with sqlite3.connect(folder / "study.db") as db:
        scales = [(0, "weight", 0.5, 2.0), (10, "weight", 0.5, 4.0), (20, "weight", 0.5, 4.0), (30, "weight", 0.25, 4.0), (40, "weight", 0.5, 4.0),
                  (0, "input", 1, 1), (40, "input", 1, 1), (7, "grad_output", 1, 1), (8, "state", None, None), (9, "state", None, None)]
        db.executemany(f"INSERT INTO quantization VALUES({', '.join('?' * 22)})",
                       [(1, step, "head", "forward", operand, 100, 90, 1, 9, 3.5, math.inf, 0, 0, 60, 5, 30, least, most, None, 0, 1, "0 0 1")
                        for step, operand, least, most in scales])
    db.close()
    with Study(folder) as study:
        assert scale_changes(study.quantization(1)) == {("head", "forward", "weight"): 7.5, ("head", "forward", "input"): 0}
        assert scale_changes(study.quantization(4)) == {}


def test_the_best_learning_rate_is_never_one_where_a_seed_diverged(folder):
    with Study(folder) as study:
        assert study.best_learning_rates() == {"f32": 1e-3}


def test_arrays_hold_nan_where_nothing_is_known(folder):
    numpy = pytest.importorskip("numpy", reason="NumPy is not installed: as_arrays needs it")
    with Study(folder) as study:
        arrays = as_arrays(study.steps(3))
    assert arrays["loss"].dtype == numpy.float64
    assert numpy.isnan(arrays["loss"][2]) and arrays["loss"][0] == 5.6


def test_reading_cannot_write(folder):
    with Study(folder) as study:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            study._connection.execute("DELETE FROM trial")


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        Study(tmp_path)


def test_another_schema_version_and_a_damaged_file_are_refused(folder, tmp_path):
    with sqlite3.connect(folder / "study.db") as db:
        db.execute("UPDATE study SET value = '999' WHERE key = 'schema_version'")
    db.close()
    with pytest.raises(ValueError, match="schema version 999"):
        Study(folder)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "study.db").write_bytes(b"not a database" * 100)
    with pytest.raises(ValueError, match="no study that can be read"):
        Study(damaged)


def test_the_schema_version_is_that_of_the_program():
    header = (ROOT / "src/study/store.hpp").read_text()
    assert int(re.search(r"schema_version = (\d+);", header).group(1)) == SCHEMA_VERSION


def test_a_mean_needs_a_value():
    assert mean([1.0, 2.0]) == 1.5
    with pytest.raises(ValueError, match="at least one"):
        mean([])


def test_the_notebook_runs_from_a_clean_kernel(folder, monkeypatch, capsys):
    """Every code cell, in order, in one fresh namespace: what `Restart and run all` does."""
    notebook = json.loads((ROOT / "notebooks/read_a_study.ipynb").read_text())
    monkeypatch.setenv("BINADE_STUDY", str(folder))
    monkeypatch.chdir(ROOT / "notebooks")
    namespace: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "the notebook is stored without outputs"
            exec("".join(cell["source"]), namespace)  # noqa: S102
    assert "f32" in capsys.readouterr().out
