"""The image sink's figures, beside nginx that stores what is PUT, with a sync and `openssl enc` behind it."""
import hashlib
import http.client
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import zlib

SIZES = [("1 KB", 1 << 10, 40), ("500 KB", 500_000, 20), ("10 MB", 10_000_000, 5)]
RUNS = 5
KEY = "5c" * 32
MANY, MANY_BYTES = 64, 100_000_000


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def picture(size):
    """A PNG of about so many bytes, like none before it."""
    width = 16 if size < 10_000 else 500
    height = max(1, size // (3 * width + 1))
    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b""))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Sinks:
    """So many nodes from the shipped manifest."""

    def __init__(self, products, root, folder, count):
        ports = free_ports(2 * count)
        self.ports, links = ports[:count], ports[count:]
        peers = ", ".join('"%d": "127.0.0.1:%d"' % (number + 1, link) for number, link in enumerate(links))
        self.nodes = []
        for number in range(count):
            port = self.ports[number]
            settings = ["plugins.folders=[%s]" % products, "listen.data.address=127.0.0.1:%d" % port,
                        "listen.peers.address=127.0.0.1:%d" % links[number], "cluster.peers={%s}" % peers,
                        "cluster.peer_port_offset=0", "node.address=127.0.0.1", "blobs.free_floor_mb=0",
                        "roles.images.config.address=:%d" % port, "log.level=warning"]
            words = [os.path.join(products, "nodehost"), "%s/manifests/images/node-%d.yaml" % (root, number + 1)]
            environment = dict(os.environ, ENCRYPTION_KEY=KEY, SHARED_DIR="%s/state-%d" % (folder, count),
                               NODEHOST_RUNTIME_DIR=folder + "/run")
            self.nodes.append(subprocess.Popen(
                words + [word for setting in settings for word in ("--set", setting)], env=environment,
                stdout=subprocess.DEVNULL, stderr=open("%s/node-%d-%d.log" % (folder, count, number), "w")))
        self.leader = self.find_leader()

    def find_leader(self):
        end = time.time() + 20
        while time.time() < end:
            for port in self.ports:
                try:
                    if ask(port, "GET", "/images")[0] == 200:
                        return port
                except OSError:
                    pass
            time.sleep(0.05)
        sys.exit("no image sink leads")

    def peak_megabytes(self):
        node = self.nodes[self.ports.index(self.leader)]
        [line] = [line for line in open("/proc/%d/status" % node.pid) if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1000

    def end(self):
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.wait(30)


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def rate(port, path, bodies, after=lambda name: None):
    """Megabytes a second, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    for number, body in enumerate(bodies):
        name = path(number)
        connection.request("PUT", name, body)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            sys.exit("PUT %s: %d %s" % (name, answer.status, said))
        after(name)
    took = time.perf_counter() - begin
    connection.close()
    return sum(map(len, bodies)) / took / 1e6


class Nginx:
    def __init__(self, folder):
        self.folder, [self.port] = folder + "/nginx", free_ports(1)
        os.makedirs(self.folder + "/data/images")
        os.chmod(folder, 0o755)
        with open(self.folder + "/nginx.conf", "w") as file:
            file.write("""
                daemon off; user root; worker_processes 1; pid %(folder)s/pid; error_log %(folder)s/error.log;
                events { worker_connections 256; }
                http { access_log off; client_body_temp_path %(folder)s/body; client_max_body_size 0;
                  server { listen 127.0.0.1:%(port)d; root %(folder)s/data;
                    location / { dav_methods PUT; create_full_put_path on; client_body_buffer_size 128k; } } }
                """ % {"folder": self.folder, "port": self.port})
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", self.folder + "/nginx.conf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        self.count = 0

    def path(self, _):
        self.count += 1
        return "/images/%d" % self.count

    def seal(self, name):
        """As a script behind it would: sealed, synced, and the plain file gone."""
        path = self.folder + "/data" + name
        words = ["openssl", "enc", "-aes-256-ctr", "-K", KEY, "-iv", "00" * 16]
        subprocess.run(words + ["-in", path, "-out", path + ".enc"], check=True)
        descriptor = os.open(path + ".enc", os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
        os.unlink(path)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def many(port):
    """64 uploads of 100 MB at a time. They are too large to be decoded, so behind its header each may be anything."""
    header = picture(2000)[:33]
    filler = os.urandom(1 << 20)

    def send(number):
        with socket.create_connection(("127.0.0.1", port)) as link:
            start = header + hashlib.sha256(b"%d" % number).digest()
            link.sendall(b"PUT /images HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % MANY_BYTES + start)
            left = MANY_BYTES - len(start)
            while left > 0:
                link.sendall(filler[:left])
                left -= min(left, len(filler))
            if not link.recv(100).startswith(b"HTTP/1.1 201"):
                sys.exit("an upload of 100 MB is refused")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(row, products, root, folder):
    nginx, one, three = Nginx(folder), Sinks(products, root, folder, 1), Sinks(products, root, folder, 3)
    for name, size, count in SIZES:
        alone, together, theirs = [], [], []
        for _ in range(RUNS):
            bodies = [picture(size) for _ in range(count)]
            alone.append(rate(one.leader, lambda _: "/images", bodies))
            theirs.append(rate(nginx.port, nginx.path, bodies, nginx.seal))
            together.append(rate(three.leader, lambda _: "/images", bodies))
        rates = [statistics.median(each) for each in (alone, theirs, together)]
        row("upload of %s, sealed, one node" % name, rates[0], "nginx PUT, openssl enc, fsync", rates[1], "MB/s",
            "1 x, more is better")
        row("upload of %s, three nodes on one disk" % name, rates[2], "one node", rates[0], "MB/s",
            "0.4 x, more is better")
    for each in (one, three, nginx):
        each.end()
    # Last, since the disk is busy with it for a while.
    one = Sinks(products, root, folder, 1)
    many(one.leader)
    row("memory while 64 uploads of 100 MB come", one.peak_megabytes(), "the limit", 100, "MB", "1 x, less is better")
    one.end()
