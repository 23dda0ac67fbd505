"""Memory of training: what narrow formats of saved activations and of optimizer states leave of the float32 peak.

Each row is a process of its own that trains a few steps.  Tensor bytes are those of the program's buffer pool: activations, weights,
gradients, states, work space; scales of saved activations (a byte per block here) are not among them.  The resident set is the
operating system's, with the program itself and the blocks that the pool keeps for the next request.  A loss before the first update that
differs from that of float32 is an error: what is saved may not change the forward pass.

    ./dev bench memory
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from step_timing import PROGRAM, cpu_name

STEPS = 3
SAVED = '[[rule]]\nlayers = "*"\nsaved = "e4m3fn@block(128)"\n'
MOMENTS = "[optimizer]\npacked = true\n" + "".join(f'{state} = "expand(128)+e4m3fn@block(128,f32)"\n' for state in ("first_moment", "second_moment"))
MOMENTUM = '[optimizer]\npacked = true\nmomentum = "e4m3fn@block(128)"\n'

GPT = """[model]
kind = "gpt2"
layers = {layers}
width = {width}
heads = 4
context = {context}
[data]
corpus = "zm"
validation_documents = 1
[train]
learning_rate = 1e-3
"""
RESNET = """[model]
kind = "resnet"
blocks = {blocks}
[data]
corpus = "prototypes"
classes = 10
channels = 3
size = 32
validation_images = {batch}
[train]
optimizer = "sgd"
learning_rate = 0.05
"""
CASES = [
    # name, [model], [data] and optimizer, batch, states
    ("gpt2, 4 layers, d 192, T 256", GPT.format(layers=4, width=192, context=256), 8, MOMENTS),
    ("gpt2, 4 layers, d 192, T 256", GPT.format(layers=4, width=192, context=256), 1, MOMENTS),
    ("ResNet-20, 32 x 32 pixels", RESNET.format(blocks=3, batch=64), 64, MOMENTUM),
]
SMOKE = [("gpt2", GPT.format(layers=1, width=32, context=32), 2, MOMENTS), ("resnet", RESNET.format(blocks=1, batch=4), 4, MOMENTUM)]


def measure(folder, text, batch, recipe):
    """Summary of a run and the largest resident set of its process in bytes."""
    recipe_file, file = folder / "recipe.toml", folder / "train.toml"
    recipe_file.write_text(recipe)
    reference = "recipe.toml" if recipe else "f32"
    file.write_text(text + f'recipe = "{reference}"\nseed = 0\nsteps = {STEPS}\nbatch = {batch}\nwarmup = 1\ntelemetry_every = 0\n')
    out = tempfile.mkdtemp(dir=folder)
    with open(folder / "messages", "w+") as messages:
        process = subprocess.Popen([PROGRAM, "train", str(file), "--out", out, "--threads", "1"], stdout=messages, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            messages.seek(0)
            sys.exit(f"memory_bench: {PROGRAM} ended with {process.returncode}: {messages.read()}")
    return json.loads((pathlib.Path(out) / "summary.json").read_text()), usage.ru_maxrss * 1024


def mib(size):
    return f"{size / 2**20:.1f}"


def main():
    cases = SMOKE if sys.argv[1:] == ["--smoke"] else CASES
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}, {cpu_name()}, 1 thread, {STEPS} steps; MiB")
    print()
    print("| model | batch | formats | peak of tensors | / f32 | states | tensors beside weights and states | / f32 | peak resident set | / f32 |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        for model, text, batch, states in cases:
            baseline = None
            for formats, recipe in [("f32", ""), ("saved", SAVED), ("states", states), ("saved, states", SAVED + states)]:
                summary, resident = measure(pathlib.Path(name), text, batch, recipe)
                peak, state_bytes = summary["peak_tensor_bytes"], summary["optimizer_state_bytes"]
                rest = peak - state_bytes - 4 * summary["parameters"]
                baseline = baseline or (peak, rest, resident, summary["initial_loss"])
                if summary["initial_loss"] != baseline[3]:
                    sys.exit(f"memory_bench: {model}, {formats}: the first loss is {summary['initial_loss']}, and {baseline[3]} in float32")
                print(f"| {model} ({summary['parameters'] / 1e6:.2f} M) | {batch} | {formats} | {mib(peak)} | {peak / baseline[0]:.2f} "
                      f"| {mib(state_bytes)} | {mib(rest)} | {rest / baseline[1]:.2f} | {mib(resident)} | {resident / baseline[2]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
