"""One training step (forward, backward, clipping, SGD) of the same residual network on images: binade and plain PyTorch, eager, on the same threads.

PyTorch runs with its usual layout and with channels last; the faster one counts.  They run in turn, round after round; a round has the median of
its steps, of processor time with one thread, else by the clock.

    ./dev bench cnn_step                            one thread
    python3 bench/cnn_step_bench.py --threads 2 --rounds 5
"""

import pathlib
import statistics
import tempfile

from step_timing import begin_beside_torch, binade_milliseconds, python_milliseconds, ratio_text

CASES = [
    # widths of the stages, blocks of each, size, batch, steps of a round
    ((8, 16, 32), 1, 16, 64, 20),
    ((16, 32, 64), 3, 32, 32, 5),
]
RECIPES = ["f32", "e4m3fn@tensor", "mxfp4"]


class Binade:
    def __init__(self, folder, threads, widths, blocks, size, batch):
        import numpy

        self.threads, self.file = threads, pathlib.Path(folder) / "bench.toml"
        numbers = numpy.random.default_rng(0)
        numpy.save(self.file.parent / "x.npy", numbers.standard_normal((16 * batch, 3, size, size), dtype=numpy.float32))
        numpy.save(self.file.parent / "y.npy", numbers.integers(0, 10, 16 * batch))
        self.file.write_text(f"""name = "bench"
[model]
kind = "resnet"
widths = {list(widths)}
blocks = {blocks}
[data]
corpus = "images"
images = "x.npy"
labels = "y.npy"
[train]
recipe = "f32"
optimizer = "sgd"
momentum = 0.9
nesterov = true
learning_rate = 0.05
weight_decay = 5e-4
batch = {batch}
warmup = 1
steps = 1000
""")

    def milliseconds(self, steps):
        """Of a step under each recipe."""
        return binade_milliseconds(self.file, RECIPES, self.threads, steps)


def resnet(torch, widths, blocks, classes=10):
    """The layers of binade's kind resnet, with projections where the shape changes."""
    nn = torch.nn

    def conv_norm(inputs, outputs, kernel, stride):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.conv2 = conv_norm(inputs, outputs, 3, stride), conv_norm(outputs, outputs, 3, 1)
            self.shortcut = conv_norm(inputs, outputs, 1, stride) if stride != 1 or inputs != outputs else nn.Identity()

        def forward(self, x):
            return torch.relu(self.conv2(torch.relu(self.conv1(x))) + self.shortcut(x))

    layers, channels = [conv_norm(3, widths[0], 3, 1), nn.ReLU()], widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class PyTorch:
    def __init__(self, torch, threads, channels_last, widths, blocks, size, batch):
        self.torch, self.threads = torch, threads
        torch.manual_seed(0)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = resnet(torch, widths, blocks).to(memory_format=layout)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
        self.images = torch.randn(batch, 3, size, size).to(memory_format=layout)
        self.labels = torch.randint(0, 10, (batch,))
        for _ in range(3):
            self.step()

    def step(self):
        loss = self.torch.nn.functional.cross_entropy(self.model(self.images), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()

    def milliseconds(self, steps):
        return python_milliseconds(self.step, self.threads, steps)


def main():
    options, torch = begin_beside_torch("cnn_step_bench")
    print(f"{'model':<40} {'recipe':<14} {'binade ms':>10} {'/ f32':>18} {'PyTorch ms':>11} {'/ binade':>18}")
    with tempfile.TemporaryDirectory() as folder:
        for *case, steps in CASES:
            candidate = Binade(folder, options.threads, *case)
            baselines = [PyTorch(torch, options.threads, channels_last, *case) for channels_last in (False, True)]
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(candidate.milliseconds(steps))
                theirs.append(min(baseline.milliseconds(steps) for baseline in baselines))
            widths, blocks, size, batch = case
            name = f"widths {'/'.join(map(str, widths))}, blocks {blocks}, {size} x {size}, B {batch}"
            for recipe, times in zip(RECIPES, zip(*ours)):
                print(f"{name:<40} {recipe:<14} {statistics.median(times):>10.1f} {ratio_text(times, [r[0] for r in ours]):>18} "
                      f"{statistics.median(theirs):>11.1f} {ratio_text(theirs, times):>18}", flush=True)


if __name__ == "__main__":
    main()
