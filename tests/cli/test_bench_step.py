"""binade bench: timings of training steps."""

import json
import math

KINDS = [
    "forward_products",
    "input_gradient_products",
    "weight_gradient_products",
    "attention_products",
    "quantization",
    "attention",
    "norms",
    "activations",
    "loss",
    "optimizer",
    "data",
    "rest",
]


def test_json_has_times_and_shares_that_add_up(binade, train_file, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = binade("bench", "step", train_file, "--recipe", "f32", "--recipe", "mxfp4", "--steps", 5, "--threads", 2, "--json")
    assert result.returncode == 0, result.stderr
    assert sorted(tmp_path.rglob("*")) == before
    document = json.loads(result.stdout)
    assert document["threads"] == 2 and document["steps"] == 5 and document["unit"] == "token"
    assert document["units_per_step"] == 2 * 32
    assert [r["recipe"] for r in document["recipes"]] == ["f32", "mxfp4"]
    for r in document["recipes"]:
        for times in (r["ms"], r["processor_ms"], r["time_ratio"]):
            assert 0 < times["p10"] <= times["median"] <= times["p90"]
        assert math.isclose(r["units_per_second"], 64e3 / r["ms"]["median"])
        assert math.isclose(r["flops_per_second"], 1e3 * document["flops_per_step"] / r["ms"]["median"])
        assert list(r["shares"]) == KINDS
        assert math.isclose(sum(r["shares"].values()), 1)
        assert r["fresh_buffers_per_step"] == 0
    plain, quantized = (r["shares"] for r in document["recipes"])
    assert plain["quantization"] == 0 and all(plain[kind] > 0 for kind in KINDS if kind != "quantization")
    assert quantized["quantization"] > 0
    assert document["recipes"][0]["time_ratio"] == {"median": 1, "p10": 1, "p90": 1}


def test_without_recipes_the_one_of_the_file_is_timed(binade, train_file):
    result = binade("bench", "step", train_file, "--steps", 1)
    assert result.returncode == 0, result.stderr
    assert "e4m3fn/sr@tensor" in result.stdout and "weight gradient products" in result.stdout
