"""binade train: metrics, checkpoints, resumption."""

import json
import os
import signal
import subprocess
import time

from conftest import TRAIN


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(summary):
    return {key: value for key, value in summary.items() if key not in ("seconds", "peak_tensor_bytes")}


def test_a_training_run_writes_metrics_a_checkpoint_and_a_summary(binade, train_file, tmp_path):
    result = binade("train", train_file, "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "validation loss" in result.stdout and "above the true entropy" in result.stdout
    lines = metrics(tmp_path / "out")
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(40))
    assert all(line["floor"] > 0 and line["gradient_norm"] > 0 for line in steps)
    assert [line["step"] for line in lines if "validation_loss" in line] == [10, 20, 30, 40]
    assert {line["step"] for line in lines if "saturated" in line} == {*range(0, 40, 5), 39}
    assert (tmp_path / "out" / "checkpoint.safetensors").exists()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["outcome"] == "finished" and summary["steps"] == 40
    assert summary["validation_loss"] == lines[-1]["validation_loss"]


def test_export_writes_the_weights_by_name_and_nothing_else(binade, train_file, tmp_path):
    result = binade("train", train_file, "--out", "out", "--export", "weights.safetensors")
    assert result.returncode == 0, result.stderr

    def tensors(name):
        whole = (tmp_path / name).read_bytes()
        start = 8 + int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8:start])
        del header["__metadata__"]
        return {name: whole[start + t["data_offsets"][0] : start + t["data_offsets"][1]] for name, t in header.items()}

    weights, checkpoint = tensors("weights.safetensors"), tensors("out/checkpoint.safetensors")
    assert weights and not any("moment" in name for name in weights)
    assert all(checkpoint[name] == data for name, data in weights.items())
    result = binade("train", train_file, "--out", "out2", "--export", "none/weights.safetensors")
    assert result.returncode == 2 and "--export needs one" in result.stderr


def test_json_is_one_document_on_standard_output(binade, train_file):
    result = binade("train", train_file, "--out", "out", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["outcome"] == "finished"


def test_weights_and_losses_do_not_depend_on_threads(binade, train_file, tmp_path):
    for threads in (1, 2, 3):
        assert binade("train", train_file, "--out", f"out{threads}", "--threads", threads).returncode == 0
    assert metrics(tmp_path / "out1") == metrics(tmp_path / "out2") == metrics(tmp_path / "out3")
    digests = {json.loads((tmp_path / f"out{t}" / "summary.json").read_text())["weights_digest"] for t in (1, 2, 3)}
    assert len(digests) == 1


def test_a_killed_run_resumes_with_the_same_bits(binade, program, tmp_path):
    train_file = tmp_path / "train.toml"
    train_file.write_text(TRAIN.format(steps=400, checkpoint_every=30))
    assert binade("train", train_file, "--out", "undisturbed").returncode == 0
    arguments = [program, "train", str(train_file), "--out", "killed"]
    for lines in (50, 300, 700):
        process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = tmp_path / "killed" / "metrics.jsonl"
        while process.poll() is None and (not log.exists() or len(log.read_bytes().splitlines()) < lines):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        arguments = [*arguments[:5], "--resume"]
    result = binade("train", train_file, "--out", "killed", "--resume")
    assert result.returncode == 0, result.stderr
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "undisturbed")
    summaries = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("killed", "undisturbed")]
    assert without_times(summaries[0]) == without_times(summaries[1])


