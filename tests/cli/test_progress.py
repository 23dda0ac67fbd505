"""Live progress on a terminal, occasional lines elsewhere, and what Ctrl-C does twice."""

import os
import pty
import signal
import subprocess
import time

from conftest import STUDY, TRAIN


def run_on_terminal(arguments, cwd):
    """Standard error is a terminal; returns what it showed."""
    parent, child = pty.openpty()
    process = subprocess.Popen(arguments, cwd=cwd, stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return shown.decode()


def test_a_terminal_shows_step_loss_speed_and_time_left_of_a_run(program, tmp_path):
    # The line is renewed ten times a second at most, and a step takes a millisecond or two.
    (tmp_path / "train.toml").write_text(TRAIN.format(steps=2000, checkpoint_every=1000))
    shown = run_on_terminal([program, "train", "train.toml", "--out", "out"], tmp_path)
    lines = [line for line in shown.split("\r") if "/2000" in line]
    assert len(lines) >= 2
    assert all(word in lines[-1] for word in ("step", "loss", "tokens/s", "left"))
    assert shown.endswith("\r\x1b[K")  # the line is gone when the summary comes


def test_a_terminal_shows_trials_loss_speed_and_time_left_of_a_study(program, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY.format(steps=100, checkpoint_every=50))
    shown = run_on_terminal([program, "study", "study.toml", "--out", "out"], tmp_path)
    lines = [line for line in shown.split("\r") if "/12 trials" in line and "tokens/s" in line]
    assert lines
    assert all("left" in line for line in lines)


def test_elsewhere_there_are_no_control_characters(binade, train_file):
    stderr = binade("train", train_file, "--out", "out").stderr
    assert "\r" not in stderr and "\x1b" not in stderr


def test_a_second_ctrl_c_ends_at_once(program, tmp_path):
    # One step of this model takes long: the first Ctrl-C waits for it.
    slow = TRAIN.format(steps=1000, checkpoint_every=1000).replace("width = 16", "width = 512").replace("batch = 2", "batch = 256")
    (tmp_path / "train.toml").write_text(slow)
    process = subprocess.Popen(
        [program, "train", "train.toml", "--out", "out"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "out" / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert "stopping after the current step" in "".join(process.stderr.readline() for _ in range(3))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
