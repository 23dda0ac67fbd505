"""Wrong use: one clear message, the right exit code, nothing written."""

import shutil
import subprocess

import pytest
from conftest import STUDY, TRAIN

# What is run (FILE: a good study file, TRAIN: a good training file), the exit code, what the message must hold.
COMMANDS = [
    ([], 2, "subcommand"),
    (["nonsense"], 2, "nonsense"),
    (["study"], 2, "FILE"),
    (["study", "FILE"], 2, "--out DIR is needed"),
    (["study", "missing.toml", "--out", "out"], 2, "missing.toml: there is no such file"),
    (["study", ".", "--out", "out"], 2, "is a folder"),
    (["study", "FILE", "--out", "out", "--jobs", "0"], 2, "jobs"),
    (["study", "FILE", "--out", "out", "--jobs", "many"], 2, "jobs"),
    (["study", "FILE", "--out", "out", "--wat"], 2, "--wat"),
    (["study", "TRAIN", "--out", "out"], 2, "binade train"),
    (["study", "FILE", "--out", "afile"], 2, "afile is a file"),
    (["study", "FILE", "--out", "full"], 2, "full holds other files (other.txt)"),
    (["study", "FILE", "--out", "out", "--data", "missing.txt"], 2, "missing.txt is not there"),
    (["study", "FILE", "--out", "out", "--data", "empty.txt"], 2, "empty.txt is empty"),
    (["study", "FILE", "--out", "out", "--data", "short.txt"], 2, "give a text of at least 320 bytes"),
    (["study", "FILE", "--out", "out", "--data", "binary.txt"], 2, "is binary: byte 3 is NUL"),
    (["study", "FILE", "--out", "out", "--data", "full"], 2, "full is no regular file; give a plain text file"),
    (["study", "FILE", "--out", "out", "--data", "/dev/zero"], 2, "no regular file"),
    (["study", "FILE", "--out", "damaged"], 1, "damaged/study.db: file is not a database"),
    (["report", "damaged"], 1, "damaged/study.db: file is not a database"),
    (["train"], 2, "FILE"),
    (["train", "missing.toml"], 2, "missing.toml: there is no such file"),
    (["train", "FILE", "--out", "out"], 2, "binade study"),
    (["train", "TRAIN", "--out", "out", "--threads", "0"], 2, "threads"),
    (["train", "TRAIN", "--out", "afile"], 2, "afile is a file"),
    (["train", "TRAIN", "--out", "out", "--data", "empty.txt"], 2, "empty.txt is empty"),
    (["bench"], 2, "subcommand"),
    (["bench", "step"], 2, "FILE"),
    (["bench", "step", "missing.toml"], 2, "missing.toml: there is no such file"),
    (["bench", "step", "FILE"], 2, "binade study"),
    (["bench", "step", "TRAIN", "--steps", "0"], 2, "steps"),
    (["bench", "step", "TRAIN", "--threads", "0"], 2, "threads"),
    (["bench", "step", "TRAIN", "--recipe", "e4m3fm"], 2, "e4m3fn"),
    (["report"], 2, "DIR"),
    (["report", "missing"], 2, "missing holds no study"),
    (["report", "full"], 2, "full holds no study"),
    (["formats", "e4m3fm"], 2, "e4m3fn"),
]

# What is changed in a good study file, what the message must hold.
STUDY_FILES = [
    ("steps = 40", "steps = 0", 'study.toml:11: key "train.steps": is 0'),
    ("steps = 40", "setps = 40", "setps"),
    ("batch = 2", "batch = 2\nwarmpu = 3", 'nearest is "warmup"'),
    ("batch = 2", "batch = 0", "train.batch"),
    ("width = 16", "width = 0", "model.width"),
    ("width = 16", 'width = 16\nkind = "gpt1"', 'study.toml:6: key "model.kind": model: unknown kind'),
    ("layers = 1", "layers = 0", "model.layers"),
    ("heads = 2", "heads = 5", "multiple of heads"),
    ("[1e-3, 1e-2]", "[1e-3, 0]", "learning_rates"),
    ("[1e-3, 1e-2]", "[1e-3, nan]", "finite number"),
    ("[1e-3, 1e-2]", "[-1]", "learning_rates"),
    ("seeds = [0, 1]", "seeds = []", "is empty"),
    ('"f32", ', '"f33", ', "study.toml: recipe 'f33'"),
    ('"f32", ', '"f32", "none.toml", ', "none.toml"),
    ('"f32", ', '"f32", "e4m3fm", ', "e4m3fn"),
    ("[study]", "[study", "not valid TOML"),
]


