"""PyTorch's casts on the GPU by the method of cuda/quantize_bench.cu, whose table this continues: float32 arrays larger than the
cache in turn, medians beside a copy of the same bytes.

    python bench/gpu_torch.py
"""

import statistics

import torch

ELEMENTS, SETS, ROUNDS, TOGETHER = 1 << 26, 3, 21, 3


def milliseconds(call, turn):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(TOGETHER):
        call(next(turn))
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / TOGETHER


def turns():
    while True:
        yield from range(SETS)


def row(name, bytes_per_element, call, inputs, outputs):
    turn, half = turns(), int(bytes_per_element / 2 * ELEMENTS)
    sources, targets = ([a.view(torch.uint8)[:half] for a in arrays] for arrays in (inputs, outputs))
    ours, copies = [], []
    for k in range(-2, ROUNDS):
        mine, its = milliseconds(call, turn), milliseconds(lambda i: targets[i].copy_(sources[i]), turn)
        if k >= 0:
            ours.append(mine)
            copies.append(its)
    mine, its, gigabytes = statistics.median(ours), statistics.median(copies), bytes_per_element * ELEMENTS * 1e-6
    print(f"{name:<52} {mine:8.3f} ms {gigabytes / mine:8.0f} GB/s   copy {gigabytes / its:8.0f} GB/s   ratio {its / mine:.2f}")


def main():
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}")
    device = torch.device("cuda")
    x = [torch.randn(ELEMENTS, device=device) for _ in range(SETS)]
    out = [torch.empty_like(a) for a in x]
    for name, dtype, width in (("float8_e4m3fn", torch.float8_e4m3fn, 1), ("float8_e5m2", torch.float8_e5m2, 1),
                               ("float16", torch.float16, 2), ("bfloat16", torch.bfloat16, 2)):  # fmt: skip
        codes = [a.to(dtype) for a in x]
        row(f"PyTorch {name} round trip (8 bytes needed)", 8, lambda k: out[k].copy_(x[k].to(dtype)), x, out)
        row(f"PyTorch {name} encode", 4 + width, lambda k: codes[k].copy_(x[k]), x, out)
        row(f"PyTorch {name} decode", 4 + width, lambda k: out[k].copy_(codes[k]), x, out)


if __name__ == "__main__":
    main()
