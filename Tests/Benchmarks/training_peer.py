"""The shipped models in PyTorch, trained in bursts like the engine: run by training.py in an environment with torch.

usage: training_peer.py MODEL THREADS FOLDER [--fused]
"""
import sys
import time

import numpy
import torch
from torch import nn

SAMPLES, BATCH = 1024, 32


class Residual(nn.Module):
    """Named as a Sequential of the same layers names its parts."""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*body), nn.Sequential(*shortcut)

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def normed(ins, outs, window=3, stride=1):
    return [nn.Conv2d(ins, outs, window, stride, window // 2, bias=False), nn.BatchNorm2d(outs)]


def block(ins, outs):
    stride = 1 if ins == outs else 2
    body = normed(ins, outs, stride=stride) + [nn.ReLU()] + normed(outs, outs)
    return [Residual(body, [] if ins == outs else normed(ins, outs, 1, stride)), nn.ReLU()]


def build(name):
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if name == "lenet-5":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return nn.Sequential(*(normed(1, 16) + [nn.ReLU()] + block(16, 16) + block(16, 32) + block(32, 64)
                           + [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]))


def load(model, numbers):
    """The engine's buffer: what is trained, in order, then the running statistics."""
    place = 0
    statistics = [buffer for name, buffer in model.named_buffers() if "running" in name]
    with torch.no_grad():
        for tensor in list(model.parameters()) + statistics:
            tensor.copy_(torch.from_numpy(numbers[place:place + tensor.numel()]).reshape(tensor.shape))
            place += tensor.numel()
    assert place == len(numbers), "the models differ"


def main():
    name, threads, folder = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    model = build(name)
    load(model, numpy.fromfile(folder + "/parameters", numpy.float32))
    samples = torch.from_numpy(numpy.fromfile(folder + "/samples", numpy.float32)).reshape(SAMPLES, 1, 28, 28)
    labels = torch.from_numpy(numpy.fromfile(folder + "/labels", numpy.int32)).long()
    batches = list(zip(samples.split(BATCH), labels.split(BATCH)))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused="--fused" in sys.argv)
    measure = nn.CrossEntropyLoss()
    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        losses = []
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            losses.clear()
            for some, classes in batches:
                optimiser.zero_grad()
                loss = measure(model(some), classes)
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
        took, used = time.perf_counter() - begin, time.process_time() - cpu
        print(took, used, sum(loss.item() for loss in losses) / len(losses), flush=True)


main()
