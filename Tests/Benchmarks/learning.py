"""Rounds of federated learning with next to no training: the role `flserver` with ten trainers, which train for one
step on two samples, and Flower's SuperLink with ten SuperNodes, which multiply all numbers by 0.999, all on loopback,
one after the other. The model has to be another one after each round: one that our trainers know is not sent again."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import gateway as gateway_bench
import servers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCTS = os.path.join(ROOT, ".build", "release")
ENVIRONMENT = os.path.join(ROOT, ".build", "flower")
APP = os.path.join(ROOT, "Tests", "Benchmarks", "Flower")
CLIENTS = 10
# Of the model: how many rounds each side makes, and how long Flower may take for them.
SIZES = {100_000: (20, 5, 300), 10_000_000: (10, 3, 400), 100_000_000: (7, 3, 900)}
# Numbers of a model for each unit of its one hidden layer: 784 inputs, 10 outputs and a bias.
NUMBERS_OF_UNIT = 784 + 1 + 10


def environment():
    """A Python with Flower and NumPy."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    known = os.path.exists(python) and not subprocess.run(
        [python, "-c", "import flwr, numpy"], stderr=subprocess.DEVNULL).returncode
    if not known:
        subprocess.run(["python3", "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "flwr", "numpy"], check=True)
    return os.path.dirname(python)


class Processes:
    """What a side has started; ended by process id."""

    def __init__(self, folder):
        self.folder, self.all = folder, []

    def start(self, name, command, **environment):
        log = open(os.path.join(self.folder, name + ".log"), "w")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder,
                                   env=dict(os.environ, NODEHOST_RUNTIME_DIR=self.folder + "/run", **environment))
        self.all.append(process)
        return process

    def end(self):
        for process in self.all:
            process.send_signal(signal.SIGTERM)
        for process in self.all:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def children(pid):
    """A process and all that it has started."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in os.listdir("/proc/%d/task" % one):
                with open("/proc/%d/task/%s/children" % (one, task)) as file:
                    waiting += map(int, file.read().split())
        except OSError:
            pass
    return found


def resident(pids):
    """Megabytes that processes have in memory."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/status" % pid) as file:
                total += int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
        except (OSError, TypeError):
            pass
    return total / 1024


class Ours:
    def __init__(self, folder):
        self.processes = Processes(folder)
        ports = [servers.free_port() for _ in range(CLIENTS)]
        for number, port in enumerate(ports):
            self.node("trainer-%d" % number, "listen: { data: { address: \"127.0.0.1:%d\" } }" % port, """
  - role: trainer
    config:
      held_out: 0
      data: { none: { format: synthetic, count: 2, classes: 2, stream: %d } }""" % number)
        places = ", ".join('"http://127.0.0.1:%d"' % port for port in ports)
        self.server = self.node("server", "listen: { data: { address: \"127.0.0.1:0\" } }", """
  - role: flserver
    config: { trainers_from: "", trainers: [%s], look_seconds: 0.2 }""" % places)
        deadline = time.monotonic() + 60
        while sum(1 for trainer in self.ask("trainers") if trainer.get("data_sets")) < CLIENTS:
            if time.monotonic() > deadline:
                sys.exit("the trainers do not come")
            time.sleep(0.1)

    def node(self, name, listen, roles):
        path = os.path.join(self.processes.folder, name + ".yaml")
        with open(path, "w") as file:
            file.write("nodehost: 1\nnode: { id: %d, name: %s, address: 127.0.0.1, state: ./%s }\n%s\n"
                       "plugins: { folders: [%s] }\nroles:%s\n"
                       % (1 + len(self.processes.all), name, name, listen, PRODUCTS, roles))
        return self.processes.start(name, [os.path.join(PRODUCTS, "nodehost"), path])

    def ask(self, *words):
        command = [os.path.join(PRODUCTS, "hostctl"), "--node", "server", "fl", *words, "--json"]
        for _ in range(100):
            done = subprocess.run(command, capture_output=True, text=True,
                                  env=dict(os.environ, NODEHOST_RUNTIME_DIR=self.processes.folder + "/run"))
            if done.returncode == 0:
                return json.loads(done.stdout)
            time.sleep(0.1)
        sys.exit(done.stderr)

    def rounds(self, size, count):
        """Seconds of each round, and megabytes of the server in it."""
        name, units = "s%d" % size, round(size / 4 / NUMBERS_OF_UNIT)
        document = os.path.join(self.processes.folder, name + ".json")
        with open(document, "w") as file:
            json.dump({
                "session_config": {"session_id": name, "checkpoints_kept": 1},
                "server_training_config": {"num_training_rounds": count},
                "client_training_config": {"model_id": "wide", "dataset": "none", "epochs": 1,
                                           "train_timeout_duration_s": 600},
                "model_config": {"description": {"input": [784], "layers": [{"dense": units}, {"dense": 10}]}},
            }, file)
        self.ask("start", document)
        most, asked, status = 0, 0.0, {}
        while not status.get("end"):
            time.sleep(0.05)
            most = max(most, resident([self.server.pid]))
            # Asking takes a process each time, and the machine is the trainers', too.
            if time.monotonic() - asked > 0.5:
                status, asked = self.ask("status", name), time.monotonic()
        if status["end"] != "finished":
            sys.exit("the session %s" % status["end"])
        done = subprocess.run([os.path.join(PRODUCTS, "hostctl"), "--node", "server", "fl", "history", name],
                              capture_output=True, text=True, check=True,
                              env=dict(os.environ, NODEHOST_RUNTIME_DIR=self.processes.folder + "/run"))
        times = [event["at_ms"] for event in map(json.loads, done.stdout.splitlines())
                 if event["event"] in ("started", "model")]
        return [(after - before) / 1000 for before, after in zip(times, times[1:])], most


