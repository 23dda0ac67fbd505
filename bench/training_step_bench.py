"""One training step (forward, backward, clipping, AdamW) of the same GPT-2-style model: binade and plain PyTorch, eager and compiled, on the same threads.

They run in turn, round after round: `binade bench step` with all recipes, then as many steps of each PyTorch; a round has the median of its steps.  With one thread
the times are processor time, so that other programs count little; with more they are by the clock.  Prints the median over the rounds, and the ratios round by round.

    ./dev bench training_step                       one thread
    python3 bench/training_step_bench.py --threads 2 --rounds 5
"""

import pathlib
import statistics
import sys
import tempfile

from step_timing import begin_beside_torch, binade_milliseconds, python_milliseconds, ratio_text

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "torch"))

CASES = [
    # layers, width, heads, context, batch, steps of a round
    (2, 64, 4, 128, 16, 20),
    (4, 128, 4, 128, 8, 20),
    (6, 384, 6, 256, 4, 3),
]
RECIPES = ["f32", "e4m3fn@tensor", "mxfp4", "mxfp4_hadamard.toml"]
HADAMARD = """
[[rule]]
layers = "*"
operands = "hadamard(32)+mxfp4"
[[rule]]
layers = ["*.attention.scores", "*.attention.values", "head"]
operands = "none"
"""


class Binade:
    def __init__(self, folder, threads, layers, width, heads, context, batch):
        self.threads, self.file = threads, pathlib.Path(folder) / "bench.toml"
        (pathlib.Path(folder) / "mxfp4_hadamard.toml").write_text(HADAMARD)
        self.file.write_text(f"""name = "bench"
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
recipe = "f32"
learning_rate = 1e-3
batch = {batch}
warmup = 1
steps = 1000
""")

    def milliseconds(self, steps):
        """Of a step under each recipe."""
        return binade_milliseconds(self.file, RECIPES, self.threads, steps)


class PyTorch:
    def __init__(self, torch, threads, compiled, layers, width, heads, context, batch):
        from test_parity import GPT2

        self.torch, self.threads = torch, threads
        torch.manual_seed(0)
        self.plain = GPT2(272, context, layers, width, heads, 4 * width)
        self.model = torch.compile(self.plain) if compiled else self.plain
        self.optimizer = torch.optim.AdamW(self.plain.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
        self.tokens = torch.randint(0, 259, (batch, context + 1))
        for _ in range(3):
            self.step()

    def step(self):
        functional = self.torch.nn.functional
        logits = self.model(self.tokens[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), self.tokens[:, 1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0)
        self.optimizer.step()

    def milliseconds(self, steps):
        return python_milliseconds(self.step, self.threads, steps)


def main():
    options, torch = begin_beside_torch("training_step_bench")
    print(f"{'model':<34} {'recipe':<20} {'binade ms':>10} {'/ f32':>18} {'eager ms':>10} {'/ binade':>18} {'compiled ms':>12} {'/ binade':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for *case, steps in CASES:
            candidate = Binade(folder, options.threads, *case)
            baselines = [PyTorch(torch, options.threads, compiled, *case) for compiled in (False, True)]
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(candidate.milliseconds(steps))
                theirs.append([baseline.milliseconds(steps) for baseline in baselines])
            eager, compiled = zip(*theirs)
            layers, width, _, context, batch = case
            for recipe, times in zip(RECIPES, zip(*ours)):
                print(
                    f"{f'{layers} layers, d {width}, T {context}, B {batch}':<34} {recipe:<20} {statistics.median(times):>10.1f} "
                    f"{ratio_text(times, [r[0] for r in ours]):>18} {statistics.median(eager):>10.1f} {ratio_text(eager, times):>18} "
                    f"{statistics.median(compiled):>12.1f} {ratio_text(compiled, times):>18}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
