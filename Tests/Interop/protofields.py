"""Messages by Python's protobuf, and what has become of them: ProtoFieldsInteropTests runs it twice.

usage: protofields.py PROTO_FOLDER make        prints messages of every kind of field, in hexadecimal digits
       protofields.py PROTO_FOLDER check FILE  compares the messages in FILE with these
"""
import random
import subprocess
import sys
import tempfile

folder = tempfile.mkdtemp()
subprocess.run(["protoc", "-I", sys.argv[1], "--python_out", folder, "every.proto"], check=True)
sys.path.insert(0, folder)
import every_pb2  # noqa: E402

dice = random.Random(4)


def signed(bits):
    return dice.choice([0, 1, -1, 2 ** (bits - 1) - 1, -2 ** (bits - 1), dice.randrange(-300, 300)])


def unsigned(bits):
    return dice.choice([0, 1, 127, 128, 2 ** bits - 1, dice.randrange(2 ** bits)])


def text():
    return dice.choice(["", "x", "größer", "語" * dice.randrange(100), "y" * dice.randrange(20000)])


def number():
    return dice.choice([0.0, 1.5, -2.25, float("inf"), 1e300 * dice.random()])


def message(depth=0):
    some = every_pb2.Every(
        a=signed(32), b=signed(64), c=unsigned(32), d=unsigned(64), e=signed(32), f=signed(64), g=dice.random() < 0.5,
        h=unsigned(32), i=unsigned(64), j=number(), k=dice.choice([0.0, 0.5, -8.0]), l=text(), m=text().encode(),
        n=[signed(32) for _ in range(dice.randrange(5))], o=[signed(64) for _ in range(dice.randrange(5))],
        p=[number() for _ in range(dice.randrange(4))], q=[0.5] * dice.randrange(4),
        r=[text() for _ in range(dice.randrange(3))], s={text(): text() for _ in range(dice.randrange(3))})
    if depth < 3 and dice.random() < 0.6:
        some.t.CopyFrom(message(depth + 1))
        some.u.extend(message(depth + 1) for _ in range(dice.randrange(3)))
    return some


messages = [message() for _ in range(100)]
if sys.argv[2] == "make":
    for one in messages:
        print(one.SerializeToString().hex())
else:
    with open(sys.argv[3]) as file:
        lines = file.read().split("\n")[:len(messages)]
    for place, (one, line) in enumerate(zip(messages, lines)):
        if every_pb2.Every.FromString(bytes.fromhex(line)) != one:
            sys.exit("message %d is another one" % place)
    print("%d messages are the same" % len(lines))
