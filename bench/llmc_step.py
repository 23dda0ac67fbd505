"""One training step of the same GPT-2-style model: binade and llm.c's train_gpt2.c, built as its Makefile does (-Ofast -march=native).

llm.c is not in a package registry: give the folder of a checkout.  A step is forward, backward and AdamW; binade's clips the gradients too.
The two run in turn, round after round; a round has the median of its steps, of processor time with one thread, else by the clock.

    python3 bench/llmc_step.py DIR [--threads N] [--rounds N]
"""

import argparse
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile

from step_timing import options_of, print_title, ratio_text
from training_step_bench import CASES, RECIPES, Binade

VOCABULARY = 272
DRIVER = r"""
#define TESTING
#include "train_gpt2.c"

int main(int argc, char** argv) {
  const int B = atoi(argv[2]), T = atoi(argv[3]), steps = atoi(argv[4]);
  const clockid_t clock = argc > 5 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
  GPT2 model;
  gpt2_build_from_checkpoint(&model, argv[1]);
  int* const tokens = (int*)mallocCheck((B * T + 1) * sizeof(int));
  for (int i = 0; i <= B * T; ++i) tokens[i] = rand() % model.config.vocab_size;
  for (int step = 0; step < steps + 3; ++step) {
    struct timespec begin, end;
    clock_gettime(clock, &begin);
    gpt2_forward(&model, tokens, tokens + 1, B, T);
    gpt2_zero_grad(&model);
    gpt2_backward(&model);
    gpt2_update(&model, 1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, step + 1);
    clock_gettime(clock, &end);
    if (step >= 3) printf("step_ms %.6f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) * 1e-6);
  }
  return 0;
}
"""


class LlmC:
    def __init__(self, folder, source, threads, layers, width, heads, context, batch):
        folder = pathlib.Path(folder)
        self.program, self.threads = folder / "llmc_step", threads
        (folder / "driver.c").write_text(DRIVER)
        parallel = ["-fopenmp", "-DOMP"] if threads > 1 else []
        subprocess.run([os.environ.get("CC", "cc"), "-Ofast", "-march=native", "-Wno-unused-result", *parallel, f"-I{source}",
                        str(folder / "driver.c"), "-o", str(self.program), "-lm"], check=True)
        block = 2 * width + 3 * width * width + 3 * width + width * width + width + 2 * width + 8 * width * width + 5 * width
        self.parameters = VOCABULARY * width + context * width + layers * block + 2 * width
        header = [20240326, 3, context, VOCABULARY, layers, heads, width, VOCABULARY] + [0] * 248
        numbers = random.Random(0)
        weights = [numbers.gauss(0, 0.02) for _ in range(self.parameters)]
        self.model = folder / "model.bin"
        self.model.write_bytes(struct.pack("<256i", *header) + struct.pack(f"<{self.parameters}f", *weights))
        self.sizes = [str(batch), str(context)]

    def milliseconds(self, steps):
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads)}
        command = [str(self.program), str(self.model), *self.sizes, str(steps), *(["clock"] if self.threads > 1 else [])]
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        return statistics.median(float(line.split()[1]) for line in output.splitlines() if line.startswith("step_ms"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=pathlib.Path, help="folder of llm.c, with train_gpt2.c")
    options = options_of(parser)
    if not (options.source / "train_gpt2.c").is_file():
        sys.exit(f"llmc_step: {options.source} has no train_gpt2.c; give the folder of a checkout of llm.c")
    print_title("llm.c with -Ofast -march=native", options)
    print(f"{'model':<34} {'llm.c ms':>9}  {'recipe':<20} {'binade ms':>10} {'llm.c / binade':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for *case, steps in CASES:
            ours, theirs = [], []
            candidate, baseline = Binade(folder, options.threads, *case), LlmC(folder, options.source.resolve(), options.threads, *case)
            for _ in range(options.rounds):
                ours.append(candidate.milliseconds(steps))
                theirs.append(baseline.milliseconds(steps))
            layers, width, _, context, batch = case
            for recipe, times in zip(RECIPES, zip(*ours)):
                name = f"{layers} layers, d {width}, T {context}, B {batch}"
                print(f"{name:<34} {statistics.median(theirs):>9.1f}  {recipe:<20} {statistics.median(times):>10.1f} {ratio_text(theirs, times):>18}",
                      flush=True)


if __name__ == "__main__":
    main()
