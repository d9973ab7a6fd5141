"""Files of named tensors: a length, a JSON header, and numbers."""
import json
import struct

import numpy

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1"}
HEADER_LIMIT = 100_000_000


def read(data):
    """The tensors by name, in the file's order."""
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else 0
    if not 2 <= length <= min(HEADER_LIMIT, len(data) - 8):
        raise ValueError("a file of %d bytes is no safetensors" % len(data))
    header, numbers = json.loads(bytes(data[8:8 + length])), memoryview(data)[8 + length:]
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        kind, shape = TYPES.get(entry["dtype"]), tuple(entry["shape"])
        if kind is None:
            raise ValueError("the tensor %s is of type %s" % (name, entry["dtype"]))
        if not 0 <= begin <= end <= len(numbers) or min(shape, default=0) < 0:
            raise ValueError("the tensor %s does not lie in its file" % name)
        tensors[name] = numpy.frombuffer(numbers[begin:end], kind).reshape(shape)
    return tensors


def write(tensors):
    """Of floats, in the order given."""
    header, parts, place = {}, [], 0
    for name, tensor in tensors.items():
        part = numpy.ascontiguousarray(tensor, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(numpy.shape(tensor)), "data_offsets": [place, place + len(part)]}
        parts.append(part)
        place += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *parts])
