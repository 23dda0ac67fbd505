"""AdamW and SGD are those of PyTorch: the same weights after each of 20 steps from the same gradients, in float64.

Matrices decay and vectors do not, as dump_optimizers.cpp has it.
"""

import subprocess

import pytest

torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed: ./dev setup --torch, or pip install torch")
from test_parity import BUILD, read_safetensors  # noqa: E402

OPTIMIZERS = {
    "AdamW": (torch.optim.AdamW, {"betas": (0.8, 0.9), "eps": 1e-6}, 0.3),
    "SGD": (torch.optim.SGD, {}, 0.3),
    "SGD_momentum": (torch.optim.SGD, {"momentum": 0.7}, 0.3),
    "SGD_nesterov": (torch.optim.SGD, {"momentum": 0.7, "nesterov": True}, 0.0),
}


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    program = BUILD / "tests" / "torch" / "dump_optimizers"
    if not program.exists():
        pytest.fail(f"{program} is not there: build the project (./dev test), or set BINADE_BUILD_DIR to its build folder")
    path = tmp_path_factory.mktemp("optimizers") / "dump.safetensors"
    subprocess.run([program, path], check=True)
    return read_safetensors(path)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_after_every_step_agree(dumped, name):
    settings, tensors = dumped
    kind, options, weight_decay = OPTIMIZERS[name]
    parameters = {p: torch.nn.Parameter(tensors[f"{name}/{p}"].clone()) for p in ("matrix", "vector")}
    groups = [
        {"params": [parameters["matrix"]], "weight_decay": weight_decay},
        {"params": [parameters["vector"]], "weight_decay": 0.0},
    ]
    optimizer = kind(groups, lr=0.1, **options)
    for step in range(int(settings["steps"])):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
        for p, parameter in parameters.items():
            parameter.grad = tensors[f"{name}/{p}/{step}/gradient"].clone()
        optimizer.step()
        for p, parameter in parameters.items():
            difference = (parameter.detach() - tensors[f"{name}/{p}/{step}/after"]).abs().max().item()
            assert difference <= 1e-14, f"{p}, step {step}"
