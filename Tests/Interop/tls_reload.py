#!/usr/bin/env python3
"""A new certificate after SIGHUP: new connections get it, old ones stay.

  tls_reload.py PORT PROCESS FOLDER

FOLDER has the listener's cert.pem and key.pem, which are exchanged for the new.pem and new.key that lie beside them.
"""
import hashlib
import http.client
import os
import signal
import ssl
import sys
import time

PORT, PROCESS, FOLDER = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
LIMIT_S = 10


def connect():
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=LIMIT_S, context=context)
    connection.connect()
    return connection


def get(connection):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def certificate(connection):
    return hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()


old = connect()
get(old)
before = certificate(old)
os.replace(os.path.join(FOLDER, "new.pem"), os.path.join(FOLDER, "cert.pem"))
os.replace(os.path.join(FOLDER, "new.key"), os.path.join(FOLDER, "key.pem"))
os.kill(PROCESS, signal.SIGHUP)
deadline = time.monotonic() + LIMIT_S
while True:
    fresh = connect()
    get(fresh)
    if certificate(fresh) != before:
        break
    fresh.close()
    assert time.monotonic() < deadline, "new connections still get the old certificate"
    time.sleep(0.05)
get(old)
print("a new certificate, and the old connection still serves")
