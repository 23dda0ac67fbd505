"""Arrays of other libraries go in and out; memory is shared where it can be."""

import array
import sys
import threading
import time

import numpy as np
import pytest

import binade

SPECS = ("e4m3fn", "mxfp4", "nvfp4", "int8@row")


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed; `.venv/bin/pip install {name}` ends this skip")


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)


# ---- PyTorch -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16"])
def test_a_torch_tensor_gives_one_of_its_dtype(x, name):
    torch = library("torch")
    tensor = torch.from_numpy(x).to(getattr(torch, name))
    got = binade.quantize(tensor, "e4m3fn")
    assert isinstance(got, torch.Tensor) and (got.dtype, got.shape) == (tensor.dtype, tensor.shape)
    assert np.array_equal(got.float().numpy(), binade.quantize(tensor.float().numpy(), "e4m3fn"))
    out = torch.empty_like(tensor)
    assert binade.quantize(tensor, "e4m3fn", out=out) is out and torch.equal(out, got)
    assert binade.quantize(tensor, "e4m3fn", out=tensor) is tensor and torch.equal(tensor, got)


@pytest.mark.parametrize("spec", SPECS)
def test_torch_and_numpy_get_the_same_codes(x, spec):
    torch = library("torch")
    tensor = torch.from_numpy(x)
    ours, theirs = binade.encode(x, spec), binade.encode(tensor, spec)
    if binade.quantizer(spec).scaling is not None:
        assert isinstance(theirs.scales, torch.Tensor) and np.array_equal(theirs.scales.numpy(), ours.scales)
        assert theirs.tensor_scale == ours.tensor_scale
        assert np.array_equal(theirs.codes.numpy(), ours.codes)
    else:
        assert isinstance(theirs, torch.Tensor) and np.array_equal(theirs.numpy(), ours)
    values = binade.decode(theirs, spec)
    assert isinstance(values, torch.Tensor) and torch.equal(values, binade.quantize(tensor, spec))


def test_torch_gets_codes_of_every_width(x):
    torch = library("torch")
    tensor = torch.from_numpy(x)
    for spec, dtype in (("e4m3fn", torch.uint8), ("f16", torch.uint16), ("f32", torch.uint32), ("f64", torch.uint64)):
        codes = binade.encode(tensor, spec)
        assert codes.dtype == dtype
        assert torch.equal(binade.decode(codes, spec).float(), binade.quantize(tensor, spec))
    packed = binade.pack(binade.encode(tensor, "e2m1fn"), "e2m1fn")
    assert isinstance(packed, torch.Tensor) and packed.shape == (128,)
    assert torch.equal(binade.unpack(packed, "e2m1fn", 256).view(4, 64), binade.encode(tensor, "e2m1fn"))


def test_torch_float8_tensors_are_codes(x):
    torch = library("torch")
    eight = torch.from_numpy(x).to(torch.float8_e4m3fn)
    assert torch.equal(binade.decode(eight, "e4m3fn"), eight.float())
    with pytest.raises(TypeError, match="codes has dtype float8_e4m3fn; codes of 'e5m2' are"):
        binade.decode(eight, "e5m2")
    brain = torch.from_numpy(x).to(torch.bfloat16)
    assert torch.equal(binade.decode(brain, "bf16"), brain.float())


def test_torch_views_and_empty_tensors(x):
    torch = library("torch")
    tensor = torch.from_numpy(x)
    assert torch.equal(binade.quantize(tensor.t(), "mxfp4", axis=0), binade.quantize(tensor, "mxfp4").t())
    out = torch.empty(64, 4).t()
    assert binade.quantize(tensor, "mxfp4", out=out) is out and torch.equal(out, binade.quantize(tensor, "mxfp4"))
    assert binade.quantize(torch.empty(0, 4), "nvfp4").shape == (0, 4)
    assert binade.quantize(torch.tensor(2.3), "e2m1fn").item() == 2
    with pytest.raises(TypeError, match=r"x \(Tensor of float32\) cannot be read: .*requires? grad"):
        binade.quantize(torch.ones(3, requires_grad=True), "e4m3fn")
    with pytest.raises(TypeError, match="x is on the device meta"):
        binade.quantize(torch.ones(3, device="meta"), "e4m3fn")


# ---- NumPy and buffers -------------------------------------------------------------------------------------------------------------


