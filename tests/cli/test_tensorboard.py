"""TensorBoard's own reader of event files finds what the program wrote into them."""

import json
import math
import shutil
import struct

import pytest
from conftest import TRAIN, kill_once

pytest.importorskip("tensorboard", reason="tensorboard (requirements/test.txt) is not here")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402


def scalars(folder):
    """name -> {step: value}."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    assert not events.Tags()["tensors"]
    found = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    for name, rows in found.items():
        assert len({row.step for row in rows}) == len(rows), f"{name} has a step twice"
    return {name: {row.step: row.value for row in rows} for name, rows in found.items()}


def test_tensorboard_shows_the_exponents_of_what_was_rounded(binade, train_file, tmp_path):
    assert binade("train", train_file, "--out", "out").returncode == 0
    events = EventAccumulator(str(tmp_path / "out"), size_guidance={"histograms": 0})
    events.Reload()
    compared = 0
    for line in map(json.loads, (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()):
        wanted = line.get("exponents")
        if not wanted or not wanted["counts"]:
            continue
        name = f"exponents/{line['site']}/{line['gemm']}/{line['operand']}"
        found = next(h for h in events.Histograms(name) if h.step == line["step"] + 1).histogram_value
        assert list(found.bucket) == wanted["counts"]
        assert list(found.bucket_limit) == [wanted["first"] + k + 1 for k in range(len(wanted["counts"]))]
        assert found.num == sum(wanted["counts"]) <= line["count"]
        assert wanted["zeros"] == 0 or line["nonzero"] < line["count"]
        compared += 1
    assert compared > 20


def in_float32(value):
    return math.nan if value is None else struct.unpack("f", struct.pack("f", value))[0]


def expected(folder):
    """The same from metrics.jsonl."""
    found = {}
    for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        step = line.pop("step")
        if "validation_loss" in line:
            found.setdefault("validation_loss", {})[step] = line["validation_loss"]
        elif "loss" in line:
            for name, value in line.items():
                found.setdefault(name, {})[step + 1] = float(value)
        elif "quantity" in line:
            found.setdefault(f"{line['quantity']}/{line['subject']}", {})[step + 1] = line["value"]
        else:
            place = f"{line['site']}/{line['gemm']}/{line['operand']}"
            for name in ("saturated", "underflowed"):
                found.setdefault(f"{name}/{place}", {})[step + 1] = line[name] / max(1, line["nonzero"])
            found.setdefault(f"amax/{place}", {})[step + 1] = line["amax"]
            found.setdefault(f"sqnr_db/{place}", {})[step + 1] = math.inf if line["sqnr_db"] is None else line["sqnr_db"]
            if "exact" not in line:
                continue
            more = {"not_finite": (line["nans"] + line["infinities"]) / line["count"], "exact": line["exact"] / line["count"],
                    "scale": line["largest_scale"]}
            more |= {name: line[name] / max(1, line["nonzero"]) for name in ("subnormal", "top_binade")}
            more |= {name: line[name] for name in ("headroom", "bias", "cosine")}
            for name, value in more.items():
                if value is not None:
                    found.setdefault(f"{name}/{place}", {})[step + 1] = value
    return {name: {step: in_float32(value) for step, value in rows.items()} for name, rows in found.items()}


def test_tensorboard_reads_every_number_of_a_run(binade, train_file, tmp_path):
    assert binade("train", train_file, "--out", "out").returncode == 0
    found = scalars(tmp_path / "out")
    assert found == expected(tmp_path / "out")
    assert list(found["loss"]) == list(range(1, 41)) and list(found["validation_loss"]) == [10, 20, 30, 40]
    assert {name.split("/")[0] for name in found} > {"entropy", "largest_logit", "input_rms", "update_ratio", "log_z", "saturated"}


def test_a_killed_run_shows_each_step_once(binade, program, tmp_path):
    train_file = tmp_path / "train.toml"
    train_file.write_text(TRAIN.format(steps=400, checkpoint_every=150))
    kill_once(program, train_file, tmp_path)
    assert binade("train", train_file, "--out", "killed", "--resume").returncode == 0
    starts = sorted((tmp_path / "killed").glob("events.out.tfevents.*"))
    assert len(starts) == 2
    losses = []
    for number, file in enumerate(starts):
        alone = tmp_path / str(number)
        alone.mkdir()
        shutil.copy(file, alone)
        losses.append(scalars(alone)["loss"])
    assert max(losses[0]) >= min(losses[1]), "the second start repeats no step of the first: nothing was to be hidden"
    found = scalars(tmp_path / "killed")
    assert found == expected(tmp_path / "killed")
    assert list(found["loss"]) == list(range(1, 401))


def test_tensorboard_reads_every_trial_of_a_study(binade, study_file, tmp_path):
    assert binade("study", study_file, "--out", "out").returncode == 0
    result = binade("report", "out", "--tensorboard", "events", "--csv", "csv")
    assert result.returncode == 0, result.stderr
    runs = sorted((tmp_path / "events").iterdir(), key=lambda run: int(run.name.split()[0]))
    assert [run.name.split(" ", 1)[1] for run in runs][:2] == ["f32 lr 1e-3 seed 0", "f32 lr 1e-3 seed 1"]
    losses = {}
    for line in (tmp_path / "out" / "../csv/steps.csv").read_text().splitlines()[1:]:
        trial, step, loss = line.split(",")[:3]
        losses.setdefault(int(trial), {})[int(step) + 1] = in_float32(float(loss))
    assert [scalars(run)["loss"] for run in runs] == [losses[trial] for trial in range(len(runs))]
    assert "input_kurtosis/head" in scalars(runs[0])
