"""Reads the pickles that Flotilla's clients write, and runs none of what they may name.

A pickle is a program. Here it can name a handful of functions, each of which is replaced by one of this file: those
that PyTorch and numpy need to put tensors together again, and OrderedDict. Everything else is refused. Neither library
is called: even torch.load, which pickles of tensors name, would run what is in them.
"""
import io
import pickle
import pickletools
import struct

import numpy

STORAGES = {"DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
            "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1",
            "ByteStorage": "<u1", "BoolStorage": "<u1"}
NUMBERS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1")
MAGIC = 0x1950A86A20F9469CFC6C


class Refused(Exception):
    """The pickle has what no weights need, or is damaged."""


def _refusing(read):
    """Whatever goes wrong, the pickle is at fault."""
    def reading(data):
        try:
            return read(data)
        except Refused:
            raise
        except Exception as error:
            raise Refused("the pickle cannot be read: %s" % error) from None
    return reading


@_refusing
def weights(data):
    """Arrays by name, of an OrderedDict of tensors or arrays."""
    found = _load(_Reader, io.BytesIO(data))
    if not isinstance(found, dict) or not found:
        raise Refused("the client's weights are %s; a dictionary of tensors is expected" % type(found).__name__)
    return {_name(name): _array(value, name) for name, value in found.items()}


@_refusing
def metrics(data):
    """Numbers by name; what is no number is left out."""
    found = _load(_Reader, io.BytesIO(data))
    if not isinstance(found, dict):
        raise Refused("the client's metrics are %s; a dictionary is expected" % type(found).__name__)
    numbers = {}
    for name, value in found.items():
        if isinstance(value, (int, float)):
            numbers[name] = float(value)
        elif isinstance(value, (numpy.ndarray, _Array)) and _array(value, name).size == 1:
            numbers[name] = float(_array(value, name).reshape(()))
    return numbers


def _name(name):
    if not isinstance(name, str):
        raise Refused("a tensor is called %r; text is expected" % (name,))
    return name


def _array(value, name):
    value = value.whole() if isinstance(value, _Array) else value
    if not isinstance(value, numpy.ndarray):
        raise Refused("%s is %s; a tensor is expected" % (name, type(value).__name__))
    return value


class _Reader(pickle.Unpickler):
    def find_class(self, module, name):
        known = ALLOWED.get((module, name))
        if known is None:
            raise Refused("the pickle names %s.%s, which no weights need; nothing of it was run" % (module, name))
        return known


def _load(reader, file):
    """Looks at all lengths first: pickle would make room for what a few bytes announce, and only then look for it."""
    start, size = file.tell(), file.getbuffer().nbytes
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("PUT", "LONG_BINPUT") and argument > size:
            raise Refused("the pickle keeps more than it has")
    file.seek(start)
    return reader(file).load()


class _Function:
    """Stands for a function. A pickle can set attributes of what it names; of this it cannot."""

    __slots__ = ("_body",)

    def __init__(self, body):
        object.__setattr__(self, "_body", body)

    def __setattr__(self, name, value):
        raise Refused("the pickle changes a function")

    def __call__(self, *arguments):
        return self._body(*arguments)


class _Dictionary(dict):
    def __setstate__(self, state):
        """PyTorch keeps versions of modules there."""


class _Type:
    """A numpy.dtype; its byte order comes in its state."""

    def __init__(self, code, *_):
        if not isinstance(code, str) or code.lstrip("<=|") not in NUMBERS:
            raise Refused("an array of type %r" % (code,))
        self.code = code.lstrip("<=|")

    def __setstate__(self, state):
        if state[1] not in ("<", "=", "|"):
            raise Refused("an array of another byte order")

    @property
    def dtype(self):
        return numpy.dtype("<" + self.code)


class _Array:
    """A numpy.ndarray, whose shape, type and numbers come in its state."""

    def __init__(self, *_):
        self.state = None

    def __setstate__(self, state):
        self.state = state

    def whole(self):
        if self.state is None:
            raise Refused("an array without content")
        _, shape, kind, is_fortran, data = self.state
        return _filled(data, kind, shape, "F" if is_fortran else "C")


