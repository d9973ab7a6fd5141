"""A server of federated learning in Python, beside a node with the role trainer. TrainerProcessTests runs it."""
import hashlib
import json
import struct
import sys
import time

import grpc

sys.path.insert(0, sys.argv[1])
import trainer_pb2 as wire

ADDRESS = sys.argv[2]
SHAPES = {"0.weight": (16, 784), "0.bias": (16,), "2.weight": (10, 16), "2.bias": (10,)}
MODEL = {"input": [784], "layers": [{"dense": 16}, "relu", {"dense": 10}]}
checks = 0


def check(truth, what):
    global checks
    if not truth:
        sys.exit("failed: %s" % (what,))
    checks += 1


def safetensors(values):
    header, place = {}, 0
    for name, shape in SHAPES.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack("<%df" % (place // 4), *values)


def numbers(file):
    (length,) = struct.unpack_from("<Q", file)
    header = json.loads(file[8 : 8 + length])
    header.pop("__metadata__", None)
    check({name: tuple(entry["shape"]) for name, entry in header.items()} == SHAPES, "the update's tensors")
    return struct.unpack_from("<%df" % ((len(file) - 8 - length) // 4), file, 8 + length)


def requests(task, file):
    yield wire.TrainRequest(task=task)
    for start in range(0, len(file), 20_000):
        yield wire.TrainRequest(piece=file[start : start + 20_000])


def task(file, ticket, **training):
    return wire.Task(
        session="python", ticket=ticket, version=ticket, training=json.dumps(training), model=json.dumps(MODEL),
        form="f32", bytes=len(file), sha256=hashlib.sha256(file).hexdigest(), seed=ticket)


def train(channel, file, ticket, **training):
    call = channel.stream_stream(
        "/nodehost.learning.Trainer/Train", request_serializer=wire.TrainRequest.SerializeToString,
        response_deserializer=wire.TrainAnswer.FromString)
    return call(requests(task(file, ticket, **training), file), timeout=60)


def update(answers):
    head, file = None, b""
    for answer in answers:
        if answer.HasField("update"):
            head = answer.update
        elif answer.WhichOneof("part") == "piece":
            check(head is not None, "the head comes first")
            file += answer.piece
    check(len(file) == head.bytes, "as many bytes as were announced")
    return head, file


def learns(channel):
    values = [((i * 7919) % 1000 / 1000 - 0.5) / 10 for i in range(16 * 784 + 16 + 160 + 10)]
    losses = []
    for ticket in range(1, 5):
        head, file = update(
            train(channel, safetensors(values), ticket, dataset="digits", epochs=2, learning_rate=0.05))
        check(head.quality.samples == 450 and head.seconds > 0, "what the update says: %s" % head)
        losses.append(head.quality.loss)
        values = numbers(file)
    check(losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2, "the losses fall: %s" % losses)
    validate = channel.stream_unary(
        "/nodehost.learning.Trainer/Validate", request_serializer=wire.TrainRequest.SerializeToString,
        response_deserializer=wire.Quality.FromString)
    file = safetensors(values)
    quality = validate(requests(task(file, 9, dataset="digits"), file), timeout=60)
    check(quality.samples == 50 and quality.accuracy > 0.5, "what was learnt: %s" % quality)


def gives_up(channel):
    file = safetensors([0.01] * (16 * 784 + 16 + 160 + 10))
    call = train(channel, file, 20, dataset="digits", epochs=10_000, batch_size=1, learning_rate=1e-6)
    progress = next(answer.progress for answer in call if answer.HasField("progress"))
    check(0 < progress.batches < progress.of == 4_500_000, "it says how far it is: %s" % progress)
    began = time.monotonic()
    call.cancel()
    # The next one is not held up by what nobody waits for.
    head, _ = update(train(channel, file, 21, dataset="digits", max_batches=1))
    check(time.monotonic() - began < 5, "the next one came after %.1f s" % (time.monotonic() - began))


def refuses(channel):
    file = safetensors([0.01] * (16 * 784 + 16 + 160 + 10))
    try:
        update(train(channel, file, 30, dataset="faces"))
        sys.exit("failed: there is no such data set")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.NOT_FOUND and "`digits`" in error.details(), error)


def hangs(channel):
    """The program of this trainer does nothing, for ever; a task may take a second."""
    file, began = safetensors([0.01] * (16 * 784 + 16 + 160 + 10)), time.monotonic()
    try:
        update(train(channel, file, 1, dataset="digits"))
        sys.exit("failed: nobody has trained")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
        check(0.9 < time.monotonic() - began < 10, "it took %.1f s" % (time.monotonic() - began))
    given_up = train(channel, file, 2, dataset="digits")
    time.sleep(0.3)
    given_up.cancel()
    under_way = train(channel, file, 3, dataset="digits")
    time.sleep(0.4)
    print("under way", flush=True)
    try:
        update(under_way)
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.UNAVAILABLE, error)
        print("%d checks" % checks, flush=True)
    sys.exit(0)


with grpc.insecure_channel(ADDRESS) as channel:
    if sys.argv[3:] == ["hangs"]:
        hangs(channel)
    describe = channel.unary_unary(
        "/nodehost.learning.Trainer/Describe", request_serializer=wire.DescribeRequest.SerializeToString,
        response_deserializer=wire.Description.FromString)
    description = describe(wire.DescribeRequest(), timeout=30, wait_for_ready=True)
    check([(d.id, d.samples, sum(d.labels)) for d in description.data_sets] == [("digits", 450, 450)], description)
    learns(channel)
    gives_up(channel)
    refuses(channel)
print("%d checks" % checks)
