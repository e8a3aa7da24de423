"""Reference values of GGUF's Q4_K and Q6_K: random blocks, read by gguf-py.

    pip install gguf numpy && python kquants.py        (made with gguf 0.19, NumPy 2.4)

Writes kquants.bin beside this file: 8 blocks of Q4_K, their 8 * 256 values as f32, then the same of Q6_K, all little-endian.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize

BLOCKS = 8


def blocks(rng: np.random.Generator, size: int, scales: list[int]) -> np.ndarray:
    """Random bytes with f16 scales that are finite: of usual size, zero, negative, subnormal, large."""
    out = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in scales:
        d = rng.uniform(0.001, 0.1, BLOCKS).astype(np.float16)
        d[1:6] = [0.0, -0.03, 6e-8, 1e-5, 30000.0]
        out[:, at : at + 2] = d.view(np.uint8).reshape(BLOCKS, 2)
    return out


def main() -> None:
    rng = np.random.default_rng(6)
    with Path(__file__).with_suffix(".bin").open("wb") as file:
        for kind, size, scales in [(Type.Q4_K, 144, [0, 2]), (Type.Q6_K, 210, [208])]:
            data = blocks(rng, size, scales)
            file.write(data.tobytes())
            file.write(dequantize(data, kind).astype("<f4").tobytes())


main()
