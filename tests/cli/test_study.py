"""binade study: cost, results, resumption, locks."""

import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest
from conftest import STUDY, stored_numbers


def start(program, *arguments, cwd):
    return subprocess.Popen(
        [program, *map(str, arguments)], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for_steps(folder, steps, process):
    """Waits until the store holds some steps, so that a signal arrives in the middle of the work."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{folder}/study.db?mode=ro", uri=True)) as db:
                if db.execute("SELECT count(*) FROM step").fetchone()[0] >= steps:
                    return
        except sqlite3.OperationalError:
            pass  # not there yet
        time.sleep(0.01)


def test_a_study_ends_with_a_table_a_report_and_every_number_stored(binade, study_file, tmp_path):
    result = binade("study", study_file, "--out", "out", "--jobs", "2")
    assert result.returncode == 0, result.stderr
    for label in ("f32", "e4m3fn@tensor", "e2m1fn/sr@tensor"):
        assert label in result.stdout
    assert "12 trials of 40 steps" in result.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    tables = stored_numbers(tmp_path / "out")
    assert len(tables["trial"]) == 12
    assert len(tables["step"]) == 12 * 40
    assert len(tables["evaluation"]) == 12 * 4
    assert len(tables["quantization"]) > 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"study.db", "report.html", "binade.lock"}


def test_a_dry_run_says_the_cost_and_writes_nothing(binade, study_file, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = binade("study", study_file, "--dry-run", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "3 recipes x 2 learning rates x 2 seeds = 12 trials of 40 steps" in result.stdout
    assert "30.7k tokens" in result.stdout or "30720" in result.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_as_json_is_one_document(binade, study_file):
    cost = json.loads(binade("study", study_file, "--dry-run", "--json").stdout)
    assert cost["trials"] == 12
    assert cost["tokens"] == 12 * 40 * 2 * 32
    assert cost["estimated_seconds"] > 0


def test_with_json_standard_output_is_one_document(binade, study_file):
    result = binade("study", study_file, "--out", "out", "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)


def test_numbers_do_not_depend_on_the_number_of_jobs(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "one", "--jobs", "1").returncode == 0
    assert binade("study", study_file, "--out", "three", "--jobs", "3").returncode == 0
    assert stored_numbers(tmp_path / "one") == stored_numbers(tmp_path / "three")


@pytest.mark.parametrize("seed", range(3))
def test_a_study_killed_at_random_moments_ends_with_the_same_numbers(binade, program, tmp_path, seed):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=150, checkpoint_every=20))
    began = time.monotonic()
    assert binade("study", study_file, "--out", "undisturbed").returncode == 0
    duration = time.monotonic() - began
    chance = random.Random(seed)
    for _ in range(4):
        process = start(program, "study", study_file, "--out", "killed", cwd=tmp_path)
        time.sleep(chance.uniform(0.05, 0.6) * duration)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    result = binade("study", study_file, "--out", "killed")
    assert result.returncode == 0, result.stderr
    assert stored_numbers(tmp_path / "killed") == stored_numbers(tmp_path / "undisturbed")
    assert not list((tmp_path / "killed").rglob("*.tmp*"))


def test_ctrl_c_keeps_everything_and_the_same_command_goes_on(binade, program, tmp_path):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=400, checkpoint_every=100000))
    process = start(program, "study", study_file, "--out", "out", cwd=tmp_path)
    wait_for_steps(tmp_path / "out", 50, process)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "the same command goes on: binade study" in stderr
    # Nothing is lost: the checkpoints of the running trials are as far as their rows.
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "study.db")) as db:
        rows = db.execute("SELECT t.steps_done, count(s.step) FROM trial t LEFT JOIN step s ON s.trial = t.id GROUP BY t.id")
        assert all(steps == count for steps, count in rows)
    assert binade("study", study_file, "--out", "out").returncode == 0
    assert binade("study", study_file, "--out", "undisturbed").returncode == 0
    assert stored_numbers(tmp_path / "out") == stored_numbers(tmp_path / "undisturbed")


def test_a_finished_study_is_not_run_again(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "out").returncode == 0
    before = stored_numbers(tmp_path / "out")
    (tmp_path / "out" / "report.html").unlink()
    result = binade("study", study_file, "--out", "out")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "report.html").exists()
    assert stored_numbers(tmp_path / "out") == before


def test_a_folder_with_another_study_is_refused_with_the_difference(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "out").returncode == 0
    before = stored_numbers(tmp_path / "out")
    study_file.write_text(study_file.read_text().replace("steps = 40", "steps = 41"))
    result = binade("study", study_file, "--out", "out")
    assert result.returncode == 2
    assert "holds another study" in result.stderr
    assert "steps = 40" in result.stderr and "steps = 41" in result.stderr
    assert stored_numbers(tmp_path / "out") == before


def test_two_processes_in_one_folder_are_refused(binade, program, tmp_path):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=100000, checkpoint_every=1000))
    process = start(program, "study", study_file, "--out", "out", cwd=tmp_path)
    try:
        wait_for_steps(tmp_path / "out", 5, process)
        result = binade("study", study_file, "--out", "out")
        assert result.returncode == 1
        assert "in use by another process" in result.stderr
        # A running study can be reported.
        assert binade("report", "out").returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_a_diverged_trial_is_a_result(binade, study_file, tmp_path):
    study_file.write_text(study_file.read_text().replace("learning_rates = [1e-3, 1e-2]", "learning_rates = [1e-3, 1e9]"))
    result = binade("study", study_file, "--out", "out")
    assert result.returncode == 0, result.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "study.db")) as db:
        rows = db.execute("SELECT learning_rate, status, divergence FROM trial").fetchall()
    assert {row[1] for row in rows if row[0] == 1e-3} == {"done"}
    assert {row[1] for row in rows if row[0] == 1e9} == {"diverged"}
    assert {row[2] for row in rows if row[0] == 1e9} <= {"nonfinite", "blowup"}


def test_trials_of_one_seed_share_weights_and_data(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "out").returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "out" / "study.db")) as db:
        floors = db.execute(
            "SELECT t.seed, s.step, count(DISTINCT s.floor) FROM trial t JOIN step s ON s.trial = t.id GROUP BY 1, 2"
        ).fetchall()
        first = db.execute(
            "SELECT t.seed, count(DISTINCT s.loss), count(*) FROM trial t JOIN step s ON s.trial = t.id "
            "WHERE s.step = 0 AND t.recipe = 'f32' GROUP BY 1"
        ).fetchall()
        seeds = db.execute("SELECT count(DISTINCT s.floor) FROM step s WHERE s.step = 0").fetchone()
    assert all(row[2] == 1 for row in floors)
    assert all(row[1] == 1 and row[2] == 2 for row in first)
    assert seeds == (2,)


def test_a_damaged_checkpoint_is_refused_by_name_and_removing_it_starts_the_trial_over(binade, program, tmp_path):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=150, checkpoint_every=20))
    process = start(program, "study", study_file, "--out", "out", cwd=tmp_path)
    wait_for_steps(tmp_path / "out", 100, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    checkpoint = sorted((tmp_path / "out" / "checkpoints").iterdir())[0]
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    result = binade("study", study_file, "--out", "out")
    assert result.returncode == 1
    assert checkpoint.name in result.stderr and "truncated" in result.stderr
    checkpoint.unlink()
    assert binade("study", study_file, "--out", "out").returncode == 0
    assert binade("study", study_file, "--out", "undisturbed").returncode == 0
    assert stored_numbers(tmp_path / "out") == stored_numbers(tmp_path / "undisturbed")


def test_report_rebuilds_the_page_and_exports_every_row(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "out").returncode == 0
    (tmp_path / "out" / "report.html").unlink()
    result = binade("report", "out", "--csv", "csv")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "report.html").exists()
    with open(tmp_path / "csv" / "steps.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 12 * 40
    json.loads(binade("report", "out", "--json").stdout)
    assert not list((tmp_path / "out").glob("study.db-*"))


def test_real_text_is_studied_as_bytes(binade, study_file, tmp_path):
    text = "".join(f"line {i}: the quick brown fox jumps over the lazy dog\n" for i in range(1000))
    (tmp_path / "book.txt").write_text(text)
    result = binade("study", study_file, "--out", "out", "--data", "book.txt")
    assert result.returncode == 0, result.stderr
    properties = dict(stored_numbers(tmp_path / "out")["study"])
    assert properties["unit"] == "byte"
    assert "floor" not in properties
    # A moved file is the same data; a changed one is not.
    (tmp_path / "book.txt").rename(tmp_path / "moved.txt")
    assert binade("study", study_file, "--out", "out", "--data", "moved.txt").returncode == 0
    (tmp_path / "moved.txt").write_text(text.replace("lazy", "busy"))
    assert binade("study", study_file, "--out", "out", "--data", "moved.txt").returncode == 2


def test_a_store_that_cannot_grow_stops_the_study_and_more_room_goes_on(binade, program, tmp_path):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=150, checkpoint_every=20))
    limited = f"ulimit -f 256; exec {program} study study.toml --out out"  # 128 or 256 KiB: the store needs more
    result = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1, result.stderr
    assert "binade: error: " in result.stderr and "study.db" in result.stderr
    assert binade("study", study_file, "--out", "out").returncode == 0
    assert binade("study", study_file, "--out", "undisturbed").returncode == 0
    assert stored_numbers(tmp_path / "out") == stored_numbers(tmp_path / "undisturbed")


def test_a_full_disk_stops_the_study_and_room_goes_on(binade, program, tmp_path):
    study_file = tmp_path / "study.toml"
    study_file.write_text(STUDY.format(steps=150, checkpoint_every=20))
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small]).returncode != 0:
        pytest.skip("needs the right to mount a small file system (root)")
    try:
        result = binade("study", study_file, "--out", small / "out")
        assert result.returncode == 1, result.stderr
        assert "binade: error: " in result.stderr and "full" in result.stderr or "No space left" in result.stderr
        assert subprocess.run(["mount", "-o", "remount,size=100m", small]).returncode == 0
        assert binade("study", study_file, "--out", small / "out").returncode == 0
        assert binade("study", study_file, "--out", "undisturbed").returncode == 0
        assert stored_numbers(small / "out") == stored_numbers(tmp_path / "undisturbed")
    finally:
        subprocess.run(["umount", small], check=True)
