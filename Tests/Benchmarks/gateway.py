"""The discovery gateway beside etcd, and beside a Python grpcio server of the same service."""
import base64
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import servers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCTS = os.path.join(ROOT, ".build", "release")
NODES, WATCHERS, ROUNDS = 100_000, 1_000, 30
RUNS, SECONDS = 5, 2


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def framed(*messages):
    return b"".join(b"\0" + struct.pack(">I", len(m)) + m for m in messages)


def registration(label):
    return (number(1, 1) + text(2, "10.0.0.1") + number(3, 5001) + text(5, text(1, "n") + text(2, label))
            + text(100, "instance-1") + number(101, 1))


class Load:
    """h2load with 16 connections of 8 streams: messages for a second of the server's CPU."""

    def __init__(self, server, seconds=SECONDS):
        with tempfile.NamedTemporaryFile() as body:
            body.write(framed(*server.messages))
            body.flush()
            begin = server.cpu_seconds()
            output = subprocess.run(
                ["h2load", "-t1", "-c16", "-m8", "-D%d" % seconds, "-d", body.name, "-H",
                 "content-type: application/grpc", "-H", "te: trailers", server.url],
                capture_output=True, text=True, check=True).stdout
        cpu = server.cpu_seconds() - begin
        done, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", output).groups())
        data = int(re.search(r"\((\d+)\) data", output).group(1))
        if failed or data < done * 10 * len(server.messages):
            sys.exit("%s: %s" % (server.name, output))
        self.per_cpu = done * len(server.messages) / cpu
        self.per_second = done * len(server.messages) / seconds


def asked(server, name, path, *messages):
    other = server.at(name, "http://127.0.0.1:%d%s" % (server.port, path))
    other.messages = messages
    return other


def etcd(folder):
    client, peer = servers.free_port(), servers.free_port()
    urls = ["http://127.0.0.1:%d" % port for port in (client, peer)]
    server = servers.Server("etcd", [
        "etcd", "--data-dir", folder + "/etcd", "--listen-client-urls", urls[0], "--advertise-client-urls", urls[0],
        "--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1], "--initial-cluster",
        "default=" + urls[1]], client)
    granted = ""
    for _ in range(50):
        run = subprocess.run(["etcdctl", "--endpoints", urls[0], "lease", "grant", "3600"], capture_output=True,
                             text=True, env=dict(os.environ, ETCDCTL_API="3"))
        granted = run.stdout
        if run.returncode == 0:
            break
        time.sleep(0.1)
    return server, int(re.search(r"lease (\w+) granted", granted).group(1), 16)


class Hostctl:
    def __init__(self, folder):
        self.folder = folder

    def call(self, role, method, *words):
        run = subprocess.run(
            [PRODUCTS + "/hostctl", "--socket", self.folder + "/load-state/control.sock", "call", "--json", "-t",
             "300000", role, method, "--", *words], capture_output=True, text=True)
        if run.returncode:
            sys.exit("hostctl: " + run.stderr)
        return json.loads(run.stdout)["value"]


def nodehost(folder):
    """A node with the gateway, and one with the load."""
    data, status = servers.free_port(), servers.free_port()
    for name, listen, roles in (
            ("gateway", 'listen: { data: { address: "127.0.0.1:%d" }, inside: { address: "127.0.0.1:%d", status: on } }'
             % (data, status),
             "{ role: gateway, limits: { calls: 16384 }, config: { node_timeout_seconds: 20, "
             "heartbeat_interval_seconds: 5, hard_timeout_factor: 100 } }"),
            ("load", "", "{ role: gateway-load, limits: { message_bytes: 100000000 } }")):
        with open("%s/%s.yaml" % (folder, name), "w") as file:
            file.write("nodehost: 1\nnode: { id: 1, name: bench-%s, address: 127.0.0.1, state: %s/%s-state }\n%s\n"
                       "plugins: { folders: [%s] }\nroles: [%s]\n" % (name, folder, name, listen, PRODUCTS, roles))
    environment = dict(os.environ, NODEHOST_RUNTIME_DIR=folder + "/run")
    load = subprocess.Popen([PRODUCTS + "/nodehost", folder + "/load.yaml"], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=environment)
    server = servers.Server("gateway", [PRODUCTS + "/nodehost", folder + "/gateway.yaml"], data, env=environment)
    time.sleep(0.5)
    return server, load, status