class Flower:
    def __init__(self, folder):
        self.bin = environment()
        self.processes = Processes(folder)
        self.home = os.path.join(folder, "flwr")
        os.makedirs(self.home)
        port, *others = [servers.free_port() for _ in range(CLIENTS + 1)]
        self.variables = {"PATH": self.bin + ":" + os.environ["PATH"], "FLWR_HOME": self.home,
                          "FLWR_TELEMETRY_ENABLED": "0"}
        with open(os.path.join(self.home, "config.toml"), "w") as file:
            file.write('[superlink]\ndefault = "local"\n[superlink.local]\naddress = "127.0.0.1:%d"\n'
                       "insecure = true\n" % port)
        self.link = self.processes.start("superlink", [
            os.path.join(self.bin, "flower-superlink"), "--insecure", "--disable-runtime-dependency-installation",
            "--port", str(port)], **self.variables)
        time.sleep(5)
        for number, other in enumerate(others):
            self.processes.start("supernode-%d" % number, [
                os.path.join(self.bin, "flower-supernode"), "--insecure", "--superlink", "127.0.0.1:%d" % port,
                "--port", str(other)], **self.variables)
        shutil.copytree(APP, os.path.join(folder, "app"))

    def rounds(self, size, count, limit):
        words = "clients=%d bytes=%d rounds=%d" % (CLIENTS, size, count)
        run = self.processes.start("run", [os.path.join(self.bin, "flwr"), "run", "app", "local", "--stream",
                                           "--run-config", words], **self.variables)
        found, most, text, deadline = [], 0, "", time.monotonic() + limit
        while len(found) < count and time.monotonic() < deadline and run.poll() is None:
            with open(os.path.join(self.processes.folder, "run.log")) as file:
                text = file.read()
            found = [float(seconds) for seconds in re.findall(r"ROUND \d+ ([\d.]+)", text)]
            most = max(most, resident(children(self.link.pid)))
            time.sleep(0.1)
        if not found:
            sys.exit("Flower made no round of %d bytes:\n%s" % (size, text[-2000:]))
        return found, most


