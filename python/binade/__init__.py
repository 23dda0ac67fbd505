"""binade: bit-exact narrow-precision numerics for NumPy, PyTorch and everything that speaks DLPack.

    import binade, numpy as np

    x = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)
    binade.quantize(x, "mxfp4")                  # values on the grid, x's shape and dtype
    binade.encode(x, "e4m3fn")                   # codes
    codes, scales, tensor_scale = binade.encode(x, "nvfp4")
    binade.format("e4m3fn").max                  # 448.0

A spec is a text (docs/text_form.md) or a value made of one.  docs/python.md has the manual; binade.store reads the
studies that the program `binade` leaves behind.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Encoded", "decode", "encode", "format", "matmul", "pack", "quantize", "quantizer", "scaling", "unpack"]

if TYPE_CHECKING:
    from ._core import format, quantizer, scaling
    from ._verbs import Encoded, decode, encode, matmul, pack, quantize, unpack

    __version__: str
else:
    # Loaded with the first use: binade.store needs neither NumPy nor the compiled part, and so works without them.
    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("binade")
        if name not in __all__:
            raise AttributeError(f"module 'binade' has no attribute '{name}'")
        from . import _verbs

        globals().update({each: getattr(_verbs, each) for each in __all__})
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, "__version__"})
