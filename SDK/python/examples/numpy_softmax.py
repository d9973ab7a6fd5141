"""A program for `engine: process` that needs nothing but NumPy: softmax regression.

The model is `{ input: [784], layers: [{ dense: 10 }] }`, or whatever has one weight and one bias.
"""
import os
import sys

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from nodehost_trainer import load, run


def scores(weights, x):
    weight, bias = weights.values()
    logits = x @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    return logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))


def quality(weights, x, y):
    logs = scores(weights, x)
    return len(x), -logs[range(len(y)), y].mean(), (logs.argmax(axis=1) == y).mean()


def train(weights, settings, progress):
    (x, y), _ = load(settings.data)
    x = x.reshape(len(x), -1)
    weight, bias = weights.values()
    size, rate, epochs = settings["batch_size"], settings["learning_rate"], settings["epochs"]
    chance, steps, step = numpy.random.RandomState(settings.seed % 2**32), -(-len(x) // size), 0
    for _ in range(epochs):
        order = chance.permutation(len(x))
        for start in range(0, len(x), size):
            rows = order[start : start + size]
            logs = scores(weights, x[rows])
            slope = numpy.exp(logs)
            slope[range(len(rows)), y[rows]] -= 1
            weight -= rate * slope.T @ x[rows] / len(rows)
            bias -= rate * slope.mean(axis=0)
            step += 1
            progress(step, steps * epochs, -logs[range(len(rows)), y[rows]].mean())
    return weights, *quality(weights, x, y)


def validate(weights, settings):
    _, (x, y) = load(settings.data)
    return quality(weights, x.reshape(len(x), -1), y)


run(train, validate)
