"""FedAvg in PyTorch; writes its first model as safetensors, and prints the last one's accuracy."""
import copy
import json
import struct
import sys

import numpy
import torch

folder, clients, rounds, epochs, batch, rate, hidden, seed = sys.argv[1], *map(float, sys.argv[2:])
clients, rounds, epochs, batch, hidden = map(int, (clients, rounds, epochs, batch, hidden))
torch.manual_seed(int(seed))
torch.set_num_threads(1)


def data(name):
    arrays = numpy.load("%s/%s.npz" % (folder, name))
    return torch.tensor(arrays["x"], dtype=torch.float32), torch.tensor(arrays["y"], dtype=torch.int64)


def write(state, path):
    header, content = {}, b""
    for name, tensor in state.items():
        raw = tensor.numpy().astype("<f4").tobytes()
        place = [len(content), len(content) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": place}
        content += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + content)


def train(start, x, y):
    model.load_state_dict(start)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for first in range(0, len(x), batch):
            chosen = order[first:first + batch]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
            optimiser.step()
    return copy.deepcopy(model.state_dict())


model = torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))
state = copy.deepcopy(model.state_dict())
write(state, folder + "/first.safetensors")
parts = [data("train-%d" % number) for number in range(1, clients + 1)]
total = sum(len(x) for x, _ in parts)
for _ in range(rounds):
    updates = [(len(x), train(state, x, y)) for x, y in parts]
    state = {name: sum(count / total * update[name] for count, update in updates) for name in state}
model.load_state_dict(state)
x, y = data("test")
with torch.no_grad():
    print((model(x).argmax(1) == y).float().mean().item())
