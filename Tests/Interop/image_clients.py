#!/usr/bin/env python3
"""Clients of an image sink, for tests.

image_clients.py load FOLDER CLIENTS PORT...   sends pictures to whoever leads until FOLDER/stop is there; each that is
                                               acknowledged becomes a line of FOLDER/acknowledged
image_clients.py verify FOLDER PORT...         asks the leader for all of them
image_clients.py half FOLDER PORT              sends half of a picture of 4 MB, and makes FOLDER/half; sends the rest as
                                               soon as FOLDER/go says `rest`, and prints the status, or hangs up
"""

import hashlib
import http.client
import json
import os
import socket
import struct
import sys
import threading
import time
import zlib


def picture(width, height):
    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    )


def ask(port, method, path, body=None):
    """The status and the body; None if the node is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


def ask_leader(ports, method, path, body=None, patience=30):
    """As `ask`, of whoever leads; waits for one as long as `patience` lasts."""
    end = time.monotonic() + patience
    port = ports[0]
    tries = 0
    while time.monotonic() < end:
        status, answer = ask(port, method, path, body)
        if status == 307:
            port = int(json.loads(answer)["address"].rsplit(":", 1)[1])
            continue
        if status in (200, 201, 204, 206) or (status == 404 and b"there is no image" in answer):
            return status, answer
        if status is not None and status not in (404, 503):
            return status, answer
        tries += 1
        port = ports[tries % len(ports)]
        time.sleep(0.05)
    return None, b""


def load(folder, clients, ports):
    lock = threading.Lock()
    refused = []
    acknowledged = open(f"{folder}/acknowledged", "w")

    def client(number):
        count = 0
        while not os.path.exists(f"{folder}/stop"):
            count += 1
            body = picture(400, 300) if count % 5 == 0 else picture(40, 30)
            status, answer = ask_leader(ports, "PUT", "/images", body)
            name = hashlib.sha256(body).hexdigest()
            with lock:
                if status in (200, 201) and json.loads(answer)["id"] == name:
                    acknowledged.write(f"{name} {len(body)}\n")
                    acknowledged.flush()
                elif status is not None:
                    refused.append((status, answer))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        sys.exit(f"{len(refused)} uploads were refused: {refused[0]}")


def verify(folder, ports):
    lost = corrupted = count = 0
    for line in open(f"{folder}/acknowledged"):
        name, size = line.split()
        count += 1
        status, body = ask_leader(ports, "GET", f"/images/{name}")
        if status != 200:
            lost += 1
        elif hashlib.sha256(body).hexdigest() != name or len(body) != int(size):
            corrupted += 1
    print(f"{count} acknowledged, {lost} lost, {corrupted} corrupted")
    sys.exit(0 if count > 0 and lost == 0 and corrupted == 0 else 1)


def half(folder, port):
    body = picture(1000, 1333)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(f"PUT /images HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        link.sendall(body[: len(body) // 2])
        open(f"{folder}/half", "w").close()
        go = f"{folder}/go"
        while not os.path.exists(go) or not open(go).read():
            time.sleep(0.01)
        if open(go).read() == "rest":
            link.sendall(body[len(body) // 2 :])
            print(link.recv(4096).split(b"\r\n")[0].split()[1].decode())


if __name__ == "__main__":
    if sys.argv[1] == "half":
        half(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "load":
        load(sys.argv[2], int(sys.argv[3]), [int(port) for port in sys.argv[4:]])
    else:
        verify(sys.argv[2], [int(port) for port in sys.argv[3:]])
