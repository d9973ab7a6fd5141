"""A trainer to nodehost's servers, and to one client of Flotilla's a server."""
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import logging
import os
import threading
import time

import grpc

from . import messages, reading, safetensors, wire, writing

log = logging.getLogger("nodehost_flotilla_bridge")
PIECE = 65_536
CALL_LIMIT = 1000 << 20
OPTIONS = [("grpc.max_receive_message_length", CALL_LIMIT), ("grpc.max_send_message_length", CALL_LIMIT)]


@dataclasses.dataclass
class Settings:
    client: str                       # HOST:PORT of the client's gRPC
    data: dict                        # its data sets, with how many samples each has: the client does not say
    listen: str = "0.0.0.0:50063"
    name: str = ""                    # the client's, if left out
    weights: str = "torch"            # or numpy: what the client's model is made of
    model_dir: str = ""               # of the model's files, sent to the client before its first training
    most_bytes: int = 1 << 30         # of a model
    kept: int = 4                     # answers that are given again if asked again


class Edge:
    """The client's service."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, OPTIONS)

    def call(self, method, request, answer, values, timeout, stop=None):
        call = self.channel.unary_unary("/EdgeService/" + method)
        future = call.future(wire.encode(request, values), timeout=timeout)
        # False: it is over already.
        if stop and not stop(future.cancel):
            future.cancel()
        return wire.decode(answer, future.result())

    def echo(self):
        return self.call("Echo", messages.ECHO, messages.ECHO, {"text": "nodehost"}, 10)["text"]

    def send_folder(self, model, folder):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_file():
                self.channel.stream_unary("/EdgeService/StreamFile")(self._file(model, entry), timeout=600)
                log.info("the client has %s of the model %s", entry.name, model)

    @staticmethod
    def _file(model, entry):
        head = {"metadata": {"model_id": model, "file_name": entry.name}}
        yield wire.encode(messages.UPLOAD, head)
        with open(entry.path, "rb") as file:
            while piece := file.read(PIECE):
                yield wire.encode(messages.UPLOAD, {"chunk_data": piece})


class Bridge:
    def __init__(self, settings):
        self.settings = settings
        self.edge = Edge(settings.client)
        self.busy = threading.Lock()
        self.sent = set()
        self.answers = collections.OrderedDict()
        self.rounds = 0
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=OPTIONS)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("nodehost.learning.Trainer", {
            "Describe": grpc.unary_unary_rpc_method_handler(self.describe),
            "Train": grpc.stream_stream_rpc_method_handler(self.train),
            "Validate": grpc.stream_unary_rpc_method_handler(self.validate)}),))
        self.port = self.server.add_insecure_port(settings.listen)
        if not self.port:
            raise OSError("cannot listen at %s" % settings.listen)

    def start(self):
        self.server.start()
        return self

    def stop(self):
        self.server.stop(0).wait()

    # MARK: nodehost.learning.Trainer

    def describe(self, _, context):
        try:
            self.edge.echo()
        except grpc.RpcError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Flotilla's client at %s: %s" % (self.settings.client,
                                                                                       error.details()))
        sets = [{"id": name, "samples": samples} for name, samples in self.settings.data.items()]
        return wire.encode(messages.DESCRIPTION, {
            "name": self.settings.name or self.settings.client, "hardware": "a client of Flotilla's", "data_sets": sets,
            "forms": ["f32"], "capabilities": ["flotilla"]})

    def train(self, requests, context):
        task, model = self._model(requests, context)
        with self._work(context):
            key = tuple(sorted(task.items()))
            if key not in self.answers:
                self.answers[key] = self._trained(task, model, context)
                while len(self.answers) > self.settings.kept:
                    self.answers.popitem(last=False)
            update, file = self.answers[key]
        yield wire.encode(messages.TRAIN_ANSWER, {"update": update})
        for start in range(0, len(file), PIECE):
            yield wire.encode(messages.TRAIN_ANSWER, {"piece": file[start:start + PIECE]})

    def validate(self, requests, context):
        task, model = self._model(requests, context)
        with self._work(context):
            training, values = self._values(task, model, context)
            answer = self._ask("StartValidation", messages.VALIDATION, messages.VALIDATED, values, training, context)
            return wire.encode(messages.QUALITY, self._quality(answer, training, context))

    # MARK: A task

    def _model(self, requests, context):
        """The task, and the model's tensors."""
        task, pieces, size = None, [], 0
        try:
            for request in requests:
                part = wire.decode(messages.TRAIN_REQUEST, request)
                task = part.get("task", task)
                pieces.append(part.get("piece", b""))
                size += len(pieces[-1])
                if task is None or size > min(task.get("bytes", 0), self.settings.most_bytes):
                    self._refuse(context, "the model has more bytes than were announced, or than %d"
                                 % self.settings.most_bytes)
            data = b"".join(pieces)
            if task is None or hashlib.sha256(data).hexdigest() != task.get("sha256"):
                self._refuse(context, "the model is not the one that was announced")
            if task.get("form", "f32") != "f32":
                self._refuse(context, "a client of Flotilla's sends updates as f32 only, not as %s; say `update_form: "
                             "f32`" % task["form"])
            return task, safetensors.read(data)
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(context, "what came is no task with a model: %s" % error)

    def _refuse(self, context, words):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)

    def _work(self, context):
        """One piece of work at a time: the client has one machine."""
        while not self.busy.acquire(timeout=0.2):
            if not context.is_active():
                context.abort(grpc.StatusCode.CANCELLED, "nobody waits for it any more")
        return _Held(self.busy)

    def _values(self, task, model, context):
        try:
            training = json.loads(task.get("training") or "{}")
            name, data = training.get("model_id", ""), training.get("dataset", "")
            if data not in self.settings.data:
                self._refuse(context, "there is no data set `%s`; the bridge was told of %s"
                             % (data, ", ".join(self.settings.data)))
            self._send_model(name)
            values = {
                "session_id": task.get("session", ""), "model_id": name, "model_class": training.get("model_class", ""),
                # Nothing: the client takes what stands in the model's config.yaml.
                "model_config": writing.pickle({}), "dataset_id": data,
                "model_wts": writing.weights(model, self.settings.weights),
                "batch_size": int(training.get("batch_size", 32)), "round_idx": task.get("version", 0) & 0x7FFFFFFF,
                "loss_function": writing.loss(training.get("loss_function", "")),
                "optimizer": writing.optimizer(training)}
            return training, values
        except (ValueError, TypeError, AttributeError) as error:
            self._refuse(context, "the settings of the training cannot be read: %s" % error)

    def _send_model(self, name):
        if self.settings.model_dir and name not in self.sent:
            self.edge.send_folder(name, self.settings.model_dir)
            self.sent.add(name)

    def _trained(self, task, model, context):
        training, values = self._values(task, model, context)
        values["learning_rate"] = float(training.get("learning_rate", 0.01))
        values["num_epochs"] = int(training.get("epochs", 1))
        # The client does not understand a call without it.
        values["timeout_duration_s"] = max(0.001, float(training.get("train_timeout_duration_s", 600)))
        began = time.monotonic()
        answer = self._ask("StartTraining", messages.TRAINING, messages.TRAINED, values, training, context)
        file = self._update(answer, model, context)
        self.rounds += 1
        quality = self._quality(answer, training, context)
        log.info("ticket %s of %s is done: %s", task.get("ticket", 0), task.get("session", ""), quality)
        return {"quality": quality, "bytes": len(file), "seconds": time.monotonic() - began}, file

    def _ask(self, method, request, answer, values, training, context):
        timeout = float(training.get("train_timeout_duration_s", 600)) + 60
        try:
            return self.edge.call(method, request, answer, values, timeout, context.add_callback)
        except grpc.FutureCancelledError:
            context.abort(grpc.StatusCode.CANCELLED, "nobody waits for it any more")
        except grpc.RpcError as error:
            code = error.code() if error.code() != grpc.StatusCode.UNKNOWN else grpc.StatusCode.FAILED_PRECONDITION
            context.abort(code, "Flotilla's client at %s failed in %s: %s; its own log says more. Its model must have "
                          "tensors of the same names as the server's" % (self.settings.client, method, error.details()))

    def _update(self, answer, model, context):
        try:
            tensors = reading.weights(answer.get("model_weights", b""))
            for name, tensor in model.items():
                if name not in tensors or tensors[name].shape != tensor.shape:
                    raise reading.Refused("the client's weights have no %s of the shape %s" % (name, tensor.shape))
            return safetensors.write({name: tensors[name] for name in model})
        except reading.Refused as error:
            context.abort(grpc.StatusCode.INTERNAL, "the weights of Flotilla's client are refused: %s" % error)

    def _quality(self, answer, training, context):
        try:
            numbers = reading.metrics(answer.get("metrics", b""))
        except reading.Refused as error:
            context.abort(grpc.StatusCode.INTERNAL, "the metrics of Flotilla's client are refused: %s" % error)
        quality = {"samples": self.settings.data[training["dataset"]], "loss": numbers.get("loss", 0.0)}
        # Of a hundred there.
        quality["accuracy"] = min(1.0, max(0.0, numbers["accuracy"] / 100)) if "accuracy" in numbers else -1.0
        return quality


class _Held:
    def __init__(self, lock):
        self.lock = lock

    def __enter__(self):
        pass

    def __exit__(self, *_):
        self.lock.release()
