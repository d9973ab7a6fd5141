"""Safetensors files, as far as models need them: the length of a header, the header in JSON, and the numbers."""
import json
import struct

import numpy

_TYPES = {"F64": numpy.dtype("<f8"), "F32": numpy.dtype("<f4"), "F16": numpy.dtype("<f2")}


def unpack(buffer):
    """The arrays by name, in the order of the file, as float32 of one's own."""
    (length,) = struct.unpack("<Q", bytes(buffer[:8]))
    header = json.loads(bytes(buffer[8 : 8 + length]))
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = (8 + length + place for place in entry["data_offsets"])
        numbers = numpy.frombuffer(bytes(buffer[first:last]), _TYPES[entry["dtype"]])
        arrays[name] = numbers.reshape(entry["shape"]).astype(numpy.float32)
    return arrays


def pack(arrays, shapes):
    """A file of the arrays, in their order, as float32."""
    header, numbers, place = {}, [], 0
    for name, shape in shapes.items():
        array = numpy.ascontiguousarray(arrays[name], dtype="<f4")
        if array.shape != tuple(shape):
            raise ValueError("%s has become %s and should be %s" % (name, array.shape, tuple(shape)))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [place, place + array.nbytes]}
        numbers.append(array.tobytes())
        place += array.nbytes
    text = json.dumps(header).encode()
    # So that the numbers begin where a processor likes it.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(numbers)
