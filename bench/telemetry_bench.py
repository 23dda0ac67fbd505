"""What watching a run costs: steps with telemetry in every tenth step (the default) and in every step, against steps without.

The three run in turn, round after round, as in training_step_bench.py; times are of the processor, of one thread, files written included.

    ./dev bench telemetry
"""

import pathlib
import resource
import statistics
import subprocess
import tempfile

from step_timing import PROGRAM, cpu_name

ROUNDS, FEW, MANY = 7, 5, 45
CASES = [
    # layers, width, heads, context, batch
    (2, 64, 4, 128, 16),
    (4, 128, 4, 128, 8),
]
RECIPES = ["f32", "e4m3fn@tensor", "mxfp4", "nvfp4"]
EVERY = (0, 10, 1)


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Training:
    def __init__(self, folder, recipe, layers, width, heads, context, batch, telemetry_every):
        self.folder = pathlib.Path(folder)
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
batch = {batch}
telemetry_every = {telemetry_every}
checkpoint_every = 1000000
warmup = 1
"""

    def seconds(self, steps):
        file = self.folder / "bench.toml"
        file.write_text(self.text + f"steps = {steps}\n")
        out = tempfile.mkdtemp(dir=self.folder)
        before = processor_seconds()
        subprocess.run([PROGRAM, "train", str(file), "--out", out, "--threads", "1", "--json"], check=True, capture_output=True)
        return processor_seconds() - before

    def step(self):
        """Start-up, validation and the first step's allocations are in neither of the two times, and so not in the difference."""
        return (self.seconds(MANY) - self.seconds(FEW)) / (MANY - FEW)


def main():
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, {cpu_name()}, 1 thread, median of {ROUNDS} rounds of {MANY - FEW} steps")
    print(f"{'model':<34} {'recipe':<14} {'without ms':>11} {'every 10th step':>16} {'every step':>11}  spread of each")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            layers, width, _, context, batch = case
            for recipe in RECIPES:
                runs = [Training(folder, recipe, *case, telemetry_every=every) for every in EVERY]
                rounds = [[run.step() for run in runs] for _ in range(ROUNDS)]
                model = f"{layers} layers, d {width}, T {context}, B {batch}"
                shares = [sorted(100 * (times[i] / times[0] - 1) for times in rounds) for i in (1, 2)]
                texts = [f"{statistics.median(s):+.1f} %" for s in shares]
                spread = ", ".join(f"{s[0]:+.1f}..{s[-1]:+.1f} %" for s in shares)
                print(f"{model:<34} {recipe:<14} {1e3 * statistics.median(times[0] for times in rounds):>11.1f} "
                      f"{texts[0]:>16} {texts[1]:>11}  {spread}", flush=True)


if __name__ == "__main__":
    main()
