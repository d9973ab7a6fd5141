"""Trains models for the role `trainer` of nodehost, whose configuration says `engine: process`.

    from nodehost_trainer import run

    def train(weights, settings, progress):
        ...
        return weights, samples, loss

    run(train)

`weights` are NumPy arrays by name; so are those that come back, of the same names and shapes.
"""
import json
import mmap
import os
import sys

from .data import load
from .tensors import pack, unpack

__all__ = ["Settings", "load", "run"]

# Where the trainer puts what it gives, and takes what comes back.
_MODEL, _RESULT, _MESSAGES = 3, 4, 5


class Settings(dict):
    """What `client_training_config` of the session says, with the names of the task as attributes.

    purpose     "train" or "validate"
    session, ticket, version, seed, threads
    model       the model's description, or None
    data        what the trainer's configuration says of the data set
    """

    def __init__(self, task):
        super().__init__(task.get("settings") or {})
        self.purpose = task["purpose"]
        self.session, self.ticket, self.version = task["session"], task["ticket"], task["version"]
        self.seed, self.threads = task["seed"], task["threads"]
        self.model, self.data = task.get("model"), task.get("data")


def _say(**message):
    line = (json.dumps(message) + "\n").encode()
    while line:
        line = line[os.write(_MESSAGES, line) :]


def _progress(batches, of, loss=0.0):
    """Says how far the training is. A loss that is no number ends it, as it would at its end."""
    loss = float(loss)
    if loss != loss or loss in (float("inf"), float("-inf")):
        raise ValueError("the loss is %s after batch %d of %d; take a smaller learning rate" % (loss, batches, of))
    _say(batches=int(batches), of=int(of), loss=loss)


def run(train, validate=None):
    """Does the task that this program was started for, and ends it.

    train(weights, settings, progress) returns (weights, samples, loss), and perhaps the accuracy as a fourth.
    validate(weights, settings) returns (samples, loss), and perhaps the accuracy as a third.
    """
    try:
        os.fstat(_MESSAGES)
    except OSError:
        sys.exit("%s is started by the role `trainer` of a node, which gives it its task" % sys.argv[0])
    # What is printed is for people, and must not wait in a buffer if the program is killed.
    sys.stdout.reconfigure(line_buffering=True)
    settings = Settings(json.load(os.fdopen(os.dup(0), "rb")))
    with mmap.mmap(_MODEL, 0, prot=mmap.PROT_READ) as model:
        weights = unpack(model)
    if settings.purpose == "validate":
        if validate is None:
            sys.exit("this program has no validate function")
        answer = tuple(validate(weights, settings))
        file = b""
    else:
        shapes = {name: array.shape for name, array in weights.items()}
        new, *answer = train(weights, settings, _progress)
        file = pack({name: new[name] for name in shapes}, shapes)
    if file:
        with mmap.mmap(_RESULT, 0) as room:
            if len(file) > len(room):
                sys.exit("%d bytes of weights, and room for %d" % (len(file), len(room)))
            room[: len(file)] = file
    accuracy = {"accuracy": float(answer[2])} if len(answer) > 2 and answer[2] is not None else {}
    _say(samples=int(answer[0]), loss=float(answer[1]), bytes=len(file), **accuracy)
