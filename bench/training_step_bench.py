"""One training step (forward, backward, clipping, AdamW) of the same GPT-2-style model: binade and plain PyTorch, one thread each.

The two run in turn, round after round.  A round times `many` steps and `few` steps and takes the difference, so that start-up,
validation and the first step's allocations are in neither.  Prints one row per round's median, with the ratio pair by pair.

    ./dev bench training_step
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "torch"))
PROGRAM = os.environ.get("BINADE_PROGRAM", str(ROOT / "build" / "release" / "src" / "binade"))

ROUNDS, FEW, MANY = 9, 5, 45
CASES = [
    # layers, width, heads, context, batch
    (2, 64, 4, 128, 16),
    (4, 128, 4, 128, 8),
]
RECIPES = ["f32", "e4m3fn@tensor", "mxfp4"]


def cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


class Binade:
    def __init__(self, folder, recipe, layers, width, heads, context, batch, telemetry_every=0):
        self.folder, self.recipe = pathlib.Path(folder), recipe
        self.text = f"""name = "bench"
[model]
kind = "gpt2"
layers = {layers}
width = {width}
heads = {heads}
context = {context}
[data]
corpus = "zm"
validation_documents = 1
[train]
recipe = "{recipe}"
learning_rate = 1e-3
seed = 0
batch = {batch}
telemetry_every = {telemetry_every}
checkpoint_every = 1000000
warmup = 1
"""

    def seconds(self, steps):
        file = self.folder / "bench.toml"
        file.write_text(self.text + f"steps = {steps}\n")
        out = tempfile.mkdtemp(dir=self.folder)
        done = subprocess.run([PROGRAM, "train", str(file), "--out", out, "--threads", "1", "--json"],
                              check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["seconds"]


class PyTorch:
    def __init__(self, torch, layers, width, heads, context, batch):
        from test_parity import GPT2

        self.torch = torch
        torch.manual_seed(0)
        self.model = GPT2(272, context, layers, width, heads, 4 * width)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
        self.tokens = torch.randint(0, 259, (batch, context))
        self.seconds(FEW)

    def seconds(self, steps):
        F = self.torch.nn.functional
        start = time.perf_counter()
        for _ in range(steps):
            logits = self.model(self.tokens[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), self.tokens[:, 1:].flatten())
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        return time.perf_counter() - start


def main():
    try:
        import torch
    except ImportError:
        sys.exit("training_step_bench: PyTorch is the baseline and is not installed: ./dev setup --torch")
    torch.set_num_threads(1)
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, PyTorch {torch.__version__} eager, {cpu_name()}, 1 thread, median of {ROUNDS} rounds of {MANY - FEW} steps")
    print(f"{'model':<34} {'recipe':<14} {'binade ms':>10} {'PyTorch f32 ms':>15} {'PyTorch / binade':>17}  spread")
    with tempfile.TemporaryDirectory() as folder:
        for layers, width, heads, context, batch in CASES:
            baseline = PyTorch(torch, layers, width, heads, context, batch)
            for recipe in RECIPES:
                candidate = Binade(folder, recipe, layers, width, heads, context, batch)
                ours, theirs = [], []
                for _ in range(ROUNDS):
                    ours.append((candidate.seconds(MANY) - candidate.seconds(FEW)) / (MANY - FEW))
                    theirs.append((baseline.seconds(MANY) - baseline.seconds(FEW)) / (MANY - FEW))
                ratios = sorted(t / o for t, o in zip(theirs, ours))
                model = f"{layers} layers, d {width}, T {context}, B {batch}"
                print(f"{model:<34} {recipe:<14} {1e3 * statistics.median(ours):>10.1f} {1e3 * statistics.median(theirs):>15.1f} "
                      f"{statistics.median(ratios):>16.2f}x  {ratios[0]:.2f}..{ratios[-1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
