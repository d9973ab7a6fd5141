"""An original client of Flotilla's, played by this script, trains with a server of nodehost's, played by it too: what
is between them is SDK/python/nodehost_flotilla_bridge.

usage: flotilla_bridge.py REPOSITORY
"""
import base64
import concurrent.futures
import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import threading
import types
import zlib
from collections import OrderedDict

import grpc
import numpy

REPOSITORY = sys.argv[1]
FOLDER = tempfile.mkdtemp()
for folder, name in (("SDK/proto", "trainer.proto"), ("Tests/Interop", "edge.proto")):
    subprocess.run(
        ["protoc", "-I", os.path.join(REPOSITORY, folder), "--python_out", FOLDER, "--grpc_python_out", FOLDER,
         "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", name], check=True)
sys.path[:0] = [FOLDER, os.path.join(REPOSITORY, "SDK/python")]
import edge_pb2  # noqa: E402
import edge_pb2_grpc  # noqa: E402
import trainer_pb2 as pb  # noqa: E402
import trainer_pb2_grpc  # noqa: E402
from nodehost_flotilla_bridge import Bridge, Refused, Settings, reading, safetensors, wire, writing  # noqa: E402

# What PyTorch 2 writes of the state of torch.nn.Linear(2, 1).
LINEAR = zlib.decompress(base64.b64decode(
    "eNrVkMFq2zAYx23Zbai7jrJbbzt6l1DStY1PK13JRWzduosvQzi2Gqu4ViR9zsggkEvKNnSretsD7DH2OoO9wGCwfUm6jkL7ABVIQn/9v09//a"
    "bh1U/iLYZdz2VV8RyErI2z68e64JoXRyIHd+menbjYrn7gYlCCs49A6rxsswZEhd4nTPN+I6qCAa+N1GzUwZLYbixtBrdswJ3dZJXMCnaq5Tnr"
    "j4EbdB0GvudNyZeo+v219+vp2bc3W+0pefUjwHWivDjdxGxDLUFiPDbi2mA+5aMh3cCbSgBUnPG6EFmtyKc0QhHGQ86M+MiNCiYqjNMVFE0pNa"
    "gVStIAT6IGtUrDNJz3kPVAtWjYNPhmnLbm5mVk5eWLL0Q9DA7vlmKk/PQxepKd7n432d3tbifJXlct++bDRgWUvAYVvsVu75V3l9fP2tfU5+MF"
    "zu9u5k4c9ahPyYWjhPoX7nNJEDugbsO+yIwrW3EZvfzzkGntbXeeJ53btPx7aP3zIi3/BtbBwQ2pmZvP/5SaibNr7JxDVmSQuYVuPYdq65oEFh"
    "hj+u2/7kHjkw=="))
CANARY = os.path.join(FOLDER, "was-run")
checks = 0


def check(truth, what):
    global checks
    if not truth:
        sys.exit("failed at line %d: %s" % (sys._getframe(1).f_lineno, what))
    checks += 1


def refused(code, call, *words):
    try:
        answer = call()
    except grpc.RpcError as error:
        check(error.code() == code, "%s, not %s: %s" % (code, error.code(), error.details()))
        for word in words:
            check(word in error.details(), "%r is not in %r" % (word, error.details()))
    else:
        check(False, "answered %r" % (answer,))


class Evil:
    def __reduce__(self):
        return os.system, ("touch " + CANARY,)


class Client(edge_pb2_grpc.EdgeServiceServicer):
    """As client_grpc_manager.py: it trusts every pickle, and adds 1 to all weights."""

    def __init__(self):
        self.trainings, self.files, self.answer = [], {}, None
        self.gate, self.cancelled = None, threading.Event()

    def Echo(self, request, context):
        return edge_pb2.echoMessage(text=request.text)

    def StreamFile(self, requests, context):
        data = bytearray()
        for request in requests:
            if request.metadata.model_id and request.metadata.file_name:
                name = request.metadata.model_id, request.metadata.file_name
            data.extend(request.chunk_data)
        self.files[name] = bytes(data)
        return edge_pb2.StringResponse(text="received")

    def StartTraining(self, request, context):
        assert request.timeout_duration_s > 0 and pickle.loads(request.model_config) == {}
        weights = pickle.loads(request.model_wts)
        assert type(weights) is OrderedDict, weights
        self.trainings.append(request)
        if self.gate:
            if not context.add_callback(self.cancelled.set):
                self.cancelled.set()
            self.gate.wait(20)
        after = OrderedDict((name, value + numpy.float32(1)) for name, value in weights.items())
        metrics = {"time_taken_s": 0.5, "num_epochs": 1.0, "total_mini_batches": 4, "loss": numpy.float64(0.25),
                   "accuracy": 87.5}
        return edge_pb2.InitTrainResponse(
            model_id=request.model_id, client_id="3f2a", round_idx=request.round_idx,
            model_weights=self.answer or pickle.dumps(after), metrics=pickle.dumps(metrics))

    def StartValidation(self, request, context):
        weights = pickle.loads(request.model_wts)
        loss = float(sum(value.sum() for value in weights.values()))
        return edge_pb2.InitValidationResponse(
            model_id=request.model_id, metrics=pickle.dumps({"accuracy": 50.0, "loss": loss}))


