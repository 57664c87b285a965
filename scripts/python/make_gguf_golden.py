"""Quantised tensors in a GGUF file, and what they are, by ggml's own Python package (PyPI `gguf`).

    python make_gguf_golden.py ../../crates/faculty-testkit/golden

writes OUT/quants.gguf and OUT/quants.safetensors. Types that the package can only read (Q4_K, Q6_K) are blocks of random
bytes under finite scales.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter, quants
from safetensors.numpy import save_file

QUANTISED = [("q4_0", Kind.Q4_0), ("q4_1", Kind.Q4_1), ("q8_0", Kind.Q8_0), ("bf16", Kind.BF16)]
# Bytes of a block of 256 values, and where its half-precision scales lie.
RANDOM = [("q4_k", Kind.Q4_K, 144, [0, 2]), ("q6_k", Kind.Q6_K, 210, [208])]


def main(out):
    draws = np.random.default_rng(7)
    writer = GGUFWriter(out / "quants.gguf", "test")
    writer.add_string("test.text", "a text: żółw")
    writer.add_uint32("test.count", 7)
    writer.add_int16("test.negative", -3) if hasattr(writer, "add_int16") else writer.add_int32("test.negative", -3)
    writer.add_float32("test.share", 0.25)
    writer.add_bool("test.yes", True)
    writer.add_array("test.words", ["one", "two", ""])
    writer.add_array("test.numbers", [1, 2, 3])
    expected = {}
    plain = draws.normal(size=(3, 5)).astype(np.float32)
    writer.add_tensor("f32", plain)
    expected["f32"] = plain
    half = draws.normal(size=(2, 3, 4)).astype(np.float16)
    writer.add_tensor("f16", half)
    expected["f16"] = half.astype(np.float32)
    for name, kind in QUANTISED:
        values = (draws.normal(size=(3, 96)) * 0.1).astype(np.float32)
        stored = quants.quantize(values, kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
        expected[name] = quants.dequantize(stored, kind).astype(np.float32).reshape(values.shape)
    for name, kind, size, scales in RANDOM:
        blocks = draws.integers(0, 256, size=(6, size), dtype=np.uint8)
        for at in scales:
            scale = draws.normal(size=6).astype(np.float16) * np.float16(0.01)
            blocks[:, at : at + 2] = scale.astype(np.float16).reshape(6, 1).view(np.uint8)
        stored = blocks.reshape(3, 2 * size)
        writer.add_tensor(name, stored, raw_dtype=kind)
        expected[name] = quants.dequantize(stored, kind).astype(np.float32).reshape(3, 512)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, out / "quants.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
