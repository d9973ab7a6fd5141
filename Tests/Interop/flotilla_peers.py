"""Flotilla's own programs as far as they announce themselves, with the MQTT library that they use.

flotilla_peers.py client PORT ID NAME ENDPOINT     an original client: announces, then heartbeats
flotilla_peers.py server PORT SECONDS              an original server: prints what it hears, a line each
flotilla_peers.py nonsense PORT COUNT              messages that no client sends
flotilla_peers.py trainer                          a gRPC server with Describe, which prints its port
"""
import json
import sys
import threading
import time
from concurrent import futures

import paho.mqtt.client as mqtt

HARDWARE = {"processor": "x86_64", "cores": 4, "ram": "15.5 GB"}


def say(*words):
    print(*words, flush=True)


def client(port, client_id, name, endpoint):
    """Like client_mqtt_manager.py: it waits for a server's announcement, answers to each, and beats for ever."""
    heard = threading.Event()
    topics = {"client": "advert_client"}
    seconds = {"heartbeat": 5.0}

    def server_announced(me, _, message):
        info = json.loads(str(message.payload.decode()))
        seconds["heartbeat"] = info["heartbeat_interval"]
        topics["client"] = info["mqtt_client_topic"]
        me.publish(topics["client"], json.dumps({client_id: {"payload": {
            "type": "client", "timestamp": time.time(), "grpc_ep": endpoint, "cluster_id": 0, "hw_info": HARDWARE,
            "datasets": {"MNIST": {"dataset_details": {"dataset_id": "MNIST", "suitable_models": ["LeNet5"]}}},
            "models": {"LeNet5": "0x1f"}, "benchmark_info": {}, "name": name}}}))
        say("announced")
        heard.set()

    me = mqtt.Client("FedML_client_" + client_id)
    me.connect("127.0.0.1", port, keepalive=60)
    me.message_callback_add("advert_server", server_announced)
    me.reconnect_delay_set(1, 1)
    me.loop_start()
    # Once: it does not subscribe again after the broker was away, and only beats on.
    me.subscribe("advert_server")
    heard.wait()
    while True:
        me.publish("heartbeat", json.dumps({"id": client_id, "timestamp": time.time()}))
        time.sleep(seconds["heartbeat"])


def server(port, seconds):
    """Like server_mqtt_manager.py, which reads all of these fields of every announcement."""
    beats = {}

    def client_announced(_, __, message):
        info = json.loads(str(message.payload.decode()))
        client_id = list(info.keys())[0]
        payload = info[str(client_id)]["payload"]
        fields = [payload[field] for field in ("name", "grpc_ep", "benchmark_info", "hw_info", "type", "datasets",
                                               "models")]
        say("client", client_id, json.dumps(fields))

    def heartbeat(_, __, message):
        info = json.loads(str(message.payload.decode()))
        beats[info["id"]] = beats.get(info["id"], 0) + 1
        assert abs(info["timestamp"] - time.time()) < 60, info
        if beats[info["id"]] == 5:
            say("five heartbeats of", info["id"])

    me = mqtt.Client("flo_server")
    me.connect("127.0.0.1", port, keepalive=60)
    me.message_callback_add("advert_client", client_announced)
    me.message_callback_add("heartbeat", heartbeat)
    me.subscribe("advert_client")
    me.subscribe("heartbeat")
    me.loop_start()
    me.publish(topic="advert_server", retain=True, payload=json.dumps({
        "type": "server", "timestamp": time.time(), "grpc_ep": None, "mqtt_client_topic": "advert_client",
        "cluster_id": None, "heartbeat_interval": seconds, "hw_info": HARDWARE}))
    say("announced")
    threading.Event().wait()


def nonsense(port, count):
    me = mqtt.Client("stranger")
    me.connect("127.0.0.1", port, keepalive=60)
    me.loop_start()
    for index in range(count):
        for topic in ("advert_client", "heartbeat"):
            for payload in (b"", b"\xff\xfe", b"[]", b"{" * 1000, b'{"a": {"payload": {"grpc_ep": "nowhere"}}}',
                            b'{"id": %d}' % index, json.dumps({"x" * 300: {"payload": {}}}).encode()):
                sent = me.publish(topic, payload, qos=1)
    sent.wait_for_publish()
    sent = me.publish("advert_client", b" " * 1_000_000, qos=1)
    sent.wait_for_publish()
    say("done")


def trainer():
    import grpc

    def text(field, word):
        return bytes([field << 3 | 2, len(word)]) + word.encode()

    description = text(1, "ada") + text(2, "2 threads") + text(3, "\n\x06digits\x10\x2a") + text(4, "lenet5") \
        + text(5, "f32")
    handler = grpc.method_handlers_generic_handler("nodehost.learning.Trainer", {
        "Describe": grpc.unary_unary_rpc_method_handler(lambda request, context: description)})
    served = grpc.server(futures.ThreadPoolExecutor(2))
    served.add_generic_rpc_handlers((handler,))
    say("port", served.add_insecure_port("127.0.0.1:0"), "!")
    served.start()
    threading.Event().wait()


if __name__ == "__main__":
    what, words = sys.argv[1], sys.argv[2:]
    if what == "client":
        client(int(words[0]), *words[1:])
    elif what == "server":
        server(int(words[0]), float(words[1]))
    elif what == "nonsense":
        nonsense(int(words[0]), int(words[1]))
    else:
        trainer()
