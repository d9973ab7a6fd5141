"""Writes the pickles that Flotilla's clients read, without the libraries that these name: what a client makes of them
is made there, of its own PyTorch.
"""
import struct

import numpy


class Call:
    """What reading calls: a function of a module, with arguments."""

    def __init__(self, module, name, *arguments):
        self.module, self.name, self.arguments = module, name, arguments


class Name:
    """A function or class itself."""

    def __init__(self, module, name):
        self.module, self.name = module, name


def pickle(value):
    out = bytearray(b"\x80\x04")
    _write(out, value)
    return bytes(out + b".")


def _write(out, value):
    if value is None:
        out += b"N"
    elif isinstance(value, bool):
        out += b"\x88" if value else b"\x89"
    elif isinstance(value, int):
        data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
        out += b"\x8a" + bytes([len(data)]) + data
    elif isinstance(value, float):
        out += b"G" + struct.pack(">d", value)
    elif isinstance(value, str):
        data = value.encode()
        out += b"X" + struct.pack("<I", len(data)) + data
    elif isinstance(value, bytes):
        out += b"\x8e" + struct.pack("<Q", len(value)) + value
    elif isinstance(value, (tuple, list)):
        out += b"("
        for item in value:
            _write(out, item)
        out += b"t" if isinstance(value, tuple) else b"l"
    elif isinstance(value, dict):
        out += b"}("
        for item in value.items():
            _write(out, item[0])
            _write(out, item[1])
        out += b"u"
    elif isinstance(value, Name):
        out += ("c%s\n%s\n" % (value.module, value.name)).encode()
    elif isinstance(value, Call):
        _write(out, Name(value.module, value.name))
        _write(out, value.arguments)
        out += b"R"
    else:
        raise TypeError("nothing is known to pickle of %s" % type(value))


def array(tensor):
    tensor = tensor.astype(tensor.dtype.newbyteorder("<"), order="C")
    # Of a bytearray, since PyTorch shares its memory and wants to be able to write there.
    memory = Call("builtins", "bytearray", tensor.tobytes())
    return Call("numpy", "ndarray", tuple(tensor.shape), tensor.dtype.str, memory)


def tensor(value):
    return Call("torch", "from_numpy", array(value))


def weights(tensors, kind):
    """`kind`: "torch" or "numpy", what the client's model is made of."""
    make = tensor if kind == "torch" else array
    return pickle(Call("collections", "OrderedDict", [(name, make(value)) for name, value in tensors.items()]))


LOSSES = {"crossentropy": "CrossEntropyLoss", "mse": "MSELoss"}


def loss(name):
    known = LOSSES.get(name)
    return pickle(Name("torch.nn.modules.loss", known) if known else None)


def optimizer(training):
    """Of one parameter; the client puts its model's in its place. By position these are the same in all versions."""
    name, rate = training.get("optimizer", ""), float(training.get("learning_rate", 0.01))
    decay, one = float(training.get("weight_decay", 0)), [tensor(numpy.zeros(1, "<f4"))]
    if name == "sgd":
        return pickle(Call("torch.optim.sgd", "SGD", one, rate, float(training.get("momentum", 0)), 0.0, decay))
    if name in ("adam", "adamw"):
        return pickle(Call("torch.optim." + name, "Adam" if name == "adam" else "AdamW", one, rate, (0.9, 0.999), 1e-8,
                           decay))
    return pickle(None)
