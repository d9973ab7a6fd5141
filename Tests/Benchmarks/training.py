"""Training by the engine and by PyTorch on the same data from the same parameters, in turns."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, ".build", "release", "benchmarks")
ENVIRONMENT = os.path.join(ROOT, ".build", "torch")
PEER = os.path.join(ROOT, "Tests", "Benchmarks", "training_peer.py")
SAMPLES, TURNS = 1024, 9
# Epochs of a turn: some tenths of a second for each side.
EPOCHS = {"mlp": 20, "lenet-5": 3, "resnet-8": 1}
# Multiplications with an addition that one sample takes, there and back.
OPERATIONS = {"mlp": 204544, "lenet-5": 1131960, "resnet-8": 27924864}
# Losses are compared before rounding has grown by many steps.
COMPARED_EPOCHS, TOLERANCE = 2, 1e-3


def environment():
    """A Python with PyTorch for processors; the wheel for these is taken where pip finds one."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    quiet = {"stderr": subprocess.DEVNULL}
    if not os.path.exists(python) or subprocess.run([python, "-c", "import torch, numpy"], **quiet).returncode:
        subprocess.run(["python3", "-m", "venv", ENVIRONMENT], check=True)
        install = [python, "-m", "pip", "install", "-q", "numpy"]
        if subprocess.run(install + ["torch==2.13.0+cpu"], **quiet).returncode:
            subprocess.run(install + ["torch"], check=True)
    return python


class Trainer:
    """A process that trains for some epochs each time it is asked."""

    def __init__(self, command, threads):
        limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **limits))
        self.about = self.process.stdout.readline().split()
        if not self.about:
            sys.exit("%s ended" % " ".join(command))
        self.threads, self.rates, self.losses = threads, [], []

    def turn(self, epochs):
        self.process.stdin.write("%d\n" % epochs)
        self.process.stdin.flush()
        took, used, loss = map(float, self.process.stdout.readline().split())
        # One thread's time is its own, whatever else runs on the machine.
        self.rates.append(epochs * SAMPLES / (used if self.threads == 1 else took))
        self.losses.append(loss)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def compare(folder, python, model, threads, row):
    words = [model, str(threads), folder]
    ours = Trainer([PROGRAM, "training"] + words, threads)
    peers = [Trainer([python, PEER] + words, threads), Trainer([python, PEER] + words + ["--fused"], threads)]
    every = [ours] + peers
    for trainer in every:
        trainer.turn(COMPARED_EPOCHS)
        trainer.rates.clear()
    apart = max(abs(ours.losses[0] - peer.losses[0]) for peer in peers)
    if not apart < TOLERANCE:
        sys.exit("%s: after %d epochs the losses are %s" % (model, COMPARED_EPOCHS, [t.losses[0] for t in every]))
    for _ in range(TURNS):
        for trainer in every:
            trainer.turn(EPOCHS[model])
    for trainer in every:
        trainer.end()
    # What else runs on the machine only ever slows a turn down, so the best is nearest to the truth.
    best = max(peers, key=lambda peer: max(peer.rates))
    name = "PyTorch " + best.about[1] + (", fused SGD" if best is peers[1] else "")
    row("%s, batch 32, %d thread%s" % (model, threads, "s" if threads > 1 else ""), max(ours.rates), name,
        max(best.rates), "/cpu s" if threads == 1 else "/s",
        {"mlp": "1.8 x", "lenet-5": "2.5 x"}.get(model, "none"))
    billions = max(ours.rates) * OPERATIONS[model] / 1e9
    print("  losses of the first %d steps differ by %.1e at most; %s, %.0f billion multiplications a second" % (
        COMPARED_EPOCHS * SAMPLES // 32, apart, ours.about[1], billions), flush=True)


def figures(folder, row):
    python = environment()
    print("samples trained a second, SGD with momentum, images of 28 x 28; the best of %d turns each" % TURNS)
    for model in EPOCHS:
        for threads in (1, 2):
            compare(folder, python, model, threads, row)
    print("  what limits: the loops of convolutions and dense layers, which multiply and add; then the optimiser's "
          "memory")
