"""Transactions over three nodes on this machine, beside three clusters of PostgreSQL with its two-phase commit."""
import glob
import json
import os
import shutil
import statistics
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCTS = os.path.join(ROOT, ".build", "release")
RUNS = 9
SECONDS = 3
CONCURRENCY = (1, 64)
START_LIMIT_S = 30

# As the README says for several nodes on one machine.
MANIFEST = """nodehost: 1
node: { id: %(id)d, name: t%(id)d, address: 127.0.0.1, state: %(folder)s/t%(id)d }
loops: 1
cluster: { name: transactions, key: "${file:%(folder)s/key}", peers: { %(peers)s }, own_loop: off }
listen: { peers: { address: "127.0.0.1:%(port)d" } }
plugins: { folders: [%(products)s] }
roles:
%(elector)s  - { role: ledger }
  - { role: coordinator, config: { %(config)s log_per_second: 0 } }
  - { role: transaction-load }
"""


class Nodes:
    """Three nodes that commit together."""

    def __init__(self, folder, mode, first_port):
        self.folder = os.path.join(folder, mode)
        os.mkdir(self.folder)
        self.env = dict(os.environ, NODEHOST_RUNTIME_DIR=self.folder + "/run")
        self.hostctl("key", "new", self.folder + "/key")
        peers = ", ".join('%d: "127.0.0.1:%d"' % (i, first_port + i) for i in (1, 2, 3))
        majority = mode == "majority"
        self.processes = []
        for i in (1, 2, 3):
            path = "%s/t%d.yaml" % (self.folder, i)
            with open(path, "w") as file:
                file.write(MANIFEST % {
                    "id": i, "folder": self.folder, "peers": peers, "port": first_port + i, "products": PRODUCTS,
                    "elector": "  - { role: elector }\n" if majority else "",
                    "config": "elector: elector," if majority else ""})
            self.processes.append(subprocess.Popen(
                [os.path.join(PRODUCTS, "nodehost"), path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env=self.env))
        self.leader = self.wait()

    def hostctl(self, *words):
        return subprocess.run([os.path.join(PRODUCTS, "hostctl"), *words], env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def call(self, node, role, method, *words):
        said = self.hostctl("--node", "t%d" % node, "call", role, method, *words, "--timeout", "60000", "--json")
        if said.returncode:
            raise RuntimeError(said.stderr)
        return json.loads(said.stdout)["value"]

    def wait(self):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            try:
                for node in (1, 2, 3):
                    state = self.call(node, "coordinator", "state")
                    if state["phase"] == "ready" and len(state["linked"]) == 3:
                        return node
            except RuntimeError:
                pass
            time.sleep(0.1)
        raise RuntimeError("nobody coordinates within %d s" % START_LIMIT_S)

    def run(self, concurrency):
        said = self.call(self.leader, "transaction-load", "run", str(concurrency), str(SECONDS))
        if said["aborted"]:
            raise RuntimeError("%d aborts, and there should be none" % said["aborted"])
        return said["per_second"], said["p50_us"], said["p99_us"]

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=20)


class Clusters:
    """Three clusters of PostgreSQL, and a driver that commits on all of them."""

    def __init__(self, folder):
        subprocess.run(["sh", "-c", ". Host/steps.sh; install_missing postgresql libpq-dev"], cwd=ROOT, check=True)
        self.folder = folder
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.driver = os.path.join(folder, "two_phase")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-I/usr/include/postgresql", "-o", self.driver,
                        "Tests/Benchmarks/Transactions/two_phase.c", "-lpq", "-lpthread"], cwd=ROOT, check=True)
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        os.chmod(folder, 0o711)
        self.sockets = []
        for number in (1, 2, 3):
            place = os.path.join(folder, "pg%d" % number)
            os.mkdir(place)
            if self.user:
                shutil.chown(place, "postgres")
            self.do("initdb", "-A", "trust", "-U", "bench", "-D", place + "/data")
            self.do("pg_ctl", "-D", place + "/data", "-w", "-l", place + "/log", "-o",
                    "-k %s -c listen_addresses= -c shared_buffers=128MB -c max_connections=200 "
                    "-c max_prepared_transactions=200 -c fsync=on -c synchronous_commit=on" % place, "start")
            self.sockets.append(place)
            self.do("psql", "-h", place, "-U", "bench", "-c", "CREATE TABLE entries (k int PRIMARY KEY, v text)",
                    "postgres")

    def do(self, program, *words):
        said = subprocess.run(self.user + [os.path.join(self.programs, program), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd="/")
        if said.returncode:
            raise RuntimeError("%s: %s" % (program, said.stdout.strip()))

    def run(self, concurrency):
        said = subprocess.run(
            [self.driver, str(concurrency), str(SECONDS), self.folder + "/decisions"]
            + ["host=%s user=bench dbname=postgres" % place for place in self.sockets],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        return tuple(float(word) for word in said.split())

    def end(self):
        for place in self.sockets:
            self.do("pg_ctl", "-D", place + "/data", "-m", "fast", "stop")


def figures(folder, row):
    parties = {}
    try:
        for index, mode in enumerate(("single", "majority")):
            parties[mode] = Nodes(folder, mode, 21300 + 10 * index)
        try:
            parties["PostgreSQL"] = Clusters(folder)
        except (subprocess.CalledProcessError, RuntimeError, IndexError, LookupError) as error:
            print("transactions: not compared with PostgreSQL: %s" % error)
        found = {(name, many): [] for name in parties for many in CONCURRENCY}
        for many in CONCURRENCY:
            for name, party in parties.items():
                party.run(many)  # Warms up.
            for _ in range(RUNS):
                for name, party in parties.items():
                    found[name, many].append(party.run(many))
    finally:
        for party in parties.values():
            party.end()
    for many, aim in zip(CONCURRENCY, ("1 x", "3 x")):
        theirs = found.get(("PostgreSQL", many))
        peer = [statistics.median(column) for column in zip(*theirs)] if theirs else None
        for mode, words in (("single", "one node decides"), ("majority", "a majority decides")):
            rate, p50, p99 = (statistics.median(column) for column in zip(*found[mode, many]))
            if peer:
                row("transactions, %d at a time, %s" % (many, words), rate, "PostgreSQL, PREPARE", peer[0], "/s", aim)
            print("  p50 %.0f us, p99 %.0f us%s" % (
                p50, p99, "; PostgreSQL %.0f and %.0f us" % (peer[1], peer[2]) if peer else ", %.0f/s" % rate))
