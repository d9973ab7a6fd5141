"""What is done with a model's numbers, beside NumPy, in turn."""
import os
import statistics
import subprocess
import sys

COUNT = 25_000_000
RUNS = 7
CLIENTS = 10

# The peer is a process of its own, too: the same words, the same answers.
NUMPY = r'''
import sys, time, zlib
from functools import reduce
import numpy as np

count, clients = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(1)
# Layers, as a model has them.
layers = np.array_split(np.arange(count), 20)
updates = [[rng.random(len(layer), dtype=np.float32) - 0.5 for layer in layers] for _ in range(clients)]
one = np.concatenate(updates[0])
out = np.empty_like(one)
halves, levels = one.astype(np.float16), np.zeros(count, np.int8)
blocks = one[:count // 1024 * 1024].reshape(-1, 1024)

def mean():
    # Flower's aggregate: each layer by its number of samples, summed up, divided.
    samples = [100 + client for client in range(clients)]
    weighted = [[layer * number for layer in update] for update, number in zip(updates, samples)]
    return [reduce(np.add, layer) / sum(samples) for layer in zip(*weighted)]

def int8():
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    return np.rint(blocks / scales).astype(np.int8), scales

def qsgd():
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    return np.floor(blocks / scales + rng.random(blocks.shape, dtype=np.float32)).astype(np.int8), scales

def top():
    places = np.argpartition(np.abs(one), count - count // 100)[count - count // 100:]
    return places, one[places]

def mask():
    # Ten streams of chance, which keep no secret: NumPy has none that do.
    words = np.rint((one - updates_flat) * 1e5).astype(np.int64).astype(np.uint32)
    for client in range(clients):
        words += np.random.Generator(np.random.SFC64(client)).integers(0, 2**32, count, np.uint32)

some = one[:1 << 22]
updates_flat = np.concatenate(updates[1])
files = {"int8": np.rint(some * 254).astype(np.int8).tobytes(), "f32": some.tobytes()}
work = {"mask": mask, "noise": lambda: np.add(out, rng.standard_normal(count, np.float32) * np.float32(1e-3), out=out),
        "clip": lambda: np.linalg.norm(one - updates_flat), "zstd-int8": lambda: zlib.compress(files["int8"], 1),
        "zstd-f32": lambda: zlib.compress(files["f32"], 1), "copy": lambda: np.copyto(out, one), "mean": mean, "f16": lambda: one.astype(np.float16),
        "from-f16": lambda: halves.astype(np.float32), "int8": int8, "qsgd": qsgd,
        "from-int8": lambda: levels.astype(np.float32) * np.float32(0.1), "top": top,
        "median": lambda: [np.median(np.stack(layer), axis=0) for layer in zip(*updates)]}
for line in sys.stdin:
    begin = time.perf_counter()
    work[line.strip()]()
    print(time.perf_counter() - begin, flush=True)
'''

# What, how many bytes go in and out for each number, runs, and the aim.
ROWS = [("mean", "mean of 10 updates", 4 * CLIENTS + 4, RUNS, "5 x NumPy, 0.7 x copy"),
        ("f16", "to f16", 6, RUNS, ""), ("from-f16", "from f16", 6, RUNS, ""), ("int8", "to int8", 5, RUNS, ""),
        ("qsgd", "to int8 by chance", 5, RUNS, ""), ("from-int8", "from int8", 5, RUNS, ""),
        ("top", "the greatest 1 %", 4, RUNS, ""), ("clip", "length, for clipping", 8, RUNS, ""),
        ("noise", "normal noise", 8, 3, ""), ("mask", "masked, round of 10", 12, 3, ""), ("median", "median of 10 updates", 4 * CLIENTS + 4, 1, "")]
# The same for a part of the numbers, beside zlib: what goes in.
PACKED = [("zstd-int8", "int8, by zstd (1)", 1, 5), ("zstd-f32", "floats, by zstd (1)", 4, 3)]
PACKED_COUNT = 1 << 22


class Worker:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def run(products):
    environment = [sys.executable, "-c", NUMPY, str(COUNT), str(CLIENTS)]
    ours = Worker([os.path.join(products, "benchmarks"), "tensors", str(COUNT)])
    numpy = Worker(["env", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"] + environment)
    try:
        copy = statistics.median(ours.seconds("copy") for _ in range(RUNS))
        bandwidth = 8 * COUNT / copy / 1e9
        print("25,000,000 numbers, one thread; copying them reads and writes %.3g GB/s" % bandwidth)
        for word, name, width, runs, aim in ROWS:
            pairs = [(ours.seconds(word), numpy.seconds(word)) for _ in range(runs + 1)][1 if runs > 1 else 0:]
            mine, peer = (statistics.median(column) for column in zip(*pairs))
            rate = width * COUNT / mine / 1e9
            print("%-22s %7.1f ms  NumPy %8.1f ms  %6.3g x  %6.3g GB/s, %.2f x copy%s" % (
                name, mine * 1e3, peer * 1e3, peer / mine, rate, rate / bandwidth, "  (aim %s)" % aim if aim else ""))
        for word, name, width, runs in PACKED:
            pairs = [(ours.seconds(word), numpy.seconds(word)) for _ in range(runs)]
            mine, peer = (statistics.median(column) for column in zip(*pairs))
            rate = width * PACKED_COUNT / mine / 1e9
            print("%-22s %7.1f ms  zlib  %8.1f ms  %6.3g x  %6.3g GB/s, %.2f x copy" % (
                name, mine * 1e3, peer * 1e3, peer / mine, rate, rate / bandwidth))
    finally:
        ours.end()
        numpy.end()