def test_arrays_that_are_not_contiguous_give_what_their_copies_give(x):
    big = np.random.default_rng(1).standard_normal((6, 8, 40)).astype(np.float32)
    for view in (big[::2], big[:, :, ::3], big.transpose(2, 0, 1), big[::-1], np.asfortranarray(big), big.astype(">f4"), big[0, 0], big[:, 1:1]):
        copy = np.array(view, np.float32, order="C")
        for axis in range(view.ndim):
            for spec in SPECS:
                got = binade.quantize(view, spec, axis=axis)
                assert (got.dtype, got.shape) == (view.dtype, view.shape)
                assert np.array_equal(got, binade.quantize(copy, spec, axis=axis))
                encoded = binade.encode(view, spec, axis=axis)
                assert np.array_equal(binade.decode(encoded, spec, axis=axis), got)


def test_every_axis_is_the_last_one_of_the_array_turned(x):
    big = np.random.default_rng(2).standard_normal((4, 6, 32)).astype(np.float32)
    for spec in ("mxfp4", "nvfp4", "int8@row", "int8@col", "mx9", "e4m3fn@tile(2,3)", "e4m3fn@tile(3,4)@tensor"):
        for axis in range(3):
            for at in (axis, axis - 3):
                got = binade.quantize(big, spec, axis=at)
                assert np.array_equal(np.moveaxis(got, axis, -1), binade.quantize(np.moveaxis(big, axis, -1), spec)), (spec, at)
                assert np.array_equal(binade.decode(binade.encode(big, spec, axis=at), spec, axis=at), got), (spec, at)


def test_scales_have_the_axes_of_the_array():
    x = np.ones((4, 6, 40), np.float32)
    shapes = {
        ("mxfp4", 2): (4, 6, 2),
        ("mxfp4", 0): (1, 6, 40),
        ("e4m3fn@block(4)", 1): (4, 2, 40),
        ("int8@row", 2): (4, 6, 1),
        ("int8@row", 1): (4, 1, 40),
        ("int8@col", 2): (1, 1, 40),
        ("int8@col", 0): (4, 1, 1),
        ("int8@tensor", 1): (1, 1, 1),
        ("e4m3fn@tile(5,16)", 2): (5, 3),
    }
    for (spec, axis), shape in shapes.items():
        assert binade.encode(x, spec, axis=axis).scales.shape == shape, (spec, axis)
    assert binade.encode(x[0], "e4m3fn@tile(5,16)").scales.shape == (2, 3)
    assert binade.encode(x[0], "e4m3fn@tile(5,16)", axis=0).scales.shape == (1, 8)
    assert binade.encode(x[0, 0], "mxfp4").scales.shape == (2,)
    outer = binade.encode(np.ones((2, 32), np.float32), "mx9").tensor_scale
    assert (outer.shape, outer.dtype) == ((2, 2), np.uint8)


def test_memory_is_read_and_written_in_place(x):
    out = np.empty_like(x)
    assert binade.quantize(x, "mxfp4", out=out) is out
    wanted = binade.quantize(x, "mxfp4")
    assert np.array_equal(out, wanted)
    itself = x.copy()
    assert binade.quantize(itself, "mxfp4", out=itself) is itself and np.array_equal(itself, wanted)
    # A result over elements that are still to be read goes through memory of its own.
    shifted = np.concatenate([np.zeros(1, np.float32), x.reshape(-1)])
    binade.quantize(shifted[1:], "mxfp4", out=shifted[:-1])
    assert np.array_equal(shifted[:-1], binade.quantize(x.reshape(-1), "mxfp4"))
    turned = np.empty((64, 4), np.float32).T
    assert np.array_equal(binade.quantize(x, "mxfp4", out=turned), wanted)
    codes = np.empty(x.shape, np.uint8)
    encoded = binade.encode(x, "nvfp4", out=codes)
    assert encoded.codes is codes and np.array_equal(codes, binade.encode(x, "nvfp4").codes)
    assert binade.decode(encoded, "nvfp4", out=out) is out and np.array_equal(out, binade.quantize(x, "nvfp4"))
    packed = np.empty(128, np.uint8)
    assert binade.pack(codes, "nvfp4", out=packed) is packed
    unpacked = np.empty(256, np.uint8)
    assert binade.unpack(packed, "nvfp4", 256, out=unpacked) is unpacked and np.array_equal(unpacked, codes.reshape(-1))
    grown = np.empty(256, np.uint8)
    grown[:128] = packed
    assert np.array_equal(binade.unpack(grown[:128], "nvfp4", 256, out=grown), codes.reshape(-1))
    wide = np.empty(x.shape, np.float64)
    assert binade.decode(binade.encode(x, "f64"), "f64", out=wide) is wide and np.array_equal(wide, x)


