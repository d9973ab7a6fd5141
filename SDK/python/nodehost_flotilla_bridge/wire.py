"""The messages of gRPC as dictionaries, in a few lines: generated code would fix the version of protobuf, and the
bridge runs in the client's environment, which has one already.

A message is described by a table {number: (name, kind)}; a kind is "int", "float", "double", "text", "bytes", the table
of a message, or one of these in a list, for a field that repeats. What is not in a table is passed over.
"""
import struct

LIMIT = 1 << 63


class Malformed(ValueError):
    pass


def encode(table, values):
    out = bytearray()
    for number, (name, kind) in table.items():
        if name not in values or values[name] is None:
            continue
        repeats = isinstance(kind, list)
        for value in values[name] if repeats else [values[name]]:
            _write(out, number, kind[0] if repeats else kind, value)
    return bytes(out)


def _varint(out, value):
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _write(out, number, kind, value):
    if kind == "int":
        _varint(out, number << 3)
        _varint(out, int(value) & (1 << 64) - 1)
    elif kind in ("float", "double"):
        _varint(out, number << 3 | (5 if kind == "float" else 1))
        out += struct.pack("<f" if kind == "float" else "<d", value)
    else:
        content = encode(kind, value) if isinstance(kind, dict) else value.encode() if kind == "text" else value
        _varint(out, number << 3 | 2)
        _varint(out, len(content))
        out += content


def decode(table, data):
    values, place = {}, 0
    data = memoryview(data)
    while place < len(data):
        key, place = _read_varint(data, place)
        number, form = key >> 3, key & 7
        if form == 0:
            content, place = _read_varint(data, place)
        else:
            if form == 2:
                length, place = _read_varint(data, place)
            else:
                length = {1: 8, 5: 4}.get(form, -1)
            if length < 0 or length > len(data) - place:
                raise Malformed("a field of kind %d with %d bytes" % (form, length))
            content, place = data[place:place + length], place + length
        if number in table:
            _take(values, *table[number], form, content)
    return values


def _read_varint(data, place):
    value = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, place
    raise Malformed("a number without an end")


def _take(values, name, kind, form, content):
    repeats = isinstance(kind, list)
    kind = kind[0] if repeats else kind
    expected = {"int": 0, "float": 5, "double": 1}.get(kind if isinstance(kind, str) else "", 2)
    if form != expected:
        raise Malformed("the field %s has form %d" % (name, form))
    if kind == "int":
        value = content - (1 << 64) if content >= LIMIT else content
    elif kind in ("float", "double"):
        value = struct.unpack("<f" if kind == "float" else "<d", content)[0]
    elif kind == "text":
        value = bytes(content).decode(errors="replace")
    else:
        value = decode(kind, content) if isinstance(kind, dict) else bytes(content)
    if repeats:
        values.setdefault(name, []).append(value)
    else:
        values[name] = value