def _filled(data, kind, shape, order):
    if not isinstance(data, (bytes, bytearray)) or not isinstance(kind, _Type):
        raise Refused("an array of objects")
    return numpy.frombuffer(data, kind.dtype).reshape(shape, order=order)


class _Storage:
    def __init__(self, kind, count):
        self.kind, self.count, self.numbers = kind, count, None


def _storage(data):
    """The format in which PyTorch keeps a storage inside a pickle: three numbers, an object, keys, and contents."""
    file = io.BytesIO(data)
    found = {}

    class Parts(_Reader):
        def persistent_load(self, parts):
            if len(parts) < 5 or parts[0] != "storage" or parts[1] not in STORAGES.values():
                raise Refused("a storage of an unknown kind")
            if len(parts) > 5 and parts[5] is not None:
                raise Refused("a storage that is a part of another")
            return found.setdefault(str(parts[2]), _Storage(parts[1], int(parts[4])))

    magic, version, system = (_load(Parts, file) for _ in range(3))
    if magic != MAGIC or version != 1001 or not isinstance(system, dict) or not system.get("little_endian", True):
        raise Refused("a storage of another format")
    storage, keys = _load(Parts, file), _load(Parts, file)
    for key in keys:
        one = found.get(str(key))
        if one is None:
            raise Refused("a storage that nothing names")
        _fill(one, file)
    if not isinstance(storage, _Storage) or storage.numbers is None:
        raise Refused("a storage without content")
    return storage


def _fill(storage, file):
    width = 2 if storage.kind == "bfloat16" else numpy.dtype(storage.kind).itemsize
    count = struct.unpack("<q", file.read(8))[0]
    data = file.read(max(0, count) * width)
    if count != storage.count or len(data) != count * width:
        raise Refused("a storage of %d numbers has %d bytes" % (storage.count, len(data)))
    if storage.kind == "bfloat16":
        storage.numbers = (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    else:
        storage.numbers = numpy.frombuffer(data, storage.kind)


def _tensor(storage, offset, size, stride, *_):
    if not isinstance(storage, _Storage) or len(size) != len(stride):
        raise Refused("a tensor of no storage")
    parts = [offset, *size, *stride]
    if any(not isinstance(part, int) or part < 0 for part in parts):
        raise Refused("a tensor with a place below 0")
    count, last = 1, offset
    for length, step in zip(size, stride):
        count, last = count * length, last + (length - 1) * step
    if count > 0 and last >= len(storage.numbers):
        raise Refused("a tensor that is larger than its storage")
    width = storage.numbers.itemsize
    rest = storage.numbers[offset:] if count else storage.numbers[:0]
    # A view: many tensors may share a storage, and what they take together is looked at before one is copied.
    strides = tuple(step * width for step in stride)
    return numpy.lib.stride_tricks.as_strided(rest, tuple(size), strides, writeable=False)


def _parameter(data, *_):
    return data


def _scalar(kind, data):
    return _filled(data, kind, (), "C")


def _frombuffer(data, kind, shape, order):
    return _filled(data, kind, shape, order)


def _bytes(text, encoding):
    """How bytes stand in a pickle of protocol 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("bytes in an encoding of their own")
    return text.encode("latin1")


def _reconstruct(*_):
    return _Array()


ALLOWED = {
    ("collections", "OrderedDict"): _Function(_Dictionary),
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Function(_parameter),
    ("torch.storage", "_load_from_bytes"): _Function(_storage),
    ("_codecs", "encode"): _Function(_bytes),
    # What arrays are made of; as an argument only.
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Function(_Type),
}
for package in ("numpy.core", "numpy._core"):
    ALLOWED[package + ".multiarray", "_reconstruct"] = _Function(_reconstruct)
    ALLOWED[package + ".multiarray", "scalar"] = _Function(_scalar)
    ALLOWED[package + ".numeric", "_frombuffer"] = _Function(_frombuffer)
for storage, kind in STORAGES.items():
    ALLOWED["torch", storage] = kind