def test_ctrl_c_keeps_everything_and_says_how_to_go_on(binade, program, tmp_path):
    train_file = tmp_path / "train.toml"
    train_file.write_text(TRAIN.format(steps=4000, checkpoint_every=100000))
    arguments = [program, "train", str(train_file), "--out", "out"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert f"binade train {train_file} --out out --resume" in stderr
    assert binade("train", train_file, "--out", "out", "--resume").returncode == 0
    assert binade("train", train_file, "--out", "undisturbed").returncode == 0
    assert metrics(tmp_path / "out") == metrics(tmp_path / "undisturbed")


WIDE = """
[model]
layers = 4
width = 192
heads = 4
context = 8
[data]
validation_documents = 1
[train]
steps = 3
batch = 1
learning_rate = 1e-3
recipe = "{recipe}.toml"
optimizer = "{optimizer}"
"""
STATES = """
[optimizer]
{states}
packed = {packed}
"""


def test_packed_states_take_less_memory_and_give_the_same_bits(binade, tmp_path):
    """The peak is that of all tensors, of a model with more parameters than activations: weights, gradients and states."""
    (tmp_path / "f32.toml").write_text("rule = []\n")
    fp8 = 'first_moment = "e4m3fn@block(128)"\nsecond_moment = "e4m3fn@block(128)"'
    for packed in ("true", "false"):
        (tmp_path / f"packed_{packed}.toml").write_text(STATES.format(states=fp8, packed=packed))
    summaries = {}
    for recipe in ("f32", "packed_true", "packed_false"):
        file = tmp_path / f"train_{recipe}.toml"
        file.write_text(WIDE.format(recipe=recipe, optimizer="adamw"))
        result = binade("train", file, "--out", recipe)
        assert result.returncode == 0, result.stderr
        summaries[recipe] = json.loads((tmp_path / recipe / "summary.json").read_text())
    parameters = summaries["f32"]["parameters"]
    assert summaries["f32"]["optimizer_state_bytes"] == summaries["packed_false"]["optimizer_state_bytes"] == 8 * parameters
    assert 2 * parameters < summaries["packed_true"]["optimizer_state_bytes"] < 2.05 * parameters
    assert summaries["packed_true"]["weights_digest"] == summaries["packed_false"]["weights_digest"]
    assert summaries["packed_true"]["weights_digest"] != summaries["f32"]["weights_digest"]
    saved = summaries["f32"]["peak_tensor_bytes"] - summaries["packed_true"]["peak_tensor_bytes"]
    assert saved > 4 * parameters, summaries  # 6 bytes less to keep, and one array is unpacked while it is updated


def test_a_format_for_a_state_that_the_optimizer_has_not_is_an_error(binade, tmp_path):
    (tmp_path / "wrong.toml").write_text(STATES.format(states='first_moment = "e8m7"', packed="false"))
    file = tmp_path / "train.toml"
    file.write_text(WIDE.format(recipe="wrong", optimizer="lion"))
    result = binade("train", file, "--out", "out")
    assert result.returncode == 2
    assert "first_moment" in result.stderr and "lion keeps momentum alone" in result.stderr


def test_a_run_is_never_overwritten(binade, train_file, tmp_path):
    assert binade("train", train_file, "--out", "out").returncode == 0
    before = (tmp_path / "out" / "metrics.jsonl").read_text()
    result = binade("train", train_file, "--out", "out")
    assert result.returncode == 2
    assert "--resume" in result.stderr
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == before
    # Resuming what is finished changes nothing.
    assert binade("train", train_file, "--out", "out", "--resume").returncode == 0
    assert (tmp_path / "out" / "metrics.jsonl").read_text() == before


def test_a_checkpoint_of_another_run_is_refused(binade, train_file):
    assert binade("train", train_file, "--out", "out").returncode == 0
    train_file.write_text(train_file.read_text().replace("3e-3", "4e-3"))
    result = binade("train", train_file, "--out", "out", "--resume")
    assert result.returncode == 1
    assert "checkpoint.safetensors" in result.stderr and "another run" in result.stderr


def test_damaged_truncated_and_foreign_checkpoints_are_refused_by_name(binade, train_file, tmp_path):
    assert binade("train", train_file, "--out", "out").returncode == 0
    checkpoint = tmp_path / "out" / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    damaged = bytearray(whole)
    damaged[-1000] ^= 1
    for content, reason in [
        (whole[: len(whole) // 2], "truncated"),
        (bytes(damaged), "checksum"),
        (b"hello, this is a text file", "no safetensors file"),
        (b"", "truncated"),
    ]:
        checkpoint.write_bytes(content)
        result = binade("train", train_file, "--out", "out", "--resume")
        assert result.returncode == 1
        assert "checkpoint.safetensors" in result.stderr and reason in result.stderr, result.stderr


def test_a_diverged_run_is_a_result(binade, train_file):
    train_file.write_text(train_file.read_text().replace("3e-3", "1e9"))
    result = binade("train", train_file, "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "diverged" in result.stdout


def test_text_is_reported_in_bits_per_byte(binade, train_file, tmp_path):
    (tmp_path / "book.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 200)
    result = binade("train", train_file, "--out", "out", "--data", "book.txt")
    assert result.returncode == 0, result.stderr
    assert "bits per byte" in result.stdout


def test_a_file_that_cannot_grow_stops_the_run_and_room_goes_on(binade, program, tmp_path):
    train_file = tmp_path / "train.toml"
    train_file.write_text(TRAIN.format(steps=400, checkpoint_every=30))
    assert binade("train", train_file, "--out", "undisturbed").returncode == 0
    limited = f"ulimit -f 64; exec {program} train train.toml --out out"
    result = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1, result.stderr
    assert "binade: error: cannot write" in result.stderr or "write_atomically" in result.stderr
    assert binade("train", train_file, "--out", "out", "--resume").returncode == 0
    assert metrics(tmp_path / "out") == metrics(tmp_path / "undisturbed")


def start_on_a_text(program, tmp_path):
    """A run of many steps on tmp_path / "book.txt", after its first steps."""
    book = tmp_path / "book.txt"
    book.write_text("".join(f"line {i * i} of a book\n" for i in range(400)))
    train_file = tmp_path / "train.toml"
    text = TRAIN.format(steps=100000, checkpoint_every=10)
    train_file.write_text(text.replace("[data]", '[data]\ncorpus = "text"\ntext = "book.txt"'))
    arguments = [program, "train", str(train_file), "--out", "out"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "out" / "metrics.jsonl"
    while process.poll() is None and (not log.exists() or len(log.read_bytes().splitlines()) < 20):
        time.sleep(0.01)
    return process, book


def test_a_text_that_becomes_shorter_ends_the_run_with_an_error_that_names_it(program, tmp_path):
    process, book = start_on_a_text(program, tmp_path)
    os.truncate(book, 100)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert f"{book} cannot be used: it became shorter while it was read" in stderr


def test_a_disk_that_fails_under_a_mapped_file_ends_the_run_with_a_reason(program, tmp_path):
    process, _ = start_on_a_text(program, tmp_path)
    process.send_signal(signal.SIGBUS)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert "binade: error: a file that is mapped into memory (data or a store) could not be read" in stderr
