"""Reads model files with the gguf and safetensors packages from PyPI and prints what they see, one JSON line a file.

usage: read_files.py FILE...
Each line: {"file", "tensors": {name: [type, shape outermost first, sha256 of its bytes]}, "metadata": {key: value}} or {"file", "error"}.
Exits with 3 when a package is missing."""
import hashlib
import json
import struct
import sys

try:
    import gguf
    import safetensors
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(3)


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()


def plain(value):
    """Values as JSON has them: integers as strings, floats as the bytes of a double."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, bool) or isinstance(value, str):
        return value
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    return str(value)


def read_gguf(path):
    reader = gguf.GGUFReader(path)
    tensors = {
        t.name: [t.tensor_type.name, [int(d) for d in reversed(t.shape.tolist())], digest(t.data.tobytes())] for t in reader.tensors
    }
    metadata = {key: plain(field.contents()) for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    return {"tensors": tensors, "metadata": metadata}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    tensors = {name: [t["dtype"], list(t["shape"]), digest(t["data"])] for name, t in safetensors.deserialize(data)}
    return {"tensors": tensors, "metadata": {}}


for path in sys.argv[1:]:
    try:
        found = read_gguf(path) if path.endswith(".gguf") else read_safetensors(path)
    except Exception as error:  # what a package throws is its answer
        found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"file": path, **found}))
