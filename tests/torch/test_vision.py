"""Operations of image networks are PyTorch's, one by one: values and gradients in float64, as dump_vision.cpp wrote them.

The same real numbers come from sums in another order, so that the limit is some units in the last place of float64.
"""

import os
import pathlib
import subprocess

import pytest

torch = pytest.importorskip("torch", reason="PyTorch (torch) is not installed: ./dev setup --torch, or pip install torch")
from torch.nn import functional as F  # noqa: E402

from test_parity import read_safetensors  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BINADE_BUILD_DIR", ROOT / "build" / "release"))


@pytest.fixture(scope="module")
def dumped(tmp_path_factory):
    program = BUILD / "tests" / "torch" / "dump_vision"
    if not program.exists():
        pytest.fail(f"{program} is not there: build the project (./dev test), or set BINADE_BUILD_DIR to its build folder")
    path = tmp_path_factory.mktemp("vision") / "vision.safetensors"
    subprocess.run([program, path], check=True)
    return read_safetensors(path)


class Case:
    def __init__(self, dumped, name):
        metadata, tensors = dumped
        self.numbers = [float(text) for text in metadata[name].split()]
        self.sizes = [int(number) for number in self.numbers]
        self.arrays = {key.removeprefix(name + "/"): value for key, value in tensors.items() if key.startswith(name + "/")}
        gradients = [key.removeprefix("gradient/") for key in self.arrays if key.startswith("gradient/")]
        self.inputs = {key: self.arrays[key].requires_grad_() for key in gradients}

    def agrees(self, name, given):
        expected = self.arrays[name]
        assert expected.shape == given.shape
        difference = (expected - given).abs().max() / given.abs().max()
        assert difference <= 1e-13, f"{name}: {difference:.3g}"

    def compare(self, y):
        self.agrees("y", y)
        self.compare_loss(F.mse_loss(y, self.arrays["target"]))

    def compare_loss(self, loss):
        self.agrees("loss", loss.reshape(1))
        loss.backward()
        for name, x in self.inputs.items():
            self.agrees("gradient/" + name, x.grad)


@pytest.mark.parametrize("index", range(4))
def test_conv2d_is_that_of_pytorch(dumped, index):
    case = Case(dumped, f"conv2d.{index}")
    stride, padding, groups = case.sizes
    case.compare(F.conv2d(**{"input" if k == "x" else k: v for k, v in case.inputs.items()},
                          stride=stride, padding=padding, groups=groups))


@pytest.mark.parametrize("index", range(2))
def test_batch_norm_is_that_of_pytorch(dumped, index):
    case = Case(dumped, f"batch_norm.{index}")
    momentum, epsilon = case.numbers
    x, weight, bias = (case.inputs[name] for name in ("x", "weight", "bias"))
    mean, variance = torch.zeros_like(weight.detach()), torch.ones_like(weight.detach())
    y = F.batch_norm(x, mean, variance, weight, bias, training=True, momentum=momentum, eps=epsilon)
    case.agrees("running_mean", mean)
    case.agrees("running_variance", variance)
    case.agrees("evaluation", F.batch_norm(x, mean, variance, weight, bias, eps=epsilon))
    case.compare(y)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pooling_is_that_of_pytorch(dumped, name, index):
    case = Case(dumped, f"{name}.{index}")
    kernel, stride, padding = case.sizes
    case.compare(getattr(F, name)(case.inputs["x"], kernel, stride, padding))


def test_gelu_erf_is_that_of_pytorch(dumped):
    case = Case(dumped, "gelu_erf.0")
    case.compare(F.gelu(case.inputs["x"]))


def test_cross_entropy_with_smoothing_is_that_of_pytorch(dumped):
    case = Case(dumped, "cross_entropy.0")
    smoothing, z_loss = case.numbers
    logits, targets = case.inputs["x"], case.arrays["targets"].long()
    plain = F.cross_entropy(logits, targets, ignore_index=-1, label_smoothing=smoothing)
    case.compare_loss(plain + z_loss * logits.logsumexp(1)[targets >= 0].square().mean())