def test_a_contiguous_array_is_not_copied():
    tracemalloc = __import__("tracemalloc")
    x, out = np.ones(1 << 20, np.float32), np.empty(1 << 20, np.float32)
    binade.quantize(x, "mxfp4", out=out)
    tracemalloc.start()
    binade.quantize(x, "mxfp4", out=out)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.reset_peak()
    binade.quantize(x, "mxfp4")
    assert tracemalloc.get_traced_memory()[1] < x.nbytes + 100_000
    tracemalloc.stop()


def test_numbers_lists_and_buffers_are_arrays():
    assert binade.quantize(2.3, "e2m1fn") == 2 and binade.quantize(2.3, "e2m1fn").dtype == np.float64
    assert binade.quantize([1.0, 2.3], "e2m1fn").tolist() == [1, 2]
    assert binade.quantize(np.float32(2.3), "mxfp4").shape == ()
    assert binade.encode(np.float32(2.3), "mxfp4").scales.shape == (1,)
    assert binade.decode(binade.encode(np.float32(2.3), "nvfp4"), "nvfp4") == binade.quantize(np.float32(2.3), "nvfp4")
    buffer = array.array("f", [1, 2.3])
    assert binade.quantize(buffer, "mxfp4").dtype == np.float32
    assert binade.quantize(memoryview(np.float16([2.3])), "e2m1fn").dtype == np.float16
    assert binade.decode([1, 7], "e2m1fn").tolist() == [0.5, 6]
    read_only = np.float32([1, 2.3])
    read_only.flags.writeable = False
    assert binade.quantize(read_only, "e2m1fn").tolist() == [1, 2]


def test_empty_arrays_stay_empty():
    for shape in ((0,), (0, 4), (4, 0), (2, 0, 3)):
        x = np.empty(shape, np.float32)
        for spec in ("e4m3fn", "mxfp4", "nvfp4", "int8@col", "mx9", "e4m3fn@tile(2,2)"):
            assert binade.quantize(x, spec).shape == shape
            assert binade.decode(binade.encode(x, spec), spec).shape == shape
    assert binade.pack(np.empty(0, np.uint8), "e2m1fn").shape == (0,)
    assert binade.unpack(b"", "e2m1fn", 0).shape == (0,)


def test_packed_bytes_are_a_little_endian_stream_of_bits():
    codes = np.random.default_rng(5).integers(0, 64, 37)
    stream = sum(int(code) << 6 * i for i, code in enumerate(codes))
    packed = binade.pack(codes.astype(np.uint8), "e3m2fn")
    assert packed.tobytes() == stream.to_bytes(-(-37 * 6 // 8), "little")
    for data in (packed, packed.tobytes(), bytearray(packed.tobytes()), memoryview(packed)):
        assert np.array_equal(binade.unpack(data, "e3m2fn", 37), codes)
    wide = np.arange(5, dtype=np.uint32) * 1000
    assert np.array_equal(binade.unpack(binade.pack(wide, "e8m10"), "e8m10", 5), wide)


# ---- threads -----------------------------------------------------------------------------------------------------------------------


def test_other_threads_run_while_a_verb_works():
    x = np.random.default_rng(6).standard_normal((1 << 21, 2)).astype(np.float32)
    started, done, seen = threading.Event(), threading.Event(), 0

    def work():
        started.set()
        binade.quantize(x, "posit16@col")
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    while not done.is_set():
        seen += 1
        time.sleep(0.001)
    thread.join()
    # If the verb held the interpreter's lock, this thread would have slept through it, but for a moment before.
    assert seen > 5, f"seen {seen} times; switch interval {sys.getswitchinterval()}"


def test_verbs_can_be_called_from_many_threads():
    x = np.random.default_rng(7).standard_normal((64, 4096)).astype(np.float32)
    wanted = binade.quantize(x, "e4m3fn/sr@tensor", seed=1)
    results = [None] * 8

    def work(i):
        results[i] = binade.quantize(x, "e4m3fn/sr@tensor", seed=1)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, wanted) for result in results)
