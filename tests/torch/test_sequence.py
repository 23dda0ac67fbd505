"""Attention, mixtures of experts and vision transformers are what a PyTorch user would write.

dump_sequence.cpp runs them in double on random numbers; here PyTorch takes the same inputs, through its own attention and through
the dense formula of a mixture (every expert sees every token), and result and gradients must agree up to rounding.
"""

import math
import pathlib
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed: ./dev setup --torch, or pip install torch")
from torch.nn import functional as F  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_parity import BUILD, read_safetensors  # noqa: E402

CASES = [f"attention/{name}" for name in ("multi_head", "grouped", "full", "alibi", "full_grouped_alibi")]
CASES += ["vit/class_token", "vit/mean"]
CASES += [f"{part}/{gate}" for part in ("mixture", "balance") for gate in ("softmax", "sigmoid")]


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    program = BUILD / "tests" / "torch" / "dump_sequence"
    if not program.exists():
        pytest.fail(f"{program} is not there: build the project (./dev test), or set BINADE_BUILD_DIR to its build folder")
    path = tmp_path_factory.mktemp("sequence") / "sequence.safetensors"
    subprocess.run([program, path], check=True)
    return read_safetensors(path)


def slopes(heads):
    """get_slopes of the reference code of Press et al. (ofirpress/attention_with_linear_biases)."""
    if math.log2(heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [start * start**i for i in range(heads)]
    closest = 2 ** math.floor(math.log2(heads))
    return slopes(closest) + slopes(2 * closest)[0::2][: heads - closest]


def attention(note, inputs):
    query, key, value = inputs["query"], inputs["key"], inputs["value"]
    heads, length = query.shape[1], query.shape[2]
    key, value = (t.repeat_interleave(heads // t.shape[1], dim=1) for t in (key, value))
    distance = (torch.arange(length)[:, None] - torch.arange(length)[None, :]).double()
    bias = torch.zeros(heads, length, length, dtype=torch.float64)
    if "alibi" in note:
        bias = bias - torch.tensor(slopes(heads), dtype=torch.float64)[:, None, None] * distance.abs()
    if "causal" in note:
        bias = bias.masked_fill(distance < 0, -math.inf)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def scores_and_choice(note, inputs, top_k=2):
    logits = inputs["x"] @ inputs["router"].T
    scores = logits.softmax(-1) if note == "softmax" else logits.sigmoid()
    chosen = torch.zeros_like(scores).scatter(-1, scores.topk(top_k, dim=-1).indices, 1.0)
    return scores, chosen


def mixture(note, inputs):
    scores, chosen = scores_and_choice(note, inputs)
    kept = scores * chosen
    weights = kept / kept.sum(-1, keepdim=True)
    result = 0
    for expert in range(scores.shape[1]):
        gate, up, down = (inputs[f"{part}.{expert}"] for part in ("gate", "up", "down"))
        spoken = (F.silu(inputs["x"] @ gate.T) * (inputs["x"] @ up.T)) @ down.T
        result = result + weights[:, expert : expert + 1] * spoken
    return result


def balance(note, inputs, top_k=2):
    scores, chosen = scores_and_choice(note, inputs)
    experts = scores.shape[1]
    load = chosen.mean(0) * experts / top_k
    return (load * (scores / scores.sum(-1, keepdim=True)).mean(0)).sum().reshape(1)


def vit(note, inputs, patch=3, heads=3):
    def linear(name, x):
        return F.linear(x, inputs[f"{name}.weight"], inputs[f"{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, x.shape[-1:], inputs[f"{name}.weight"], inputs[f"{name}.bias"])

    filters = inputs["patches.weight"].unflatten(1, (inputs["images"].shape[1], patch, patch))
    x = F.conv2d(inputs["images"], filters, inputs["patches.bias"], stride=patch).flatten(2).transpose(1, 2)
    if note == "class_token":
        x = torch.cat((inputs["class_token"].expand(x.shape[0], 1, -1), x), dim=1)
    x = x + inputs["position_embedding.weight"]
    for block in ("blocks.0", "blocks.1"):
        joint = linear(f"{block}.attention.query_key_value", norm(f"{block}.attention_norm", x))
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in joint.chunk(3, dim=-1))
        x = x + linear(f"{block}.attention.output", F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        y = F.gelu(linear(f"{block}.mlp.up", norm(f"{block}.mlp_norm", x)), approximate="tanh")
        x = x + linear(f"{block}.mlp.down", y)
    x = norm("final_norm", x)
    return linear("head", x[:, 0] if note == "class_token" else x.mean(1))


@pytest.mark.parametrize("case", CASES)
def test_result_and_gradients_agree(dumped, case):
    """Largest difference over the largest element of each array.  Measured: at most 9.6e-16, and
    3.0e-15 for the balance, whose gradient is small differences of means."""
    notes, tensors = dumped
    prefix = f"{case}/input/"
    inputs = {name.removeprefix(prefix): t.clone().requires_grad_() for name, t in tensors.items() if name.startswith(prefix)}
    formula = {"attention": attention, "mixture": mixture, "balance": balance, "vit": vit}[case.split("/")[0]]
    result = formula(notes[case], inputs)
    (result * tensors[f"{case}/weights"]).sum().backward()
    pairs = {"result": (tensors[f"{case}/result"], result.detach())}
    pairs |= {name: (tensors[f"{case}/gradient/{name}"], t.grad) for name, t in inputs.items() if name != "images"}
    for name, (given, expected) in pairs.items():
        difference = ((given - expected).abs().max() / expected.abs().max()).item()
        print(f"{case} {name}: {difference:.1e}")
        assert difference < 2e-14, name
