"""Three gateways that are killed in turn, under 500 clients that register: nothing acknowledged may be lost.

usage: gateway_kills.py PRODUCTS PROTO_FOLDER SECONDS
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import grpc

PRODUCTS, PROTO, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
FOLDER = tempfile.mkdtemp()
subprocess.run(
    ["protoc", "-I", PROTO, "--python_out", FOLDER, "--grpc_python_out", FOLDER,
     "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "gateway.proto"], check=True)
sys.path.insert(0, FOLDER)
import gateway_pb2 as pb  # noqa: E402
import gateway_pb2_grpc as rpc  # noqa: E402

NODES, THREADS = 500, 25
IDS = (1, 2, 3)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


PORTS = free_ports(6)
DATA = {i: "127.0.0.1:%d" % PORTS[i - 1] for i in IDS}
PEERS = {i: "127.0.0.1:%d" % PORTS[i + 2] for i in IDS}


class Gateway:
    def __init__(self, number):
        self.number = number
        self.path = "%s/%d.yaml" % (FOLDER, number)
        with open(self.path, "w") as file:
            file.write("""
nodehost: 1
node: { id: %d, name: g%d, address: 127.0.0.1, state: %s/state%d }
cluster: { name: kills, key: "${KILLS_KEY}", peers: { %s } }
listen: { data: { address: "%s" }, peers: { address: "%s" } }
plugins: { folders: [%s] }
roles:
  - role: gateway
    config: { node_timeout_seconds: 60, heartbeat_interval_seconds: 5, gateways: { %s } }
""" % (number, number, FOLDER, number, ", ".join('%d: "%s"' % p for p in PEERS.items()), DATA[number],
                PEERS[number], PRODUCTS, ", ".join('%d: "%s"' % p for p in DATA.items())))
        self.start()

    def start(self):
        self.log = open("%s/log%d" % (FOLDER, self.number), "ab")
        self.process = subprocess.Popen(
            [PRODUCTS + "/nodehost", self.path], stdin=subprocess.DEVNULL, stderr=self.log,
            env=dict(os.environ, KILLS_KEY="only for this test, and gone with it",
                     NODEHOST_RUNTIME_DIR=FOLDER + "/run"))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()


def stub(number):
    return rpc.GatewayServiceStub(grpc.insecure_channel(
        DATA[number], [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300),
                       ("grpc.max_receive_message_length", -1)]))


class Clients(threading.Thread):
    """Some of the nodes: each registers anew again and again, and tells a higher number each time."""

    def __init__(self, numbers):
        super().__init__(daemon=True)
        self.numbers = numbers
        self.stubs = [stub(i) for i in IDS]
        self.choice = numbers[0]
        self.asked = {n: 0 for n in numbers}
        self.acknowledged = {n: 0 for n in numbers}
        self.bootstraps, self.lost, self.failures, self.beats = set(), [], 0, 0
        self.goes_on = True

    def call(self, method, request):
        try:
            return getattr(self.stubs[self.choice % 3], method)(request, timeout=3)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                self.lost.append("%s: %s" % (error.code(), error.details()))
            self.failures += 1
            self.choice += 1
            return None

    def run(self):
        while self.goes_on:
            for number in self.numbers:
                self.asked[number] += 1
                answer = self.call("RegisterNode", pb.RegisterNodeRequest(
                    node_id=number, ip_address="127.0.0.1", port=number, instance="i%d" % number, without_nodes=True,
                    metadata={"n": str(self.asked[number])}))
                if answer is None:
                    continue
                self.acknowledged[number] = self.asked[number]
                if answer.is_bootstrap:
                    self.bootstraps.add(number)
                beat = self.call("Heartbeat", pb.HeartbeatRequest(node_id=number, instance="i%d" % number))
                if beat is not None:
                    self.beats += 1
                    if beat.status != "acknowledged":
                        self.lost.append("node %d is not there" % number)


class Watcher(threading.Thread):
    """Follows all changes, whoever is killed."""

    def __init__(self):
        super().__init__(daemon=True)
        self.revision, self.registry, self.faults, self.seen = 0, 0, [], 0

    def run(self):
        number = 0
        while True:
            number += 1
            begins = False
            try:
                for event in stub(number % 3 + 1).Watch(
                        pb.WatchRequest(after_revision=self.revision, registry=self.registry)):
                    if event.kind == 0:
                        if event.revision < self.revision:
                            self.faults.append("back from %d to %d" % (self.revision, event.revision))
                        begins = True
                    elif event.kind == 2:
                        self.registry, begins = event.registry, False
                    elif not begins:
                        self.seen += 1
                        if event.revision != self.revision + 1:
                            self.faults.append("%d after %d" % (event.revision, self.revision))
                    self.revision = event.revision
            except grpc.RpcError:
                time.sleep(0.05)


def stats(number):
    try:
        return stub(number).GetStats(pb.GetStatsRequest(), timeout=2)
    except grpc.RpcError:
        return None


def wait_for(truth, what):
    deadline = time.time() + 40
    while not truth():
        if time.time() > deadline:
            sys.exit("failed: %s" % what)
        time.sleep(0.05)


def main():
    gateways = {i: Gateway(i) for i in IDS}
    wait_for(lambda: all(stats(i) for i in IDS), "all gateways answer")
    numbers = list(range(1, NODES + 1))
    clients = [Clients(numbers[i::THREADS]) for i in range(THREADS)]
    watcher = Watcher()
    for thread in clients + [watcher]:
        thread.start()
    end, kills = time.time() + SECONDS, 0
    while time.time() < end:
        time.sleep(SECONDS / 8)
        gateway = gateways[kills % 3 + 1]
        gateway.kill()
        kills += 1
        time.sleep(SECONDS / 16)
        gateway.start()
        wait_for(lambda: stats(gateway.number), "gateway %d is back" % gateway.number)
    for one in clients:
        one.goes_on = False
    for one in clients:
        one.join()
    wait_for(lambda: len({stats(i).revision for i in IDS}) == 1, "all gateways agree")
    asked = {n: c.asked[n] for c in clients for n in c.numbers}
    acknowledged = {n: c.acknowledged[n] for c in clients for n in c.numbers}
    faults = [fault for c in clients for fault in c.lost] + watcher.faults
    for i in IDS:
        there = {n.node_id: int(n.metadata["n"]) for n in stub(i).GetNodes(pb.GetNodesRequest()).nodes}
        for number, least in acknowledged.items():
            if least and not least <= there.get(number, 0) <= asked[number]:
                faults.append("gateway %d has %s of node %d, which was told %d" % (i, there.get(number), number, least))
    bootstraps = set().union(*(c.bootstraps for c in clients))
    if len(bootstraps) != 1:
        faults.append("%d nodes were told to bootstrap: %s" % (len(bootstraps), bootstraps))
    for gateway in gateways.values():
        gateway.kill()
    if faults or min(acknowledged.values()) == 0:
        sys.exit("failed after %d kills: %s (%s)" % (kills, faults[:5], FOLDER))
    print("%d kills, %d registrations and %d heartbeats acknowledged, %d calls failed, %d changes watched: nothing lost"
          % (kills, sum(acknowledged.values()), sum(c.beats for c in clients), sum(c.failures for c in clients),
             watcher.seen))
    subprocess.run(["rm", "-rf", FOLDER])


main()