def median(numbers):
    ordered = sorted(numbers)
    return ordered[len(ordered) // 2]


def side(kind, folder, size, *limits):
    """Each side alone on the machine."""
    part = os.path.join(folder, "%s-%d" % (kind.__name__, size))
    os.makedirs(part)
    it = kind(part)
    try:
        return it.rounds(size, *limits)
    finally:
        it.processes.end()
        shutil.rmtree(part, ignore_errors=True)


HELD, HEARTBEAT_S, WATCHED_S = 10_000, 30, 30


def held(folder):
    """Ten thousand trainers that are registered, send heartbeats and do nothing; one answers for all, at as many
    addresses of the loopback network."""
    processes = Processes(folder)
    port, gateway = servers.free_port(), servers.free_port()

    def node(name, listen, roles):
        path = os.path.join(folder, name + ".yaml")
        with open(path, "w") as file:
            file.write("nodehost: 1\nnode: { id: %d, name: %s, address: 127.0.0.1, state: ./%s }\nlisten: %s\n"
                       "plugins: { folders: [%s] }\nroles:%s\n"
                       % (1 + len(processes.all), name, name, listen, PRODUCTS, roles))
        return processes.start(name, [os.path.join(PRODUCTS, "nodehost"), path])

    try:
        node("trainer", '{ data: { address: "0.0.0.0:%d" } }' % port, """
  - role: trainer
    config: { data: { none: { format: synthetic, count: 2, classes: 2 } } }""")
        server = node("server", '{ data: { address: "127.0.0.1:%d" }, rest: { address: "127.0.0.1:0" } }' % gateway, """
  - role: gateway
    limits: { calls: 16384 }
    config: { node_timeout_seconds: %d, heartbeat_interval_seconds: %d }
  - role: flserver
    needs: [gateway]
    limits: { message_bytes: 16777216, calls: 16384 }
    config: { listener: rest }""" % (3 * HEARTBEAT_S, HEARTBEAT_S))
        time.sleep(2)
        # grpcio is Debian's Python's.
        crowd = subprocess.Popen(["/usr/bin/python3", __file__, str(gateway), str(port)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        crowd.stdout.readline()
        deadline, there = time.monotonic() + 120, 0
        while there < HELD and time.monotonic() < deadline:
            listed = subprocess.run(
                [os.path.join(PRODUCTS, "hostctl"), "--node", "server", "fl", "trainers", "--json"],
                capture_output=True, text=True, env=dict(os.environ, NODEHOST_RUNTIME_DIR=folder + "/run"))
            if listed.returncode == 0:
                there = sum(1 for one in json.loads(listed.stdout) if one["there"] and one.get("data_sets"))
            time.sleep(1)
        before, begun = servers.cpu_ticks(server.pid), time.monotonic()
        crowd.communicate("\n")
        time.sleep(max(0, begun + WATCHED_S - time.monotonic()))
        share = (servers.cpu_ticks(server.pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)
        print("%d trainers held by one server, of %d: %.0f MB, %.1f %% of a core with a heartbeat each %d s"
              % (there, HELD, resident([server.pid]), 100 * share, HEARTBEAT_S), flush=True)
    finally:
        processes.end()


def be_crowd(gateway, port):
    """Registers them all, and sends a heartbeat for each when told to."""
    import grpc
    channel = grpc.insecure_channel("127.0.0.1:%s" % gateway)
    register, beat = (channel.unary_unary("/GatewayService/" + name) for name in ("RegisterNode", "Heartbeat"))

    def all_of(call, message):
        begun = time.monotonic()
        for start in range(0, HELD, 100):
            for one in [call.future(message(number), timeout=30) for number in range(start + 1, start + 101)]:
                one.result()
            time.sleep(max(0, begun + HEARTBEAT_S * 0.8 * start / HELD - time.monotonic()))

    fields = gateway_bench
    all_of(register, lambda number: fields.number(1, number) + fields.text(
        2, "127.1.%d.%d" % (number // 250, number % 250 + 1)) + fields.number(3, int(port)) + fields.text(4, "trainer"))
    print("registered", flush=True)
    sys.stdin.readline()
    all_of(beat, lambda number: fields.number(1, number))


def figures(folder, row):
    part = os.path.join(folder, "held")
    os.makedirs(part)
    held(part)
    print("a round of %d clients with next to no training; medians, and the server's greatest memory" % CLIENTS)
    for size, (ours, theirs, limit) in SIZES.items():
        mine, memory = side(Ours, folder, size, ours)
        flower, other = side(Flower, folder, size, theirs, limit)
        # The first round of each also finds its way.
        a, b = median(mine[1:] or mine), median(flower[1:] or flower)
        row("%.1f MB model, a round" % (size / 1e6), a, "Flower", b, "s", "0.1")
        row("%.1f MB model, the server's memory" % (size / 1e6), memory, "Flower", other, "MB", "0.1")
    print("  what limits: at 100 MB the sockets, new memory, each update's way to the disk, and its SHA-256")


if __name__ == "__main__":
    be_crowd(*sys.argv[1:])
