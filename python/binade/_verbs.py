"""The verbs: arguments are checked and arrays exchanged here; what is computed is in _core."""

import math
import operator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._core import format, quantizer, scaling
from ._exchange import Array, Output, format_of, give, take

for _class in (format, quantizer, scaling):
    _class.__module__ = "binade"  # where users and pickle find them

_FLOAT32 = format("f32")
_DTYPES = {name: format_of(name) for name in ("float32", "float64", "float16", "bfloat16")}


class Encoded(NamedTuple):
    """An array encoded by a quantizer with scales: what encode returns and decode takes.

    codes         the element codes, in the shape of the array
    scales        the scale codes of the (inner) scaling, in the smallest unsigned dtype that holds one; float32 where
                  scales are stored as float32 (`f32`, `pow2`).  They have the axes of the array: under block(n) the
                  axis has one scale per block; under row it has length 1; under col all others have length 1; under
                  tensor all have.  Under tile(r,c) they are (tiles of the flattened rows, tiles along the axis), for
                  an array of two dimensions in the order of its axes.
    tensor_scale  of two levels the outer scale: a float for @tensor, else an array as `scales`; None for one level
    """

    codes: Any
    scales: Any
    tensor_scale: Any = None


# ---- arguments -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _parsed(spec: str) -> quantizer:
    return quantizer(spec)


def _quantizer(spec: Any, function: str) -> quantizer:
    try:
        return _parsed(spec) if isinstance(spec, str) else quantizer(spec)
    except (ValueError, TypeError) as error:
        message = str(error).removeprefix("quantizer: ").replace("text is", "it is", 1)
        raise type(error)(f"{function}: spec: {message}") from None


def _integer(value: Any, function: str, argument: str, least: int, most: int, valid: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{function}: {argument} is {value!r}, a {type(value).__name__}; give an integer, {valid}"
        ) from None
    if not least <= number <= most:
        raise ValueError(f"{function}: {argument} is {number}; give an integer, {valid}")
    return number


def _noise(function: str, seed: Any, stream: Any, step: Any) -> tuple[int, int, int]:
    return (
        _integer(seed, function, "seed", 0, 2**64 - 1, "0 to 2**64 - 1"),
        _integer(stream, function, "stream", 0, 2**64 - 1, "0 to 2**64 - 1"),
        _integer(step, function, "step", 0, 2**32 - 1, "0 to 2**32 - 1"),
    )


