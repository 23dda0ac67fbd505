"""Memory of a training step in float32, binade beside PyTorch at the same batch.

Each number is the growth of a process's largest resident set over what it is for a tiny model of the same kind: program and libraries are
not in it; weights, gradients, states, activations, and what either allocator keeps for the next step, are.

    ./dev bench step_memory
"""

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import cnn_step_bench
import training_step_bench
from step_timing import PROGRAM, cpu_name

STEPS = 5
CASES = [  # as of training_step_bench and cnn_step_bench, without the steps of a round
    *(("gpt2", case[:-1]) for case in training_step_bench.CASES),
    ("gpt2", (4, 192, 4, 256, 8)),
    *(("resnet", case[:-1]) for case in cnn_step_bench.CASES),
]
TINY = {"gpt2": (1, 32, 2, 32, 1), "resnet": ((4, 4, 4), 1, 8, 1)}
BENCHES = {"gpt2": training_step_bench, "resnet": cnn_step_bench}


def name_of(kind, case):
    if kind == "gpt2":
        layers, width, _, context, batch = case
        return f"GPT, {layers} layers, d {width}, T {context}, B {batch}"
    widths, blocks, size, batch = case
    return f"ResNet, widths {'/'.join(map(str, widths))}, blocks {blocks}, {size} x {size}, B {batch}"


def in_a_process(task, *arguments):
    """The last word that a task prints."""
    done = subprocess.run([sys.executable, __file__, "--task", json.dumps([task, *arguments])], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"step_memory_bench: {task} ended with {done.returncode}")
    return done.stdout.split()[-1]


def status_bytes(process, field):
    """Of /proc/PROCESS/status; 0 once the process has ended."""
    found = re.search(rf"{field}:\s+(\d+) kB", pathlib.Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def print_file(kind, case, folder):
    print(BENCHES[kind].Binade(folder, 1, *case).file)


def binade_bytes(kind, case, steps):
    """The largest resident set, as it stood a moment before the process ended (its rusage would count what it was forked from)."""
    with tempfile.TemporaryDirectory() as folder:
        file = in_a_process("print_file", kind, case, folder)
        command = [PROGRAM, "bench", "step", file, "--threads", "1", "--steps", str(steps), "--json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        largest = 0
        while process.poll() is None:
            largest = max(largest, status_bytes(process.pid, "VmHWM"))
            time.sleep(0.001)
        if process.returncode != 0:
            sys.exit(f"step_memory_bench: {PROGRAM} ended with {process.returncode}")
    return largest


def print_torch_bytes(kind, case):
    import torch

    torch.set_num_threads(1)
    make = functools.partial(BENCHES[kind].PyTorch, torch, 1, False)  # eager; not channels_last
    make(*TINY[kind]).step()
    before = status_bytes("self", "VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the largest resident set
    model = make(*case)
    for _ in range(STEPS):
        model.step()
    print(status_bytes("self", "VmHWM") - before)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="one small case of each kind")
    options = parser.parse_args()
    if options.task:
        task, *arguments = json.loads(options.task)
        return {"print_file": print_file, "print_torch_bytes": print_torch_bytes}[task](*arguments)
    if importlib.util.find_spec("torch") is None:
        sys.exit("step_memory_bench: PyTorch is the baseline and is not installed: ./dev setup --torch")
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, PyTorch {importlib.metadata.version('torch')}, {cpu_name()}, 1 thread, {STEPS} steps; MiB")
    print()
    print("| model | binade | PyTorch | binade / PyTorch |")
    print("| --- | ---: | ---: | ---: |")
    empty = {kind: binade_bytes(kind, TINY[kind], 2000) for kind in TINY}
    cases = [("gpt2", (2, 64, 2, 64, 4)), ("resnet", ((8, 16, 32), 1, 16, 16))] if options.smoke else CASES
    for kind, case in cases:
        ours, theirs = binade_bytes(kind, case, STEPS) - empty[kind], int(in_a_process("print_torch_bytes", kind, case))
        print(f"| {name_of(kind, case)} | {ours / 2**20:.1f} | {theirs / 2**20:.1f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
