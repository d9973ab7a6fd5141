"""A program for `engine: process` in PyTorch: a small convolutional network on images of one channel.

It trains what the built-in engine calls

    model:
      input: [1, 28, 28]
      layers:
        - convolution: { channels: 8, window: 3, padding: 1 }
        - relu
        - max-pool: 2
        - flatten
        - dense: 10

so trainers with the engine and trainers with PyTorch can be in one session. It needs torch and numpy.
"""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from nodehost_trainer import load, run


def network(weights):
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return model


def tensors(x, y):
    return torch.from_numpy(x).reshape(len(x), 1, 28, 28), torch.from_numpy(y)


def quality(model, x, y):
    model.eval()
    with torch.no_grad():
        outputs = model(x)
    right = (outputs.argmax(dim=1) == y).double().mean()
    return len(x), nn.functional.cross_entropy(outputs, y).item(), right.item()


def train(weights, settings, progress):
    torch.manual_seed(settings.seed % 2**63)
    torch.set_num_threads(settings.threads)
    x, y = tensors(*load(settings.data)[0])
    model = network(weights)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=settings["learning_rate"], momentum=settings.get("momentum", 0.0))
    size, epochs = settings["batch_size"], settings["epochs"]
    steps, step = -(-len(x) // size) * epochs, 0
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            step += 1
            progress(step, steps, loss.item())
    new = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    return new, *quality(model, x, y)


def validate(weights, settings):
    return quality(network(weights), *tensors(*load(settings.data)[1]))


run(train, validate)
