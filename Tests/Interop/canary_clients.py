#!/usr/bin/env python3
"""Clients of the canary routers, with nothing but Python's own library.

  canary_clients.py query PORT...          asks every node as the published query script does, and checks the members
  canary_clients.py load SECONDS PORT...   asks all the time, and says how many requests were answered and how many not
"""
import http.client
import json
import sys
import threading
import time
import urllib.request

STATE = {"version": int, "stable_model_id": str, "canary_model_id": (str, type(None)), "weights": dict, "status": str,
         "txid": str, "timestamp": str}
HEALTH = {"node_id": str, "p95": (int, float), "error_rate": (int, float), "window_id": int,
          "last_committed_version": int, "digest": str}


def get(port, path, body=None):
    request = urllib.request.Request("http://127.0.0.1:%s%s" % (port, path), data=body,
                                     headers={"Content-Type": "application/json"} if body else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


def check(what, members, wanted):
    for name, kind in wanted.items():
        if not isinstance(members.get(name), kind):
            sys.exit("%s: `%s` is %r" % (what, name, members.get(name)))


def query(ports):
    digests = set()
    for port in ports:
        state, health = get(port, "/routing/state"), get(port, "/health/snapshot")
        check("/routing/state", state, STATE)
        check("/health/snapshot", health, HEALTH)
        answer = get(port, "/predict", json.dumps({"input": [1, 2, 3]}).encode())
        check("/predict", answer["routing_state"], STATE)
        if answer["model_selected"] not in state["weights"] or answer["input"] != {"input": [1, 2, 3]}:
            sys.exit("/predict: %r" % answer)
        if state["status"] != "COMMITTED" or abs(sum(state["weights"].values()) - 1) > 1e-9:
            sys.exit("/routing/state: %r" % state)
        digests.add((state["version"], health["digest"]))
    if len(digests) != 1:
        sys.exit("the nodes differ: %r" % digests)
    print("the same state on %d nodes: version %d" % (len(ports), digests.pop()[0]))


def load(seconds, ports):
    until, answered, failed = time.time() + seconds, [0], []

    def user(port):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        while time.time() < until:
            try:
                connection.request("POST", "/predict", b'{"user": "Ada"}')
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or b"model_selected" not in body:
                    failed.append((port, answer.status, body[:200]))
                answered[0] += 1
            except (OSError, http.client.HTTPException) as error:
                failed.append((port, repr(error)))
                connection.close()

    users = [threading.Thread(target=user, args=(port,)) for port in ports for _ in range(2)]
    for one in users:
        one.start()
    for one in users:
        one.join()
    print("%d answered, %d failed %s" % (answered[0], len(failed), failed[:3]))
    sys.exit(1 if failed or not answered[0] else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["query"]:
        query(sys.argv[2:])
    elif sys.argv[1:2] == ["load"]:
        load(float(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(__doc__)