class _Axis:
    """An axis of a shape; an array without axes counts as one of one element."""

    def __init__(self, function: str, shape: tuple[int, ...], axis: Any):
        shape = shape or (1,)
        count = len(shape)
        valid = f"{-count} to {count - 1} for an array of shape {shape}"
        self.at = _integer(axis, function, "axis", -count, count - 1, valid) % count
        self.shape = shape

    @property
    def view(self) -> tuple[int, int, int]:
        """Elements before, along and after the axis."""
        return math.prod(self.shape[: self.at]), self.shape[self.at], math.prod(self.shape[self.at + 1 :])

    def scale_shape(self, s: scaling, count: int) -> tuple[tuple[int, ...], bool]:
        """The shape of `count` scales as they are computed, the axis last; True if it then moves to its place."""
        length, others = self.shape[self.at], self.shape[: self.at] + self.shape[self.at + 1 :]
        along = -(-length // s.cols) if s.cols else length if s.granularity == "col" else 1
        if s.granularity == "tile":
            return (count // max(1, along), along), len(self.shape) == 2
        is_shared = s.granularity in ("tensor", "col")  # by all that the other axes tell apart
        return (*((1,) * len(others) if is_shared else others), along), True


def _scales_out(codes: np.ndarray, s: scaling, axis: _Axis) -> np.ndarray:
    """Scale codes as they are computed, in the shape that Encoded promises."""
    shape, moves = axis.scale_shape(s, codes.size)
    scales = codes.view(np.float32) if s.format == _FLOAT32 else codes
    scales = scales.reshape(shape)
    return np.ascontiguousarray(np.moveaxis(scales, -1, axis.at)) if moves else scales


def _scales_in(given: Any, s: scaling, axis: _Axis, count: int, argument: str) -> np.ndarray:
    """The inverse: flat scale codes."""
    taken = take(given, "decode", argument)
    codes = _codes(taken, s.format, "decode", argument)
    shape, moves = axis.scale_shape(s, count)
    shown = (*shape[: axis.at], shape[-1], *shape[axis.at : -1]) if moves else shape
    if codes.shape != shown:
        raise ValueError(
            f"decode: {argument} has shape {codes.shape} and codes of shape {axis.shape} have scales of shape {shown}"
            f" under '{s}'; give what encode returned, and the same axis"
        )
    return np.ascontiguousarray(np.moveaxis(codes, axis.at, -1) if moves else codes).reshape(-1)


# ---- codes -----------------------------------------------------------------------------------------------------------


def _code_dtype(f: format) -> np.dtype:
    return np.dtype(f"uint{next(bits for bits in (8, 16, 32, 64) if f.bits <= bits)}")


def _is_of(dtype: str, f: format) -> bool:
    """True if a dtype's values are those of the format, so that its bits are codes."""
    values = format_of(dtype)
    return values is not None and _core.same_values(values, f)


def _dtype_of_codes(dtype: Any, f: format) -> np.dtype | None:
    """The argument `dtype` of encode."""
    if dtype is None:
        return None
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"encode: dtype: {error}; import ml_dtypes first, or give numpy.float16 or the like") from None
    if not (_is_of(found.name, f) and found.itemsize == _code_dtype(f).itemsize):
        raise ValueError(
            f"encode: dtype is {found.name}, whose values are not those of '{f}'; give a dtype of this format or leave"
            f" dtype out for {_code_dtype(f)}"
        )
    return found


def _codes(taken: Array, f: format, function: str, argument: str) -> np.ndarray:
    """Codes in the format's unsigned dtype, in the shape they have."""
    data, wanted = taken.data, _code_dtype(f)
    if _is_of(taken.dtype, f):
        return data.view(wanted)
    if data.dtype.name != taken.dtype or data.dtype.kind not in "ui":
        raise TypeError(
            f"{function}: {argument} has dtype {taken.dtype}; codes of '{f}' are unsigned integers ({wanted}), or an"
            " array of a dtype whose values are this format's"
        )
    if data.dtype == wanted:
        return data
    wrong = (data < 0) | (data > 2**f.bits - 1) if data.dtype.kind == "i" else data > 2**f.bits - 1
    if wrong.any():
        index = int(np.argmax(wrong.reshape(-1)))
        raise ValueError(
            f"{function}: {argument} has {data.reshape(-1)[index]} at index {index}; codes of '{f}' are 0 to"
            f" {2**f.bits - 1}"
        )
    return data.astype(wanted)


def _values(x: Any, q: quantizer, spec: Any, function: str) -> tuple[Array, format]:
    """x as an array of values, and the format of its dtype."""
    taken = take(x, function, "x")
    storage = _DTYPES.get(taken.dtype)
    if storage is None:
        raise TypeError(
            f"{function}: x has dtype {taken.dtype}; give float32, float64, float16 or bfloat16, such as"
            " x.astype(numpy.float32)"
        )
    if storage.bits == 64 and (q.scaling is not None or q.transforms):
        raise TypeError(
            f"{function}: x has dtype {taken.dtype}, and the scales and transforms of '{spec}' are computed in float32;"
            " give x in float32, which rounds it there first, or a spec without them"
        )
    return taken, storage


# ---- the verbs -------------------------------------------------------------------------------------------------------


def quantize(
    x: Any,
    spec: str | format | quantizer,
    *,
    axis: int = -1,
    seed: int = 0,
    stream: int = 0,
    step: int = 0,
    out: Any = None,
) -> Any:
    """Rounds each element to the grid of a format or quantizer; the result approximates x.

    Elements are divided by their scales, rounded, and multiplied back; transforms are undone.  The bits are those of
    the C++ library, on any number of threads.  A NaN stays NaN; infinities and what is beyond the largest value go
    where the spec's overflow rule says.  docs/text_form.md defines the specs and their sources.

    x       float32, float64, float16 or bfloat16: a NumPy array (bfloat16: of ml_dtypes), anything with DLPack, such
            as a PyTorch tensor on the CPU, a buffer, or numbers.  Contiguous float32 and float64 are read in place.
            float64 is rounded once, and taken by specs without scales and transforms only
    spec    text such as 'e4m3fn/sr', 'mxfp4' or 'int8@row'; a binade.format or binade.quantizer
    axis    the axis that rows, blocks and tiles run along
    seed, stream, step
            of the noise of stochastic rounding: 0 to 2**64 - 1, step to 2**32 - 1.  The noise of an element is a
            function of them and of its index in row-major order, of nothing else
    out     receives the result: x itself, or an array of x's shape and dtype

    Returns an array of x's library, shape and dtype; `out` if that was given.

    Raises ValueError for an impossible spec, axis or shape, and where x's dtype does not have a result (then it says
    how many, and the first); TypeError for other dtypes, devices and types.  `out` then holds anything.
    """
    q = _quantizer(spec, "quantize")
    taken, storage = _values(x, q, spec, "quantize")
    noise = _noise("quantize", seed, stream, step)
    along = _Axis("quantize", taken.data.shape, axis)
    flat = taken.bits()
    output = Output("quantize", out, taken.data.shape, (taken.dtype,), flat.dtype, flat)
    misfits = _core.quantize(q, flat, output.flat, along.view, noise, storage)
    if misfits is not None:
        count, first, value = misfits
        raise ValueError(
            f"quantize: x has dtype {taken.dtype}, which does not have {count} of the {flat.size} results, such as"
            f" {value!r} at index {first}; give x in float32, which holds it exactly"
        )
    return output.done(x, taken.original)


def encode(
    x: Any,
    spec: str | format | quantizer,
    *,
    axis: int = -1,
    seed: int = 0,
    stream: int = 0,
    step: int = 0,
    out: Any = None,
    dtype: Any = None,
) -> Any:
    """The codes of each element, and the scales: decode of them is what quantize gives.

    x, spec, axis, seed, stream, step
            as for quantize
    out     receives the codes: an array of x's shape and the codes' dtype
    dtype   a NumPy dtype whose values are the format's, to have the same bits as its values: ml_dtypes.float8_e4m3fn
            for e4m3fn, numpy.float16 for f16.  The codes are then a NumPy array

    Returns the codes in the smallest unsigned dtype that holds one, in x's shape and library; for a spec with scales
    Encoded(codes, scales, tensor_scale).

    Raises as quantize does; and ValueError if x has NaNs and the format has no code for one (it counts them;
    ':nan=max' or ':nan=zero' in the spec say what to take), if the spec has one of the transforms expand and clamp,
    which codes alone cannot undo, or if the values of `dtype` are not the format's.
    """
    q = _quantizer(spec, "encode")
    if q.keeps_records:
        raise ValueError(
            f"encode: '{spec}' has a transform that remembers something of each array (expand, clamp), which codes and"
            " scales do not hold; use quantize, or leave the transform out"
        )
    taken, storage = _values(x, q, spec, "encode")
    noise = _noise("encode", seed, stream, step)
    along = _Axis("encode", taken.data.shape, axis)
    bits = _code_dtype(q.format)
    wanted = _dtype_of_codes(dtype, q.format)
    dtypes = (bits.name,) if wanted is None else (bits.name, wanted.name)
    flat = taken.bits()
    output = Output("encode", out, taken.data.shape, dtypes, bits, flat)
    inner, outer = _core.encode(q, flat, output.flat, along.view, noise, storage)
    # NumPy arrays alone have the dtypes of ml_dtypes.
    codes = output.done(x if wanted is None else None, wanted)
    if q.scaling is None:
        return codes
    empty = np.zeros(0, _code_dtype(q.scaling.format))
    scales = give(_scales_out(empty if inner is None else inner, q.scaling, along) if flat.size else empty, x)
    if q.outer_scaling is None or outer is None:
        return Encoded(codes, scales, None)
    tensor_scale = _scales_out(outer, q.outer_scaling, along)
    if q.outer_scaling.granularity == "tensor":
        return Encoded(codes, scales, float(_decoded(tensor_scale, q.outer_scaling.format).item()))
    return Encoded(codes, scales, give(tensor_scale, x))


def _decoded(codes: np.ndarray, f: format) -> np.ndarray:
    return codes if codes.dtype == np.float32 else decode(codes, f)


def decode(codes_or_encoded: Any, spec: str | format | quantizer, *, axis: int = -1, out: Any = None) -> Any:
    """The values of codes.

    codes_or_encoded
            codes, for a spec without scales; what encode returned, for one with scales.  Codes are integers of any
            dtype, or an array of a dtype whose values are the format's (ml_dtypes.float8_e4m3fn for e4m3fn)
    spec, axis
            what the array was encoded with
    out     receives the result: an array of the codes' shape and the result's dtype

    Returns float32, in the shape and library of the codes; without scales and transforms float64 for the formats that
    float32 cannot hold (format.fits_float32).  Every NaN code gives the positive quiet NaN.

    Raises ValueError for a code that the format does not have (it says which and where) and for scales that do not
    fit; TypeError for other dtypes, and scales where there are to be none.
    """
    q = _quantizer(spec, "decode")
    encoded = codes_or_encoded if isinstance(codes_or_encoded, Encoded) else None
    if q.scaling is not None and encoded is None:
        raise TypeError(
            f"decode: '{spec}' has scales and {type(codes_or_encoded).__name__} has none; give the Encoded that encode"
            " returned, or binade.Encoded(codes, scales, tensor_scale)"
        )
    if q.scaling is None and encoded is not None:
        raise TypeError(
            f"decode: '{spec}' has no scales and Encoded has; give its codes alone, or the spec that they were encoded"
            " with"
        )
    if q.keeps_records:
        raise ValueError(
            f"decode: '{spec}' has a transform that cannot be undone from codes alone (expand, clamp); leave it out"
        )
    given = codes_or_encoded if encoded is None else encoded.codes
    taken = take(given, "decode", "codes")
    codes = _codes(taken, q.format, "decode", "codes")
    along = _Axis("decode", codes.shape, axis)
    inner = outer = None
    if encoded is not None:
        counts = _core.scale_counts(q, along.view)
        if codes.size:
            inner = _scales_in(encoded.scales, q.scaling, along, counts[0], "scales")
            if q.outer_scaling is not None:
                outer = _scales_in(
                    _outer_codes(encoded.tensor_scale, q.outer_scaling, along),
                    q.outer_scaling,
                    along,
                    counts[1],
                    "tensor_scale",
                )
    is_wide = not q.format.fits_float32 and q.scaling is None and not q.transforms
    kind = np.dtype(np.float64 if is_wide else np.float32)
    flat = taken._replace(data=codes).flat()
    output = Output("decode", out, codes.shape, (kind.name,), kind, flat)
    _core.decode(q, flat, inner, outer, along.view, output.flat)
    return output.done(given)


def _outer_codes(given: Any, s: scaling, axis: _Axis) -> Any:
    """The outer scale of Encoded as an array: a float of @tensor as its code."""
    if s.granularity != "tensor":
        return given
    if not isinstance(given, (float, int, np.floating)):
        raise TypeError(f"decode: tensor_scale is {type(given).__name__}; give a float, as encode does for '{s}'")
    scale = np.full((1,) * len(axis.shape), given, np.float64)
    codes = encode(scale, s.format)
    if not (math.isnan(given) or decode(codes, s.format).item() == given):
        raise ValueError(
            f"decode: tensor_scale is {given!r}, which is no value of '{s.format}'; give the one that encode returned"
        )
    return codes


def pack(codes: Any, spec: str | format | quantizer, *, out: Any = None) -> Any:
    """Codes as bytes in storage layout: a little-endian stream of bits, code i in bits [i width, (i + 1) width).

    Two codes of 4 bits share a byte, the first in its low half, as tensor cores and PyTorch have them; four codes of
    6 bits take three bytes.

    codes   as for decode, in any shape; of Encoded pack codes and scales one by one, each with its own format
    spec    its element format says how wide a code is
    out     receives the result: uint8, of one dimension

    Returns ceil(size * bits / 8) uint8 in one dimension, in the library of the codes.  Bits after the last code are
    zero.

    Raises ValueError for a code wider than its format; TypeError for other dtypes.
    """
    f = _quantizer(spec, "pack").format
    if isinstance(codes, Encoded):
        raise TypeError(
            "pack: codes is Encoded; pack its codes by the spec and its scales by the format of the spec's scaling"
        )
    taken = take(codes, "pack", "codes")
    flat = taken._replace(data=_codes(taken, f, "pack", "codes")).flat()
    output = Output("pack", out, (_core.packed_size(flat.size, f.bits),), ("uint8",), np.uint8, flat)
    _core.pack(flat, f.bits, output.flat)
    return output.done(codes)


def unpack(data: Any, spec: str | format | quantizer, count: int, *, out: Any = None) -> Any:
    """The codes that bytes hold: the inverse of pack.

    data    bytes, or uint8 in one dimension: ceil(count * bits / 8) of them
    spec    its element format says how wide a code is
    count   how many codes there are
    out     receives the result: `count` codes, in one dimension and their dtype

    Returns the codes in one dimension, in the smallest unsigned dtype that holds one and in the library of the data.

    Raises ValueError for more or fewer bytes, and if a bit after the last code is set; TypeError for other dtypes.
    """
    f = _quantizer(spec, "unpack").format
    number = _integer(count, "unpack", "count", 0, 2**62 // f.bits, "0 or more")
    taken = take(np.frombuffer(data, np.uint8) if isinstance(data, (bytes, bytearray)) else data, "unpack", "data")
    if taken.data.dtype.name != taken.dtype or taken.data.dtype != np.uint8:
        raise TypeError(f"unpack: data has dtype {taken.dtype}; give bytes or an array of uint8")
    flat, needed = taken.flat(), _core.packed_size(number, f.bits)
    if flat.size != needed:
        raise ValueError(
            f"unpack: data has {flat.size} bytes, and {number} codes of {f.bits} bits take {needed}; give what pack"
            " returned, and its spec and count"
        )
    output = Output("unpack", out, (number,), (_code_dtype(f).name,), _code_dtype(f), flat)
    _core.unpack(flat, f.bits, output.flat)
    return output.done(data)


def _operand(x: Any, spec: Any, name: str) -> tuple[Array, format, quantizer | None]:
    """A matrix, the format of its dtype and its quantizer."""
    taken = take(x, "matmul", name)
    storage = _DTYPES.get(taken.dtype)
    if storage is None or storage.bits == 64:
        raise TypeError(
            f"matmul: {name} has dtype {taken.dtype}; give float32, float16 or bfloat16, such as"
            f" {name}.astype(numpy.float32)"
        )
    if taken.data.ndim != 2:
        raise ValueError(
            f"matmul: {name} has shape {taken.data.shape}; give a matrix, of two axes, such as"
            f" {name}.reshape(-1, {name}.shape[-1])"
        )
    if spec is None:
        return taken, storage, None
    try:
        return taken, storage, _parsed(spec) if isinstance(spec, str) else quantizer(spec)
    except (ValueError, TypeError) as error:
        message = str(error).removeprefix("quantizer: ").replace("text is", "it is", 1)
        raise type(error)(f"matmul: {name}_spec: {message}") from None


def matmul(
    a: Any,
    b: Any,
    *,
    a_spec: str | format | quantizer | None = None,
    b_spec: str | format | quantizer | None = None,
    accumulator: str = "f32",
    seed: int = 0,
    stream: int = 0,
    step: int = 0,
    out: Any = None,
) -> Any:
    """The product of two matrices, its sums taken as an accumulator says.

    a, b    matrices of shape (m, k) and (k, n), of float32, float16 or bfloat16, as quantize takes arrays
    a_spec, b_spec
            quantizers of the operands, whose rows and blocks run along k; None: the operand as it is
    accumulator
            text: 'f32' (one chain of fused multiply-adds over ascending k), 'f64', 'exact', 'mx', 'kahan', 'pairwise',
            or an element whose grid the running sum is rounded to after each step, such as 'e8m13/rtz' or
            'e8m13/rtz:chunk=128->f32'.  docs/text_form.md defines them
    seed, stream, step
            of the noise of stochastic rounding, as for quantize; a, b and the sums draw from the streams `stream`,
            `stream` + 1 and `stream` + 2
    out     receives the result: an array of shape (m, n) and float32

    Returns float32 of shape (m, n), in a's library.

    Raises ValueError for shapes that do not fit, an impossible spec or accumulator, and `mx` where no operand has
    scales that vary along k; TypeError for other dtypes.
    """
    left, a_storage, a_quantizer = _operand(a, a_spec, "a")
    right, b_storage, b_quantizer = _operand(b, b_spec, "b")
    (m, k), (rows, n) = left.data.shape, right.data.shape
    if k != rows:
        raise ValueError(
            f"matmul: a has shape {left.data.shape} and b has shape {right.data.shape}; the columns of a are the rows of b"
        )
    if not isinstance(accumulator, str):
        raise TypeError(f"matmul: accumulator is a {type(accumulator).__name__}; give text, such as 'f32' or 'e8m13/rtz'")
    try:
        _core.accumulator_text(accumulator)
    except ValueError as error:
        raise ValueError(f"matmul: accumulator: {error}") from None
    noise = _noise("matmul", seed, stream, step)
    first, second = left.bits(), right.bits()
    output = Output("matmul", out, (m, n), ("float32",), np.dtype(np.float32), first)
    _core.matmul(
        first, a_storage, a_quantizer, second, b_storage, b_quantizer, (m, k, n), accumulator, noise, output.flat
    )
    return output.done(a)
