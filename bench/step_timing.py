"""What the benches of training steps share: how a step is timed on either side, and the line that says what was measured."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

PROGRAM = os.environ.get("BINADE_PROGRAM", str(pathlib.Path(__file__).resolve().parents[1] / "build" / "release" / "src" / "binade"))


def cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def options_of(parser):
    """With the threads and the rounds that every bench of steps takes."""
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def print_title(baseline, options):
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    clock = "processor time" if options.threads == 1 else "time by the clock"
    print(f"{version}, {baseline}, {cpu_name()}, {options.threads} thread(s), {clock}, medians of {options.rounds} rounds")


def begin_beside_torch(name):
    """Options and PyTorch, on the threads that they say."""
    options = options_of(argparse.ArgumentParser())
    try:
        import torch
    except ImportError:
        sys.exit(f"{name}: PyTorch is the baseline and is not installed: ./dev setup --torch")
    torch.set_num_threads(options.threads)
    print_title(f"PyTorch {torch.__version__}", options)
    return options, torch


def binade_milliseconds(file, recipes, threads, steps):
    """Of the median step of a training file under each recipe: of the processor with one thread, else by the clock."""
    words = [word for recipe in recipes for word in ("--recipe", recipe)]
    command = [PROGRAM, "bench", "step", str(file), *words, "--threads", str(threads), "--steps", str(steps), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    clock = "processor_ms" if threads == 1 else "ms"
    return [r[clock]["median"] for r in json.loads(done.stdout)["recipes"]]


def python_milliseconds(step, threads, steps):
    """Of the median call of step(), by the same clock."""
    clock = time.process_time if threads == 1 else time.perf_counter
    times = []
    for _ in range(steps):
        start = clock()
        step()
        times.append(1e3 * (clock() - start))
    return statistics.median(times)


def ratio_text(numerators, denominators):
    ratios = sorted(n / d for n, d in zip(numerators, denominators))
    return f"{statistics.median(ratios):>7.2f}  {ratios[0]:.2f}..{ratios[-1]:.2f}"
