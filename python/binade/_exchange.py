"""Arrays from and to other libraries: NumPy with ml_dtypes, DLPack (PyTorch, JAX), buffers.  No arithmetic."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from . import _core

# Of DLPack's devices those that the processor reads: its own memory, and what CUDA and ROCm pin or manage there.
_HOST_DEVICES = {1, 3, 11, 13}

# Names of dtypes, and the formats that they are.  The others of ml_dtypes and PyTorch, such as float8_e4m3fn, have the
# format in their name.
_FORMATS = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
_OF_NUMPY = {"float64", "float32", "float16"}  # whatever other packages registered there


@lru_cache(maxsize=None)
def format_of(dtype: str) -> _core.format | None:
    """The format of a dtype's values; None for integers, complex numbers and the like."""
    named = re.fullmatch(r"float\d+_(\w+)", dtype)
    text = named.group(1) if named else _FORMATS.get(dtype)
    try:
        return _core.format(text) if text else None
    except ValueError:
        return None


class Array(NamedTuple):
    """What a caller gave, as NumPy sees it."""

    data: np.ndarray  # native byte order; of dtypes that are not NumPy's own, their bits as unsigned integers
    dtype: str  # the dtype's name
    original: Any  # the dtype, as its library has it

    def flat(self) -> np.ndarray:
        """All elements in storage order in one piece of memory: a view where possible, else a copy."""
        flags = self.data.flags
        return (self.data if flags.c_contiguous and flags.aligned else self.data.copy("C")).reshape(-1)

    def bits(self) -> np.ndarray:
        """flat(), with 16-bit floating point as unsigned integers, too."""
        flat = self.flat()
        return flat.view(np.uint16) if flat.dtype == np.float16 else flat


def _library(x: Any) -> Any:
    """The namespace of x's library."""
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    return sys.modules[type(x).__module__.partition(".")[0]]


def _bits_dtype(size: int) -> str:
    return f"uint{8 * size}"


def _is_on_host(x: Any) -> bool:
    try:
        return int(x.__dlpack_device__()[0]) in _HOST_DEVICES
    except ValueError:  # PyTorch, of devices that DLPack does not have
        return False


def _from_dlpack(x: Any, what: str) -> np.ndarray:
    if not _is_on_host(x):
        raise TypeError(
            f"{what} is on the device {getattr(x, 'device', '')}; the verbs work in the memory of the CPU: copy it there"
            " first, in PyTorch by .cpu()"
        )
    dtype = str(x.dtype).rpartition(".")[2]
    if format_of(dtype) is not None and dtype not in _OF_NUMPY:
        x = x.view(getattr(_library(x), _bits_dtype(x.dtype.itemsize)))
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError) as error:
        raise TypeError(f"{what} ({type(x).__name__} of {dtype}) cannot be read: {error}") from None


def take(x: Any, function: str, argument: str) -> Array:
    """What a caller gave as an argument of a function, without a copy where it is an array."""
    what = f"{function}: {argument}"
    if not isinstance(x, (np.ndarray, np.generic)) and hasattr(x, "__dlpack__"):
        return Array(_from_dlpack(x, what), str(x.dtype).rpartition(".")[2], x.dtype)
    try:
        data = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"{what} ({type(x).__name__}) is no array: {error}") from None
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    name, original = data.dtype.name, x.dtype if isinstance(x, np.ndarray) else data.dtype
    if format_of(name) is not None and name not in _OF_NUMPY:
        data = data.view(_bits_dtype(data.dtype.itemsize))
    return Array(data, name, original)


def give(result: np.ndarray, like: Any, dtype: Any = None) -> Any:
    """A result in the library of what was given, its bits as this dtype of that library."""
    library = None if isinstance(like, (np.ndarray, np.generic)) or not hasattr(like, "__dlpack__") else _library(like)
    if hasattr(library, "from_dlpack"):
        result = library.from_dlpack(result)
    elif dtype is not None and not np.dtype(dtype).isnative:
        return result.view(np.dtype(dtype).newbyteorder("=")).astype(dtype)
    return result if dtype is None else result.view(dtype)


class Output:
    """Where a result goes: memory of its own, or what the caller gave as `out`."""

    def __init__(
        self, function: str, out: Any, shape: tuple[int, ...], dtypes: tuple[str, ...], bits: Any, source: np.ndarray
    ):
        """
        dtypes  names of what `out` may be
        bits    the dtype that the result is written in: what the bits of the others are taken as
        source  is read while the result is written
        """
        self._out, self._target = out, None
        if out is None:
            self.array = np.empty(shape, bits)
            return
        what = f"{function}: out"
        if not isinstance(out, np.ndarray) and not hasattr(out, "__dlpack__"):
            raise TypeError(f"{what} is {type(out).__name__}; give an array to write to")
        taken = take(out, function, "out")
        data = taken.data
        if taken.dtype not in dtypes or (isinstance(out, np.ndarray) and not out.dtype.isnative):
            raise TypeError(
                f"{what} has dtype {out.dtype} and the result is {' or '.join(dtypes)}; give an array of" " that dtype"
            )
        if data.shape != shape:
            raise ValueError(f"{what} has shape {data.shape} and the result {shape}; give an array of that shape")
        if not data.flags.writeable and not isinstance(out, np.ndarray):
            data = np.asarray(out)  # before NumPy 2.1 what comes by DLPack counts as read-only
        if not data.flags.writeable:
            raise ValueError(f"{what} ({type(out).__name__}) is read-only; give an array that can be written to")
        self._target = data.view(bits)
        # Onto the very elements that it is made of a result can be written, onto others of the same memory it cannot.
        is_onto_itself = (data.ctypes.data, data.size, data.itemsize) == (
            source.ctypes.data,
            source.size,
            source.itemsize,
        )
        is_safe = is_onto_itself or not np.may_share_memory(data, source)
        is_direct = is_safe and data.flags.c_contiguous and data.flags.aligned
        self.array = self._target if is_direct else np.empty(shape, bits)

    @property
    def flat(self) -> np.ndarray:
        return self.array.reshape(-1)

    def done(self, like: Any, dtype: Any = None) -> Any:
        """What the caller gets: `out`, or the result in the library of what was given, its bits as this dtype."""
        if self._target is None:
            return give(self.array, like, dtype)
        if self.array is not self._target:
            self._target[...] = self.array
        return self._out