def resident(server):
    return int(open("/proc/%d/statm" % server.process.pid).read().split()[1]) * os.sysconf("SC_PAGESIZE")


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def figures(folder, row):
    subprocess.run(["sh", "-c", ". Host/steps.sh; install_missing etcd-server etcd-client nghttp2-client "
                    "protobuf-compiler protobuf-compiler-grpc python3-grpcio python3-protobuf"], cwd=ROOT, check=True)
    subprocess.run(["protoc", "-I", ROOT + "/SDK/proto", "--python_out", folder, "--grpc_python_out", folder,
                    "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "gateway.proto"], check=True)
    ours, load, status = nodehost(folder)
    port = servers.free_port()
    python = servers.Server("python", ["/usr/bin/python3", os.path.join(ROOT, "Tests/Benchmarks/Rpc/gateway_peer.py"),
                                       str(port), folder], port)
    other, lease = etcd(folder)
    try:
        rates(ours, python, other, lease, row)
        watching(folder, ours, other, row)
        many(folder, ours, status, row)
    finally:
        for server in (ours, python, other):
            server.end()
        load.terminate()
        load.wait()


def rates(ours, python, other, lease, row):
    beat = number(1, 1)
    keep = number(1, lease)
    put = text(1, "/nodes/1") + text(2, "10.0.0.1:5001 raft gossip") + number(3, lease)
    asks = [
        asked(ours, "register", "/GatewayService/RegisterNode", registration("x")),
        asked(python, "python register", "/GatewayService/RegisterNode", registration("x")),
        asked(other, "etcd put", "/etcdserverpb.KV/Put", put),
        asked(ours, "beat", "/GatewayService/Heartbeat", beat),
        asked(python, "python beat", "/GatewayService/Heartbeat", beat),
        asked(other, "etcd keep", "/etcdserverpb.Lease/LeaseKeepAlive", keep),
        asked(other, "etcd keep, streamed", "/etcdserverpb.Lease/LeaseKeepAlive", *[keep] * 100),
    ]
    seen = {one.name: [] for one in asks}
    for one in asks:
        Load(one, 1)
    for _ in range(RUNS):
        for one in asks:
            seen[one.name].append(Load(one))
    rate = {name: statistics.median(load.per_cpu for load in loads) for name, loads in seen.items()}
    row("registrations, each on disk", rate["register"], "etcd put with lease", rate["etcd put"], "/cpu s", "more")
    row("registrations", rate["register"], "Python, in memory", rate["python register"], "/cpu s", "more")
    row("heartbeats", rate["beat"], "etcd, a stream for each", rate["etcd keep"], "/cpu s", "5 x")
    row("heartbeats", rate["beat"], "etcd, 100 in a stream", rate["etcd keep, streamed"], "/cpu s", "5 x")
    row("heartbeats", rate["beat"], "Python", rate["python beat"], "/cpu s", "20 x")


def watching(folder, ours, other, row):
    hostctl = Hostctl(folder)

    def measure(server, path, first, skip, change_path, changes):
        return hostctl.call(
            "gateway-load", "watch", "http://127.0.0.1:%d" % server.port, path, base64.b64encode(first).decode(),
            str(skip), change_path, json.dumps([change.hex() for change in changes]), str(WATCHERS), str(ROUNDS))
    # RESET, one node, SYNCED; etcd says that the watch has been made.
    mine = measure(ours, "/GatewayService/Watch", b"", 3, "/GatewayService/RegisterNode",
                   [registration("a"), registration("b")])
    theirs = measure(other, "/etcdserverpb.Watch/Watch", text(1, text(1, "/nodes/1")), 1, "/etcdserverpb.KV/Put",
                     [text(1, "/nodes/1") + text(2, "a"), text(1, "/nodes/1") + text(2, "b")])
    for name, share in (("half of", 0.5), ("99 of 100", 0.99)):
        row("from asking to %s %d watchers" % (name, WATCHERS), percentile(mine, share) / 1e3, "etcd",
            percentile(theirs, share) / 1e3, "ms", "5 ms" if share > 0.9 else "less")


def many(folder, ours, status, row):
    hostctl, target = Hostctl(folder), "http://127.0.0.1:%d" % ours.port
    before = resident(ours)
    took = hostctl.call("gateway-load", "fill", target, "1000", str(NODES))
    grown = resident(ours) - before
    print("%d nodes registered in %.1f s, %.0f a second; %.0f bytes of memory for each, with %d in the log (aim: less "
          "than 1 KB)" % (NODES, took / 1e3, NODES / took * 1e3, grown / NODES, NODES))
    answers = [hostctl.call("gateway-load", "ask", target, "/GatewayService/GetNodes", "") for _ in range(7)]
    print("GetNodes of all: %.0f ms for %.1f MB (aim: less than 100 ms)" % (
        statistics.median(a["ms"] for a in answers), answers[0]["bytes"] / 1e6))
    time.sleep(25)
    metrics = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % status).read().decode()
    buckets = re.findall(r'gateway_sweep_seconds_bucket\{.*le="([^"]+)"\} (\d+)', metrics)
    count, total = int(buckets[-1][1]), float(re.search(r"gateway_sweep_seconds_sum\S* (\S+)", metrics).group(1))
    below = next(le for le, c in buckets if int(c) >= count * 0.999)
    print("looking who is silent, of %d: %.0f us a tick in the mean of %d, all but one of a thousand below %s s "
          "(aim: 1 ms)" % (NODES, total / count * 1e6, count, below))
