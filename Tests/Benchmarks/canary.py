"""The canary router beside nginx and haproxy: decisions, and requests forwarded 90 to 10; and how slow the slowest are
while the shares change, the manifest is read again, or the role gets another build."""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import servers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCTS = os.path.join(ROOT, ".build", "release")
BODY = '{"user": "user-4711", "features": [0.25, 3, 17.5]}'
ROUNDS, SECONDS = 7, 2
DISTURBED_SECONDS = 5
READY_LIMIT_S = 20


class PostLoad(servers.Load):
    """The same with a small JSON body in each request."""

    def __init__(self, server, connections, seconds):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write("wrk.method = 'POST'\nwrk.body = '%s'\n"
                         "wrk.headers['Content-Type'] = 'application/json'\n" % BODY)
            script.flush()
            begin = server.cpu_seconds()
            output = subprocess.run(
                ["wrk", "--latency", "-t1", "-c%d" % connections, "-d%d" % seconds, "-s", script.name, server.url],
                capture_output=True, text=True, check=True).stdout
        cpu = server.cpu_seconds() - begin
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", output)
        if wrong:
            sys.exit("%s: %s" % (server.name, wrong.group(0)))
        self.requests = int(re.search(r"(\d+) requests in", output).group(1))
        self.per_cpu = self.requests / cpu
        self.slow = servers.milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)", output))


class Router:
    """One node with a canary router and a coordinator."""

    def __init__(self, folder, name, versions):
        self.port, peers = servers.free_port(), servers.free_port()
        self.environment = dict(os.environ, NODEHOST_RUNTIME_DIR=folder + "/run")
        self.plugins = "%s/plugins-%s" % (folder, name)
        os.makedirs(self.plugins)
        for role in ("coordinator", "canary"):
            shutil.copy("%s/lib%s.so" % (PRODUCTS, role), self.plugins)
        self.path = "%s/%s.yaml" % (folder, name)
        with open(self.path, "w") as file:
            file.write(
                "nodehost: 1\nnode: { id: 1, name: %s, address: 127.0.0.1, state: %s/state-%s }\n"
                "cluster: { name: bench, key: \"${BENCH_KEY:-for-a-benchmark-on-one-machine-only}\",\n"
                "  peers: { 1: \"127.0.0.1:%d\" } }\n"
                "listen: { data: { address: \"127.0.0.1:%d\" }, peers: { address: \"127.0.0.1:%d\" } }\n"
                "plugins: { folders: [%s], hot_swap: on }\nroles:\n  - role: coordinator\n  - role: canary\n"
                "    config: { elector: \"\", leads: 1, initial: { versions: [%s], stable: v1 } }\n"
                % (name, folder, name, peers, self.port, peers, self.plugins, ", ".join(versions)))
        self.socket = "%s/state-%s/control.sock" % (folder, name)
        self.server = servers.Server("nodehost", [os.path.join(PRODUCTS, "nodehost"), self.path], self.port, "/predict",
                                     env=self.environment)
        until = time.monotonic() + READY_LIMIT_S
        while '"version": 1' not in self.hostctl("call", "canary", "state", check=False):
            if time.monotonic() > until:
                sys.exit("the router agrees on no state: " + self.hostctl("logs"))
            time.sleep(0.1)

    def hostctl(self, *words, check=True):
        result = subprocess.run([os.path.join(PRODUCTS, "hostctl"), "--socket", self.socket] + list(words),
                                env=self.environment, capture_output=True, text=True)
        if check and result.returncode != 0:
            sys.exit("hostctl %s: %s" % (" ".join(words), result.stderr))
        return result.stdout

    def end(self):
        self.server.end()


