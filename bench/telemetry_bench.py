"""What watching a run costs: steps with telemetry in every tenth step (the default) and in every step, against steps without.

The three run in turn, round after round, as in training_step_bench.py; times are of the processor, of one thread, files written included.

    ./dev bench telemetry
"""

import resource
import statistics
import subprocess
import tempfile

from training_step_bench import CASES, FEW, MANY, PROGRAM, RECIPES, Binade, cpu_name

ROUNDS = 7
EVERY = (0, 10, 1)


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Timed(Binade):
    def seconds(self, steps):
        before = processor_seconds()
        super().seconds(steps)
        return processor_seconds() - before

    def step(self):
        return (self.seconds(MANY) - self.seconds(FEW)) / (MANY - FEW)


def main():
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, {cpu_name()}, 1 thread, median of {ROUNDS} rounds of {MANY - FEW} steps")
    print(f"{'model':<34} {'recipe':<14} {'without ms':>11} {'every 10th step':>16} {'every step':>11}  spread of each")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            layers, width, _, context, batch = case
            for recipe in RECIPES:
                runs = [Timed(folder, recipe, *case, telemetry_every=every) for every in EVERY]
                rounds = [[run.step() for run in runs] for _ in range(ROUNDS)]
                model = f"{layers} layers, d {width}, T {context}, B {batch}"
                shares = [sorted(100 * (times[i] / times[0] - 1) for times in rounds) for i in (1, 2)]
                texts = [f"{statistics.median(s):+.1f} %" for s in shares]
                spread = ", ".join(f"{s[0]:+.1f}..{s[-1]:+.1f} %" for s in shares)
                print(f"{model:<34} {recipe:<14} {1e3 * statistics.median(times[0] for times in rounds):>11.1f} "
                      f"{texts[0]:>16} {texts[1]:>11}  {spread}", flush=True)


if __name__ == "__main__":
    main()