def files_in(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def setting(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY.format(steps=40, checkpoint_every=7))
    (tmp_path / "train.toml").write_text(TRAIN.format(steps=40, checkpoint_every=7))
    (tmp_path / "afile").write_text("a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.db").write_text("no database at all, but longer than a header of 100 bytes. " * 10)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "binary.txt").write_bytes(b"abc\0" * 1000)
    return tmp_path


def check(result, code, message, before, folder):
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert result.stderr.startswith("binade: error: ")
    # One message; the further lines of an error in a text form point at the place and are indented.
    assert all(line.startswith("  ") for line in result.stderr.splitlines()[1:]), result.stderr
    assert "terminate" not in result.stderr and "what():" not in result.stderr
    assert result.stdout == ""
    assert files_in(folder) == before


@pytest.mark.parametrize("arguments, code, message", COMMANDS, ids=[" ".join(row[0]) or "nothing" for row in COMMANDS])
def test_wrong_commands_are_refused(binade, setting, arguments, code, message):
    before = files_in(setting)
    names = {"FILE": "study.toml", "TRAIN": "train.toml"}
    check(binade(*(names.get(a, a) for a in arguments)), code, message, before, setting)


@pytest.mark.parametrize("old, new, message", STUDY_FILES, ids=[row[1].replace("\n", " ") for row in STUDY_FILES])
def test_wrong_study_files_are_refused(binade, setting, old, new, message):
    text = (setting / "study.toml").read_text()
    assert old in text
    (setting / "study.toml").write_text(text.replace(old, new, 1))
    before = files_in(setting)
    check(binade("study", "study.toml", "--out", "out"), 2, message, before, setting)


def test_a_folder_that_cannot_be_made_is_a_failure(binade, setting):
    result = binade("study", "study.toml", "--out", "/proc/none")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("binade: error: cannot create the folder /proc/none")


def test_version_and_help_succeed(binade):
    assert binade("--version").stdout.startswith("binade ")
    for command in ([], ["study"], ["train"], ["report"], ["formats"], ["explain"], ["quantize"], ["compare"]):
        result = binade(*command, "--help")
        assert result.returncode == 0
        assert "Examples:" in result.stdout or "Example" in result.stdout


def test_a_full_standard_output_is_a_failure(binade, program):
    with open("/dev/full", "w") as full:
        result = subprocess.run([program, "formats"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "binade: error: cannot write to standard output: No space left on device\n"


def test_a_closed_pipe_ends_quietly(program):
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} formats --json | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() in ("0", "1")  # 0: all fitted into the pipe before it closed
    assert result.stderr == ""


def test_a_closed_standard_output_never_lands_in_the_store(binade, program, setting):
    result = subprocess.run(
        ["bash", "-c", f"exec {program} study study.toml --out out >&-"], cwd=setting, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 1
    assert "standard output" in result.stderr
    assert (setting / "out" / "study.db").read_bytes().startswith(b"SQLite format 3\0")
    assert binade("report", "out").returncode == 0


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-x86_64 is not here: installing the package qemu-user ends this skip")
@pytest.mark.parametrize(
    "cpu, lacks",
    [
        ("max,-fma", "FMA"),
        ("max,-avx2", "AVX2"),
        ("max,-movbe", "MOVBE"),
        ("max,-abm", "LZCNT"),
        ("max,-f16c", "F16C"),
        ("max,-bmi1", "BMI1"),
        ("max,-popcnt", "POPCNT"),
        ("qemu64", "SSSE3, SSE4.1, SSE4.2, POPCNT, AVX, AVX2, FMA, F16C, BMI1, BMI2, LZCNT, MOVBE"),
    ],
)
def test_a_processor_without_all_of_x86_64_v3_is_refused_by_name(program, setting, cpu, lacks):
    before = files_in(setting)
    result = subprocess.run(
        ["qemu-x86_64", "-cpu", cpu, program, "train", "train.toml", "--out", "out"], cwd=setting, capture_output=True, text=True
    )
    result.stderr = "".join(line for line in result.stderr.splitlines(True) if not line.startswith("qemu-x86_64: warning"))
    check(result, 1, f"this processor lacks {lacks};", before, setting)