def decisions(folder, nginx, row):
    router = Router(folder, "decides", ["{ id: v1, weight: 90 }", "{ id: v2, weight: 10 }"])
    answer = ('{"model_selected":"$version","routing_state":{"version":1,"stable_model_id":"v1","canary_model_id":null,'
              '"weights":{"v1":0.9,"v2":0.1},"status":"COMMITTED","txid":"canary-1-1-00000000",'
              '"timestamp":"2026-11-22T00:00:00.000Z"},"input":{}}')
    command, port = nginx(folder, "location = /predict { default_type application/json; return 200 '%s'; }" % answer,
                          "split_clients $request_id $version { 90% v1; * v2; }")
    peer = servers.Server("nginx", command, port, "/predict")
    try:
        seen = servers.compare([router.server, peer], runs=ROUNDS, seconds=SECONDS, load=PostLoad)
    finally:
        router.end()
        peer.end()
    row("/predict, a decision, 64 connections", seen["nodehost"][0], "nginx split, return", seen["nginx"][0], "/cpu s",
        "1.0 x and more")
    row("  the slowest of a hundred", seen["nodehost"][1], "nginx split, return", seen["nginx"][1], "ms", "no worse")


def forwarding(folder, nginx, haproxy, row):
    answer = "location / { default_type text/plain; return 200 %s; }" % ("x" * 100)
    commands = [nginx(folder, answer) for _ in range(2)]
    upstreams = [servers.Server("upstream", command, port) for command, port in commands]
    stable, canary = [upstream.port for upstream in upstreams]
    router = Router(folder, "forwards", [
        "{ id: v%d, weight: %d, url: \"http://127.0.0.1:%d\" }" % (i, weight, port)
        for i, weight, port in [(1, 90, stable), (2, 10, canary)]])
    command, port = nginx(
        folder, "location / { proxy_pass http://$chosen; proxy_http_version 1.1; proxy_set_header Connection \"\"; "
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; "
        "add_header X-Version $chosen; }",
        "split_clients $request_id $chosen { 90%% v1; * v2; }\n"
        "upstream v1 { server 127.0.0.1:%d; keepalive 64; keepalive_requests 1000000000; }\n"
        "upstream v2 { server 127.0.0.1:%d; keepalive 64; keepalive_requests 1000000000; }" % (stable, canary))
    peers = [servers.Server("nginx", command, port, "/predict")]
    command, port = haproxy(folder, stable, canary)
    peers.append(servers.Server("haproxy", command, port, "/predict"))
    try:
        seen = servers.compare([router.server] + peers, runs=ROUNDS, seconds=SECONDS)
        for peer in ("nginx", "haproxy"):
            row("forwarded 90/10 by the canary's table", seen["nodehost"][0], peer, seen[peer][0], "/cpu s",
                "1.4 x and more")
            row("  the slowest of a hundred", seen["nodehost"][1], peer, seen[peer][1], "ms", "no worse")
        disturbances(router, row)
    finally:
        for server in [router] + peers + upstreams:
            server.end()


def disturbances(router, row):
    """Each lasts as long as the load: the shares change, the manifest is read again, the role gets another build."""
    shares = [0]

    def change():
        shares[0] = (shares[0] + 7) % 100
        router.hostctl("canary", "set", "v1=%d" % (100 - shares[0]), "v2=%d" % shares[0])

    def reload():
        router.hostctl("reload")

    def swap():
        router.hostctl("swap", "canary")

    quiet = []
    for name, what in [("the shares change", change), ("the manifest is read again", reload),
                       ("the role is swapped", swap)]:
        disturbed, times = [], 0
        for _ in range(3):
            quiet.append(servers.Load(router.server, 64, DISTURBED_SECONDS).slow)
            ends = threading.Event()
            count = [0]

            def disturb():
                while not ends.wait(0.25):
                    what()
                    count[0] += 1

            worker = threading.Thread(target=disturb)
            worker.start()
            disturbed.append(servers.Load(router.server, 64, DISTURBED_SECONDS).slow)
            ends.set()
            worker.join()
            times += count[0]
        row("p99 while %s (%d times)" % (name, times), statistics.median(disturbed), "quiet", statistics.median(quiet),
            "ms", "1.5 x at most")


def figures(folder, nginx, haproxy, row):
    decisions(folder, nginx, row)
    forwarding(folder, nginx, haproxy, row)
