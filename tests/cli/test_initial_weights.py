"""binade train from = "FILE": the first values of a model from a safetensors file."""

import hashlib
import json
import struct

import pytest
from conftest import TRAIN


def read_safetensors(path):
    """{name: (type, shape, bytes)}"""
    whole = path.read_bytes()
    start = 8 + struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8:start])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], whole[start + t["data_offsets"][0] : start + t["data_offsets"][1]]) for name, t in header.items()}


def write_safetensors(path, tensors):
    """As another program would: no checksum, no metadata."""
    header, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def without_times(summary):
    return {key: value for key, value in summary.items() if key not in ("seconds", "peak_tensor_bytes")}


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture
def weights(binade, tmp_path):
    """Of a run of 8 steps, at their place beside the training files."""
    (tmp_path / "first.toml").write_text(TRAIN.format(steps=8, checkpoint_every=100))
    result = binade("train", "first.toml", "--out", "first", "--export", "weights.safetensors")
    assert result.returncode == 0, result.stderr
    return tmp_path / "weights.safetensors"


def write_next(tmp_path, steps=6, name="weights.safetensors"):
    file = tmp_path / "next.toml"
    file.write_text(TRAIN.format(steps=steps, checkpoint_every=2) + f'from = "{name}"\n')
    return file


def test_training_starts_where_the_weights_are(binade, tmp_path, weights):
    write_next(tmp_path)
    result = binade("train", "next.toml", "--out", "next", "--export", "out.safetensors")
    assert result.returncode == 0, result.stderr
    after = summary(tmp_path / "next")
    assert after["from"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert after["initial_loss"] < summary(tmp_path / "first")["initial_loss"] - 0.1
    # A learning rate that moves no float32 leaves the file's values.
    still = tmp_path / "still.toml"
    still.write_text((tmp_path / "next.toml").read_text().replace("3e-3", "1e-30"))
    assert binade("train", "still.toml", "--out", "still", "--export", "same.safetensors").returncode == 0
    assert read_safetensors(tmp_path / "same.safetensors") == read_safetensors(weights)


def test_a_file_of_another_program_and_of_a_narrow_type_is_read_as_it_is(binade, tmp_path, weights):
    tensors = read_safetensors(weights)
    name = next(iter(tensors))
    _, shape, content = tensors[name]
    tensors[name] = ("BF16", shape, b"".join(content[i + 2 : i + 4] for i in range(0, len(content), 4)))
    write_safetensors(tmp_path / "foreign.safetensors", tensors)
    file = write_next(tmp_path, name="foreign.safetensors")
    file.write_text(file.read_text().replace("3e-3", "1e-30"))
    assert binade("train", "next.toml", "--out", "next", "--export", "same.safetensors").returncode == 0
    got = read_safetensors(tmp_path / "same.safetensors")[name][2]
    assert got == b"".join(b"\0\0" + tensors[name][2][i : i + 2] for i in range(0, len(tensors[name][2]), 2))


def test_a_resumed_run_is_the_same_run_and_other_weights_are_another(binade, tmp_path, weights):
    write_next(tmp_path)
    assert binade("train", "next.toml", "--out", "next").returncode == 0
    before = summary(tmp_path / "next")
    assert binade("train", "next.toml", "--out", "next", "--resume").returncode == 0
    assert without_times(summary(tmp_path / "next")) == without_times(before)
    tensors = read_safetensors(weights)
    name = next(iter(tensors))
    kind, shape, content = tensors[name]
    tensors[name] = (kind, shape, b"\0\0\0\0" + content[4:])
    write_safetensors(weights, tensors)
    result = binade("train", "next.toml", "--out", "next", "--resume")
    assert result.returncode == 1 and "another run" in result.stderr, result.stderr
    weights.unlink()
    result = binade("train", "next.toml", "--out", "next", "--resume")
    assert result.returncode == 2 and "weights.safetensors" in result.stderr, result.stderr


def without(name):
    return lambda tensors: tensors.pop(name)


def with_shape(name, shape):
    return lambda tensors: tensors.update({name: (tensors[name][0], shape, tensors[name][2])})


WRONG = [
    (without("final_norm.weight"), "it lacks final_norm.weight"),
    (lambda tensors: tensors.clear(), "blocks.0.attention.query_key_value.weight and 11 more"),
    (with_shape("blocks.0.mlp.up.weight", [16, 64]), "it has blocks.0.mlp.up.weight with shape (16, 64), which must be (64, 16)"),
    (lambda tensors: tensors.update({"extra.weight": ("F32", [1], b"\0" * 4)}), "the model (kind gpt2) has no extra.weight"),
    (lambda tensors: tensors.update({"final_norm.bias": ("I32", [16], b"\0" * 64)}), "final_norm.bias is I32"),
]


@pytest.mark.parametrize("change, message", WRONG, ids=[message for _, message in WRONG])
def test_names_and_shapes_must_match(binade, tmp_path, weights, change, message):
    tensors = read_safetensors(weights)
    change(tensors)
    write_safetensors(tmp_path / "wrong.safetensors", tensors)
    write_next(tmp_path, name="wrong.safetensors")
    result = binade("train", "next.toml", "--out", "next")
    assert result.returncode == 2, result.stderr
    assert "wrong.safetensors cannot be what training starts from: " in result.stderr and message in result.stderr, result.stderr
    assert not (tmp_path / "next").exists()


def test_the_weights_to_start_from_are_not_overwritten(binade, tmp_path, weights):
    before = weights.read_bytes()
    write_next(tmp_path)
    (tmp_path / "link.safetensors").symlink_to(weights)
    for name in ("weights.safetensors", "first/../weights.safetensors", "link.safetensors"):
        result = binade("train", "next.toml", "--out", "next", "--export", name)
        assert result.returncode == 2 and f"{name} is what training starts from; --export needs another file" in result.stderr, result.stderr
    assert weights.read_bytes() == before and not (tmp_path / "next").exists()


def test_files_that_hold_no_weights_are_refused_by_name(binade, tmp_path, weights):
    (tmp_path / "text.safetensors").write_text("hello, this is a text file, longer than eight bytes")
    (tmp_path / "short.safetensors").write_bytes(weights.read_bytes()[:-100])
    (tmp_path / "checkpoint.safetensors").write_bytes((tmp_path / "first" / "checkpoint.safetensors").read_bytes())
    for name, message in [
        ("text.safetensors", "no safetensors file"),
        ("short.safetensors", "short.safetensors"),
        ("none.safetensors", "none.safetensors"),
        ("checkpoint.safetensors", "it is a checkpoint: binade train --export writes the weights alone"),
    ]:
        write_next(tmp_path, name=name)
        result = binade("train", "next.toml", "--out", "next")
        assert result.returncode == 2 and message in result.stderr, result.stderr