def serve(client):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    edge_pb2_grpc.add_EdgeServiceServicer_to_server(client, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


MODEL = {"0.weight": numpy.arange(6, dtype="<f4").reshape(2, 3), "0.bias": numpy.array([-1, 2.5], "<f4"),
         "steps": numpy.array(7, "<f4")}
FILE = safetensors.write(MODEL)
TRAINING = {"model_id": "LeNet5", "model_class": "LeNet5_class", "dataset": "MNIST", "epochs": 3, "batch_size": 16,
            "learning_rate": 0.5, "loss_function": "crossentropy", "optimizer": "none"}


def requests(ticket=1, file=FILE, pieces=3, training=TRAINING, **more):
    values = dict(session="s", ticket=ticket, version=4, training=json.dumps(training), model="null", form="f32",
                  bytes=len(file), sha256=hashlib.sha256(file).hexdigest(), seed=1)
    values.update(more)
    yield pb.TrainRequest(task=pb.Task(**values))
    step = -(-len(file) // pieces)
    for start in range(0, len(file), step):
        yield pb.TrainRequest(piece=file[start:start + step])


def trained(stub, *words, **values):
    answers = list(stub.Train(requests(*words, **values), timeout=30))
    check(answers[0].WhichOneof("part") == "update", answers[0])
    file = b"".join(answer.piece for answer in answers[1:])
    check(len(file) == answers[0].update.bytes, "%d bytes" % len(file))
    return answers[0].update, safetensors.read(file)


def talk(client, stub):
    described = stub.Describe(pb.DescribeRequest(), timeout=10)
    check([(one.id, one.samples) for one in described.data_sets] == [("MNIST", 6000)], described)
    check(described.name == "pi_1" and list(described.forms) == ["f32"], described)

    update, tensors = trained(stub)
    check(list(tensors) == list(MODEL), list(tensors))
    for name, tensor in MODEL.items():
        check(numpy.array_equal(tensors[name], tensor + 1) and tensors[name].shape == tensor.shape, name)
    quality = update.quality
    check((quality.samples, quality.loss, quality.accuracy) == (6000, 0.25, 0.875), quality)
    asked = client.trainings[0]
    check((asked.model_id, asked.model_class, asked.dataset_id) == ("LeNet5", "LeNet5_class", "MNIST"), asked)
    check((asked.batch_size, asked.num_epochs, asked.round_idx, asked.learning_rate) == (16, 3, 4, 0.5), asked)
    check(client.files == {("LeNet5", "config.yaml"): b"a: 1\n", ("LeNet5", "model.py"): b"x" * 200_000}, "its files")

    # Asked twice it is the same work; another ticket is other work.
    again, same = trained(stub)
    check(len(client.trainings) == 1 and numpy.array_equal(same["0.bias"], tensors["0.bias"]), "trained twice")
    trained(stub, ticket=2)
    check(len(client.trainings) == 2 and len(client.files) == 2, client.files)

    quality = stub.Validate(requests(), timeout=10)
    check((quality.samples, quality.accuracy) == (6000, 0.5) and abs(quality.loss - 23.5) < 1e-6, quality)


def mistakes(client, stub):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused(invalid, lambda: trained(stub, form="int8+delta"), "f32 only", "update_form")
    refused(invalid, lambda: trained(stub, sha256="0" * 64), "not the one that was announced")
    refused(invalid, lambda: trained(stub, bytes=9), "more bytes")
    refused(invalid, lambda: trained(stub, training=dict(TRAINING, dataset="CIFAR")), "no data set `CIFAR`", "MNIST")
    refused(invalid, lambda: trained(stub, training=[]), "settings")
    refused(invalid, lambda: trained(stub, file=b"nonsense" * 9), "no task with a model")
    refused(invalid, lambda: list(stub.Train(iter([]), timeout=10)), "announced")

    # What a client sends is never run.
    internal = grpc.StatusCode.INTERNAL
    client.answer = pickle.dumps(OrderedDict(w=Evil()))
    refused(internal, lambda: trained(stub, ticket=50), "posix.system", "nothing of it was run")
    client.answer = pickle.dumps(OrderedDict(MODEL, steps=numpy.zeros((2, 2), "<f4")))
    refused(internal, lambda: trained(stub, ticket=51), "no steps of the shape ()")
    client.answer = pickle.dumps([1, 2])
    refused(internal, lambda: trained(stub, ticket=52), "a dictionary of tensors is expected")
    client.answer = None
    check(not os.path.exists(CANARY), "a pickle was run")

    # Whoever gives up gives up for the client too.
    client.gate = threading.Event()
    call = stub.Train(requests(ticket=60), timeout=30)
    count = len(client.trainings)
    while len(client.trainings) == count:
        client.cancelled.wait(0.01)
    call.cancel()
    check(client.cancelled.wait(10), "the client was not told")
    client.gate.set()
    client.gate = None
    trained(stub, ticket=61)


def read_as_pytorch_writes():
    found = reading.weights(LINEAR)
    check(found["weight"].tolist() == [[0.5, -2.0]] and found["bias"].tolist() == [3.0], found)


def written_for_pytorch():
    """With a stand-in of the few functions that the pickles name."""
    made = []
    module = types.ModuleType("torch")
    module.from_numpy = lambda array: made.append(array) or ("tensor", array)
    losses = types.ModuleType("torch.nn.modules.loss")
    losses.CrossEntropyLoss = type("CrossEntropyLoss", (), {})
    sgd = types.ModuleType("torch.optim.sgd")
    sgd.SGD = lambda *words: words
    for name, one in (("torch", module), ("torch.nn", module), ("torch.nn.modules", module), ("torch.optim", module),
                      ("torch.nn.modules.loss", losses), ("torch.optim.sgd", sgd)):
        sys.modules[name] = one
    weights = pickle.loads(writing.weights(MODEL, "torch"))
    check(type(weights) is OrderedDict and list(weights) == list(MODEL), weights)
    check(all(array.flags.writeable for array in made), "PyTorch wants to write there")
    for name, tensor in MODEL.items():
        check(numpy.array_equal(weights[name][1], tensor) and weights[name][1].shape == tensor.shape, name)
    check(pickle.loads(writing.loss("crossentropy")) is losses.CrossEntropyLoss, "the loss")
    check(pickle.loads(writing.loss("of our own")) is None, "the client takes its own")
    words = pickle.loads(writing.optimizer(dict(optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01)))
    check(words[1:] == (0.1, 0.9, 0.0, 0.01), words)
    for value in (None, True, 0, -1, 2**40, -2**70, 1.5, "é", b"\0", [1, (2,)], {"a": {}}):
        check(pickle.loads(writing.pickle(value)) == value, value)


def no_bytes_run_anything():
    """Thousands of pickles with bytes changed: each is read, or refused."""
    dice, seeds = random.Random(5), [LINEAR] + [
        pickle.dumps(OrderedDict(MODEL, s=numpy.float64(1)), protocol) for protocol in (2, 4, 5)]
    outcomes = {True: 0, False: 0}
    for turn in range(8000):
        data = bytearray(seeds[turn % len(seeds)])
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(data))
            data[place:place + dice.randint(0, 2)] = dice.randbytes(dice.randint(0, 2))
        try:
            for tensor in reading.weights(bytes(data)).values():
                tensor.shape
            outcomes[True] += 1
        except Refused:
            outcomes[False] += 1
        try:
            wire.decode(pb_table, bytes(data[:200]))
        except wire.Malformed:
            pass
    check(min(outcomes.values()) > 100, outcomes)
    for opcodes in (b"cos\nsystem\n(S'touch %s'\ntR." % CANARY.encode(), b"cbuiltins\neval\n.",
                    b"ccollections\nOrderedDict\n(N}X\x05\0\0\0_bodyNstb.", b"ctorch.storage\n_load_from_bytes\n)R."):
        try:
            reading.weights(opcodes)
            check(False, opcodes)
        except Refused:
            check(not os.path.exists(CANARY), opcodes)


pb_table = {1: ("task", {1: ("session", "text"), 2: ("ticket", "int")}), 2: ("pieces", ["bytes"]), 3: ("x", "float")}


def main():
    models = os.path.join(FOLDER, "LeNet5")
    os.mkdir(models)
    for name, text in (("config.yaml", "a: 1\n"), ("model.py", "x" * 200_000)):
        with open(os.path.join(models, name), "w") as file:
            file.write(text)
    read_as_pytorch_writes()
    no_bytes_run_anything()
    client = Client()
    server, port = serve(client)
    bridge = Bridge(Settings(client="127.0.0.1:%d" % port, data={"MNIST": 6000}, listen="127.0.0.1:0", name="pi_1",
                             weights="numpy", model_dir=models)).start()
    stub = trainer_pb2_grpc.TrainerStub(grpc.insecure_channel("127.0.0.1:%d" % bridge.port))
    talk(client, stub)
    mistakes(client, stub)
    server.stop(0).wait()
    refused(grpc.StatusCode.UNAVAILABLE, lambda: stub.Describe(pb.DescribeRequest(), timeout=10), "Flotilla's client")
    refused(grpc.StatusCode.UNAVAILABLE, lambda: trained(stub, ticket=70), "StartTraining")
    bridge.stop()
    written_for_pytorch()
    print("%d checks passed" % checks)


main()
