"""Clusters of three whose leader is killed again and again: how long nobody leads."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import servers

NODES = 3
START_LIMIT_S = 30
LOOK_EVERY_S = 0.002


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("node", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def asked(connection, method, path, body=None):
    """What is answered, or None if nobody is there."""
    try:
        connection.request(method, path, body)
        return json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Cluster:
    """Members that are processes of ours; `member` starts one, `leads` asks one whether it leads."""

    def __init__(self):
        self.processes = {}

    def start(self, member):
        self.processes[member] = subprocess.Popen(self.command(member), stdin=subprocess.DEVNULL,
                                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env())

    def env(self):
        return dict(os.environ)

    def leader(self):
        return next((member for member in self.processes if self.leads(member)), None)

    def wait_for_leader(self, limit):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(LOOK_EVERY_S)
        raise SystemExit("%s: nobody leads after %d s" % (type(self).__name__, limit))

    def fail_over(self, rest, end=signal.SIGKILL):
        """Ends the leader; how many milliseconds until another leads. Then all are there again."""
        dead = self.wait_for_leader(START_LIMIT_S)
        time.sleep(rest)
        dead = self.wait_for_leader(START_LIMIT_S)
        process = self.processes.pop(dead)
        begin = time.monotonic()
        process.send_signal(end)
        self.wait_for_leader(START_LIMIT_S)
        took = (time.monotonic() - begin) * 1000
        process.wait(START_LIMIT_S)
        self.start(dead)
        self.wait_until_whole(dead)
        return took

    def end(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(START_LIMIT_S)


class Electors(Cluster):
    def __init__(self, folder, nodehost):
        super().__init__()
        self.folder, self.nodehost = folder, nodehost
        ports = [servers.free_port() for _ in range(NODES)]
        peers = ", ".join('%d: "127.0.0.1:%d"' % (i + 1, port) for i, port in enumerate(ports))
        for i, port in enumerate(ports):
            with open("%s/elector-%d.yaml" % (folder, i + 1), "w") as file:
                file.write('nodehost: 1\nnode: { id: %d, name: elector-%d, address: 127.0.0.1, state: %s/e%d }\n'
                           'cluster: { name: failover, key: "${FAILOVER_KEY}", peers: { %s } }\n'
                           'listen: { peers: { address: "127.0.0.1:%d" } }\nplugins: { folders: [%s] }\n'
                           'roles: [{ role: elector }]\n'
                           % (i + 1, i + 1, folder, i + 1, peers, port, os.path.dirname(nodehost)))
            self.start(i + 1)

    def env(self):
        return dict(os.environ, NODEHOST_RUNTIME_DIR=self.folder + "/run", FAILOVER_KEY="failover" * 8)

    def command(self, member):
        return [self.nodehost, "%s/elector-%d.yaml" % (self.folder, member)]

    def ask(self, member, method):
        connection = UnixConnection("%s/e%d/control.sock" % (self.folder, member), 1)
        return asked(connection, "POST", "/v1/roles/elector/call/" + method, '{"arguments": []}') or {}

    def leads(self, member):
        return self.ask(member, "is_leader").get("value") is True

    def wait_until_whole(self, member):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            status = self.ask(member, "status").get("value") or {}
            if len(status.get("linked", [])) == NODES and status.get("leader"):
                return
            time.sleep(0.02)
        raise SystemExit("node %d does not come back" % member)


class Etcd(Cluster):
    def __init__(self, folder, heartbeat, election):
        super().__init__()
        self.folder, self.times = folder, (heartbeat, election)
        self.ports = [(servers.free_port(), servers.free_port()) for _ in range(NODES)]
        for member in range(NODES):
            self.start(member)

    def command(self, member):
        client, peer = self.ports[member]
        cluster = ",".join("m%d=http://127.0.0.1:%d" % (i, port[1]) for i, port in enumerate(self.ports))
        return ["etcd", "--name", "m%d" % member, "--data-dir", "%s/etcd-%d-%d" % (self.folder, self.times[0], member),
                "--listen-client-urls", "http://127.0.0.1:%d" % client,
                "--advertise-client-urls", "http://127.0.0.1:%d" % client,
                "--listen-peer-urls", "http://127.0.0.1:%d" % peer,
                "--initial-advertise-peer-urls", "http://127.0.0.1:%d" % peer, "--initial-cluster", cluster,
                "--heartbeat-interval", str(self.times[0]), "--election-timeout", str(self.times[1])]

    def status(self, member):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[member][0], timeout=1)
        return asked(connection, "POST", "/v3/maintenance/status", "{}") or {}

    def leads(self, member):
        status = self.status(member)
        return bool(status.get("leader")) and status["leader"] == status.get("header", {}).get("member_id")

    def wait_until_whole(self, member):
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self.status(member).get("leader"):
                return
            time.sleep(0.02)
        raise SystemExit("member %d does not come back" % member)
