"""A client as those of the first image cloud: frames sealed with AES-256-GCM. image_frames.py PORT"""
import base64
import json
import os
import socket
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = AESGCM(bytes(32))
PICTURE = base64.b64decode("R0lGODlhCAAGAIAAAEdwTFpaWiH5BAUAAAAALAAAAAAIAAYAAAIGjI+py30FADs=")


def seal(message, key=KEY):
    nonce = os.urandom(12)
    sealed = nonce + key.encrypt(nonce, json.dumps(message).encode(), None)
    return struct.pack(">I", len(sealed)) + sealed


def exactly(connection, count):
    taken = b""
    while len(taken) < count:
        piece = connection.recv(count - len(taken))
        assert piece, "the node hung up"
        taken += piece
    return taken


def told(connection):
    sealed = exactly(connection, struct.unpack(">I", exactly(connection, 4))[0])
    return json.loads(KEY.decrypt(sealed[:12], sealed[12:], None))


def request(image, answer_at):
    return {"EncryptRequest": {"from": 9, "req_id": "3f2a", "user": "ada", "image_bytes": list(image),
                               "client_addr": answer_at}}


def main():
    port = int(sys.argv[1])
    node = socket.create_connection(("127.0.0.1", port), 10)
    for byte in seal("QueryLeader"):
        node.sendall(bytes([byte]))
    assert told(node) == {"LeaderInfo": {"leader_id": 1, "term": 1}}

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    # Whatever address it gives, it is answered where it asked from.
    node.sendall(seal(request(PICTURE, "10.9.8.7:%d" % listener.getsockname()[1])))
    reply = told(listener.accept()[0])["EncryptReply"]
    copy = bytes(reply["encrypted_image"])
    assert reply["ok"] and reply["req_id"] == "3f2a" and reply["original_filename"] == "3f2a.gif", reply
    assert KEY.decrypt(copy[:12], copy[12:], None) == PICTURE

    node.sendall(seal(request(b"no picture", "")))
    reply = told(node)["EncryptReply"]
    assert not reply["ok"] and "JPEG" in reply["error"], reply

    # What is not for it ends the connection, and nothing else.
    for bad in (seal("QueryLeader", AESGCM(bytes(31) + b"\1")), struct.pack(">I", 1 << 31),
                struct.pack(">I", 3) + b"abc", seal({"Nobody": {}})):
        stranger = socket.create_connection(("127.0.0.1", port), 10)
        stranger.sendall(bad)
        assert stranger.recv(1) == b""
    node.sendall(seal({"Heartbeat": {"from": 3, "term": 1}}) + seal("QueryLeader"))
    assert "LeaderInfo" in told(node)


main()
