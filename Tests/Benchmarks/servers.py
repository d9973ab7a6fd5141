"""Servers under load, one after the other and again: what each answers for a second of its own CPU time."""
import copy
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

START_LIMIT_S = 20
HERTZ = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that listens at a port of this machine; with its children, as nginx has them."""

    def __init__(self, name, command, port, path="/", **options):
        self.name, self.port, self.url = name, port, "http://127.0.0.1:%d%s" % (port, path)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **options)
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("%s does not start: %s" % (name, " ".join(command)))
                time.sleep(0.02)

    def at(self, name, url):
        """The same process, asked in another way."""
        other = copy.copy(self)
        other.name, other.url = name, url
        return other

    def cpu_seconds(self):
        pid = self.process.pid
        children = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
        return sum(cpu_ticks(int(p)) for p in [pid] + children) / HERTZ

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_LIMIT_S)


def cpu_ticks(pid):
    fields = open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Load:
    """What one run of wrk saw: requests for a second of the server's CPU, and the slowest of a hundred, in ms."""

    def __init__(self, server, connections, seconds):
        begin = server.cpu_seconds()
        output = subprocess.run(["wrk", "--latency", "-t1", "-c%d" % connections, "-d%d" % seconds, server.url],
                                capture_output=True, text=True, check=True).stdout
        cpu = server.cpu_seconds() - begin
        requests = int(re.search(r"(\d+) requests in", output).group(1))
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", output)
        if wrong:
            sys.exit("%s: %s" % (server.name, wrong.group(0)))
        self.per_cpu = requests / cpu
        self.slow = milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)", output))


class RpcLoad:
    """What one run of h2load saw: calls of gRPC for a second of the server's CPU, and the mean of a call, in ms."""
    # A message of 100 bytes: a field of 98, and what stands before each message on the wire.
    BODY = b"\0\0\0\0\x64\x0a\x62" + b"x" * 98
    IN_FLIGHT = 8

    def __init__(self, server, connections, seconds):
        with tempfile.NamedTemporaryFile() as body:
            body.write(self.BODY)
            body.flush()
            begin = server.cpu_seconds()
            output = subprocess.run(["h2load", "-t1", "-c%d" % connections, "-m%d" % self.IN_FLIGHT, "-D%d" % seconds,
                                     "-d", body.name, "-H", "content-type: application/grpc", "-H", "te: trailers",
                                     server.url], capture_output=True, text=True, check=True).stdout
        cpu = server.cpu_seconds() - begin
        done, failed = re.search(r"(\d+) succeeded, (\d+) failed", output).groups()
        # Each answer has its message too, or it was an error.
        data = int(re.search(r"\((\d+)\) data", output).group(1))
        if int(failed) or data < int(done) * len(self.BODY):
            sys.exit("%s: %s" % (server.name, output))
        self.per_cpu = int(done) / cpu
        self.slow = milliseconds(re.search(r"time for request: +\S+ +\S+ +([\d.]+)(us|ms|s)", output))


def milliseconds(match):
    return float(match.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[match.group(2)]


def compare(servers, connections=64, runs=9, seconds=2, load=Load):
    """The medians of alternating runs, by name: (requests per CPU second, p99)."""
    seen = {server.name: [] for server in servers}
    for server in servers:
        load(server, connections, 1)
    for _ in range(runs):
        for server in servers:
            seen[server.name].append(load(server, connections, seconds))
    return {name: (statistics.median(l.per_cpu for l in loads), statistics.median(l.slow for l in loads))
            for name, loads in seen.items()}
