"""binade train with every kind of model and the data that it reads."""

import json

import pytest
from conftest import ROOT, kill_once

TOKENS = 'corpus = "zm"\nvalidation_documents = 4'
IMAGES = 'corpus = "prototypes"\nclasses = 4\nsize = 8\nshift = 0\nnoise = 0.25\nvalidation_images = 32'
VECTORS = 'corpus = "gaussian"\nwidth = 32\nvalidation_samples = 32'
DECODER = "layers = 2\nwidth = 32\nheads = 4\ncontext = 32"
# name: [model], [data], what a loss is counted in
MODELS = {
    "gpt2": (DECODER, TOKENS, "nat per token"),
    "llama": (DECODER + "\nkv_heads = 2\nqk_norm = true\nz_loss = 1e-4", TOKENS, "nat per token"),
    "moe": (DECODER + "\nexperts = 4\nshared_experts = 1", TOKENS, "nat per token"),
    "vit": ("layers = 2\nwidth = 32\nheads = 4\npatch = 4\ndropout = 0.1", IMAGES, "nat per image"),
    "mlp": ("width = 32\nlabel_smoothing = 0.1", IMAGES, "nat per image"),
    "resnet": ("widths = [8, 16]\nblocks = 1", IMAGES, "nat per image"),
    "mobilenet": ("widths = [8, 16]\nblocks = 1", IMAGES, "nat per image"),
    "student_teacher": ("layers = 2", VECTORS, "mean squared error"),
}


def write(folder, kind, steps=40, recipe="mxfp8_e4m3"):
    model, data, _ = MODELS[kind]
    path = folder / f"{kind}.toml"
    path.write_text(
        f'[model]\nkind = "{kind}"\n{model}\n[data]\n{data}\n[train]\nrecipe = "{recipe}"\nlearning_rate = 3e-3\n'
        f"steps = {steps}\nbatch = 8\ncheckpoint_every = 5\n"
    )
    return path


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_of_model_learns_under_a_recipe_with_the_same_bits_for_any_threads(binade, tmp_path, kind):
    file = write(tmp_path, kind)
    summaries = []
    for threads in (1, 3):
        result = binade("train", file, "--out", f"out{threads}", "--threads", threads)
        assert result.returncode == 0, result.stderr
        assert f" {MODELS[kind][2]}" in result.stdout
        assert "FLOP in the products of a step" in result.stderr
        summaries.append(json.loads((tmp_path / f"out{threads}" / "summary.json").read_text()))
    assert summaries[0]["weights_digest"] == summaries[1]["weights_digest"]
    assert summaries[0]["flops_per_step"] > 0 and summaries[0]["parameters"] > 0
    assert summaries[0]["final_train_loss"] < summaries[0]["initial_loss"]
    assert summaries[0]["validation_loss"] > 0


def test_parameters_and_operations_of_an_mlp_are_those_of_its_layers(binade, tmp_path):
    result = binade("train", write(tmp_path, "mlp", steps=1), "--out", "out", "--json")
    summary = json.loads(result.stdout)
    matrices = 64 * 32 + 32 * 32 + 32 * 4  # two hidden layers over 8 x 8 pixels, and the head
    assert summary["parameters"] == matrices + 32 + 32 + 4
    assert summary["flops_per_step"] == 6 * matrices * 8


@pytest.mark.parametrize("kind", ["resnet", "vit", "student_teacher"])
def test_running_statistics_noise_and_teachers_survive_a_kill(binade, program, tmp_path, kind):
    file = write(tmp_path, kind, steps=400, recipe="e4m3fn/sr@tensor")
    assert binade("train", file, "--out", "undisturbed").returncode == 0
    kill_once(program, file, tmp_path)
    assert binade("train", file, "--out", "killed", "--resume").returncode == 0
    end = [json.loads((tmp_path / folder / "summary.json").read_text()) for folder in ("undisturbed", "killed")]
    assert end[0]["weights_digest"] == end[1]["weights_digest"]
    assert end[0]["validation_loss"] == end[1]["validation_loss"]


@pytest.mark.parametrize("kind, data", [("gpt2", IMAGES), ("resnet", TOKENS), ("student_teacher", IMAGES), ("vit", VECTORS)])
def test_data_of_another_kind_are_refused_by_name(binade, tmp_path, kind, data):
    file = write(tmp_path, kind)
    file.write_text(file.read_text().replace(MODELS[kind][1], data))
    result = binade("train", file, "--out", "out")
    assert result.returncode == 2
    assert kind in result.stderr or "this model reads none" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["moe", "vit", "resnet", "student_teacher"])
def test_every_shipped_recipe_trains_it(binade, tmp_path, kind):
    """All but Hadamard transforms whose blocks do not divide a summed axis: windows of 9 pixels, 5 tokens of 8 images, 8 vectors."""
    recipes = sorted(path.stem for path in (ROOT / "experiments" / "recipes").glob("*.toml"))
    assert len(recipes) >= 24
    for recipe in recipes:
        file = write(tmp_path, kind, steps=2, recipe=recipe)
        result = binade("train", file, "--out", recipe)
        if kind != "moe" and result.returncode != 0:
            assert recipe in ("mxfp4_hadamard", "nvfp4_pretraining"), (recipe, result.stderr)
            assert "no whole number of blocks of" in result.stderr
        else:
            assert result.returncode == 0, (recipe, result.stderr)


def test_an_unknown_kind_names_those_that_there_are(binade, tmp_path):
    file = write(tmp_path, "resnet")
    file.write_text(file.read_text().replace('"resnet"', '"resnets"'))
    result = binade("train", file, "--out", "out")
    assert result.returncode == 2
    assert 'model.kind": model: unknown kind' in result.stderr and "the nearest is resnet" in result.stderr
