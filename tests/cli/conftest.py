"""Drives the program as a user does.  BINADE_PROGRAM names it; the default is the release build of ./dev."""

import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

STUDY = """
name = "small"
[model]
layers = 1
width = 16
heads = 2
context = 32
[data]
validation_documents = 8
[train]
steps = {steps}
batch = 2
evaluate_every = 10
telemetry_every = 5
checkpoint_every = {checkpoint_every}
[study]
recipes = ["f32", "e4m3fn@tensor", "e2m1fn/sr@tensor"]
learning_rates = [1e-3, 1e-2]
seeds = [0, 1]
"""

TRAIN = """
[model]
layers = 1
width = 16
heads = 2
context = 32
[data]
validation_documents = 8
[train]
recipe = "e4m3fn/sr@tensor"
learning_rate = 3e-3
steps = {steps}
batch = 2
evaluate_every = 10
telemetry_every = 5
checkpoint_every = {checkpoint_every}
"""


@pytest.fixture(scope="session")
def program():
    path = pathlib.Path(os.environ.get("BINADE_PROGRAM", ROOT / "build" / "release" / "src" / "binade"))
    assert path.exists(), f"{path} is not there: build it, or set BINADE_PROGRAM"
    return str(path)


@pytest.fixture
def binade(program, tmp_path):
    """Runs the program in a folder of its own and returns the finished process."""

    def run(*arguments, **options):
        options.setdefault("cwd", tmp_path)
        options.setdefault("timeout", 120)
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, **options)

    return run


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(steps=40, checkpoint_every=7))
    return path


@pytest.fixture
def train_file(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(TRAIN.format(steps=40, checkpoint_every=7))
    return path


def kill_once(program, train_file, folder):
    """Starts a run in folder/killed and kills it when it has made its first checkpoint and some steps more."""
    process = subprocess.Popen(
        [program, "train", str(train_file), "--out", "killed"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def wait_for(is_so):
        while process.poll() is None and not is_so():
            time.sleep(0.01)

    def sizes():
        return [path.stat().st_size for name in ("metrics.jsonl", "events.*") for path in (folder / "killed").glob(name)]

    wait_for((folder / "killed" / "checkpoint.safetensors").exists)
    before = sizes()
    # What was before the checkpoint lay in the files before it did.
    wait_for(lambda: all(now > then for now, then in zip(sizes(), before, strict=True)))
    process.send_signal(signal.SIGKILL)
    ended = process.wait()
    assert ended == -signal.SIGKILL, f"the run ended by itself, with {ended}, before it could be killed: give it more steps"


def stored_numbers(folder):
    """Everything in a study's store but times, in an order of its own."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/study.db?mode=ro", uri=True)) as db:
        tables = {}
        for table in ("study", "trial", "step", "evaluation", "quantization"):
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] not in ("started", "seconds")]
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2").fetchall()
            tables[table] = sorted((row for row in rows if row[0] != "created"), key=repr)
        return tables
