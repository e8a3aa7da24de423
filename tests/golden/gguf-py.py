"""Reads GGUF files with the gguf package from PyPI and prints, for each file, its metadata and the SHA-256 of every tensor's values as f32 (of its bytes where the package cannot decode the type)."""
import hashlib, json, sys
import numpy as np
from gguf import GGUFReader, quants

out = {}
for path in sys.argv[1:]:
    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    tensors = {}
    for t in reader.tensors:
        try:
            values, what = np.ascontiguousarray(quants.dequantize(t.data, t.tensor_type), dtype=np.float32), "values"
        except NotImplementedError:
            values, what = t.data, "bytes"
        # gguf-py keeps ggml's order of extents: innermost first.
        tensors[t.name] = {"type": t.tensor_type.name, "shape": [int(n) for n in reversed(t.shape)], "of": what, "sha256": hashlib.sha256(values.tobytes()).hexdigest()}
    out[path] = {"fields": fields, "tensors": tensors}
json.dump(out, sys.stdout, default=str)
