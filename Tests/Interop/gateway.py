"""Clients of the discovery gateway, with Python's grpcio: every call, every error. GatewayInteropTests runs it.

usage: gateway.py ADDRESS ADDRESS_WITH_TOKENS HOSTCTL SOCKET PROTO_FOLDER
"""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import grpc

ADDRESS, GUARDED, HOSTCTL, SOCKET, PROTO = sys.argv[1:6]
FOLDER = tempfile.mkdtemp()
subprocess.run(
    ["protoc", "-I", PROTO, "--python_out", FOLDER, "--grpc_python_out", FOLDER,
     "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin", "gateway.proto"], check=True)
sys.path.insert(0, FOLDER)
import gateway_pb2 as pb  # noqa: E402
import gateway_pb2_grpc as rpc  # noqa: E402

Kind = pb.WatchEvent.Kind
checks = 0


def check(truth, what):
    global checks
    if not truth:
        sys.exit("failed at line %d: %s" % (sys._getframe(1).f_lineno, what))
    checks += 1


def refused(code, call, *words):
    """The call must end so, with these words in its message."""
    try:
        answer = call()
    except grpc.RpcError as error:
        check(error.code() == code, "%s, not %s: %s" % (code, error.code(), error.details()))
        for word in words:
            check(word in error.details(), "%r in %r" % (word, error.details()))
        return error
    sys.exit("failed at line %d: the call ended well: %s" % (sys._getframe(1).f_lineno, answer))


def hostctl(*words):
    run = subprocess.run([HOSTCTL, "--socket", SOCKET, "call", "--json", "gateway", *words], capture_output=True,
                         text=True)
    check(run.returncode == 0, "hostctl %s: %s" % (" ".join(words), run.stderr))
    return json.loads(run.stdout)["value"]


def original(stub):
    """What the clients of RAFT+GossipFL do: no field from 100 up, and words that they compare."""
    first = stub.RegisterNode(
        pb.RegisterNodeRequest(node_id=1, ip_address="127.0.0.1", port=5001, capabilities=["raft", "gossip"],
                               metadata={"zone": "a"}))
    check((first.status, first.node_id, first.is_bootstrap) == ("registered", 1, True), first)
    check(first.registry_version == 1 and not first.nodes and first.leader.node_id == 0, first)
    again = stub.RegisterNode(
        pb.RegisterNodeRequest(node_id=1, ip_address="127.0.0.1", port=5001, capabilities=["raft", "gossip"],
                               metadata={"zone": "a"}))
    check((again.status, again.is_bootstrap, again.registry_version) == ("updated", True, 1), again)
    second = stub.RegisterNode(pb.RegisterNodeRequest(node_id=2, ip_address="127.0.0.1", port=5002))
    check((second.status, second.is_bootstrap, second.registry_version) == ("registered", False, 2), second)
    node = second.nodes[0]
    check(len(second.nodes) == 1 and (node.node_id, node.ip_address, node.port) == (1, "127.0.0.1", 5001), second)
    check(list(node.capabilities) == ["raft", "gossip"] and dict(node.metadata) == {"zone": "a"}, node)
    check(node.status == "active" and abs(node.last_seen - time.time()) < 30, node)
    check(abs(node.join_timestamp - time.time()) < 30, node)
    beat = stub.Heartbeat(pb.HeartbeatRequest(node_id=2))
    check((beat.status, beat.registry_version) == ("acknowledged", 2), beat)
    check(stub.Heartbeat(pb.HeartbeatRequest(node_id=77)).status == "not_found", "a heartbeat of nobody")
    check(stub.GetLeader(pb.GetLeaderRequest()).leader.node_id == 0, "nobody leads")
    update = stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=1))
    check((update.status, update.leader_id) == ("updated", 1), update)
    check(stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=77)).status == "failed", "a leader that is not there")
    leader = stub.GetLeader(pb.GetLeaderRequest())
    check(leader.leader.node_id == 1 and leader.leader.port == 5001 and leader.registry_version == 3, leader)
    check(len(stub.GetNodes(pb.GetNodesRequest()).nodes) == 2, "all nodes")
    others = stub.GetNodes(pb.GetNodesRequest(requesting_node_id=1))
    check([n.node_id for n in others.nodes] == [2] and others.registry_version == 3, others)
    health = stub.HealthCheck(pb.HealthCheckRequest())
    check(health.status == "healthy" and abs(health.timestamp - time.time()) < 30 and health.version, health)
    stats = stub.GetStats(pb.GetStatsRequest())
    check((stats.total_nodes, stats.active_nodes, stats.leader_id, stats.registry_version) == (2, 2, 1, 3), stats)
    check(stats.bootstrap_initiated and stats.uptime > 0, stats)
    gone = stub.RemoveNode(pb.RemoveNodeRequest(node_id=2))
    check((gone.status, gone.node_id) == ("removed", 2), gone)
    check(stub.RemoveNode(pb.RemoveNodeRequest(node_id=2)).status == "not_found", "removed already")


def added(stub):
    """Instances, terms, filters, and the rest that the originals lack."""
    zero = stub.RegisterNode(
        pb.RegisterNodeRequest(node_id=0, ip_address="::1", port=1, instance="zero-1", without_nodes=True))
    check(zero.status == "registered" and not zero.is_bootstrap and not zero.nodes, zero)
    check(zero.revision == zero.registry_version > 0 and zero.registry > 0, zero)
    check(zero.heartbeat_interval_ms == 30000 and zero.node_timeout_ms == 300000, zero)
    check(zero.has_leader and zero.leader.node_id == 1 and zero.term == 0, zero)
    beat = stub.Heartbeat(pb.HeartbeatRequest(node_id=0, instance="zero-1"))
    check(beat.status == "acknowledged" and beat.heartbeat_interval_ms == 30000, beat)
    check(beat.revision == zero.revision, beat)
    check(stub.Heartbeat(pb.HeartbeatRequest(node_id=0, instance="zero-0")).status == "not_found", "another instance")
    error = refused(
        grpc.StatusCode.ALREADY_EXISTS,
        lambda: stub.RegisterNode(pb.RegisterNodeRequest(node_id=0, ip_address="::1", port=2, instance="zero-2")),
        "[::1]:1", "evict 0")
    check("retry-after-ms" not in dict(error.trailing_metadata()), "trying again does not help")
    moved = stub.RegisterNode(pb.RegisterNodeRequest(node_id=0, ip_address="::1", port=3, instance="zero-1"))
    check(moved.status == "updated" and moved.revision == zero.revision + 1, moved)
    restarted = stub.RegisterNode(pb.RegisterNodeRequest(node_id=0, ip_address="::1", port=3, instance="zero-3"))
    check(restarted.status == "updated", "the same address cannot be two")
    refused(grpc.StatusCode.FAILED_PRECONDITION,
            lambda: stub.Deregister(pb.DeregisterRequest(node_id=0, instance="zero-1")), "another instance")
    led = stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=0, term=5, reporter_id=0))
    check((led.status, led.leader_id, led.term) == ("updated", 0, 5), led)
    leader = stub.GetLeader(pb.GetLeaderRequest())
    check(leader.has_leader and leader.leader.node_id == 0 and leader.leader.port == 3 and leader.term == 5, leader)
    same = stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=0, term=5))
    check(same.status == "updated" and same.revision == led.revision, same)
    for request, word in [((1, 4), "term 4 is over"), ((1, 5), "one leader"), ((1, 0), "no term")]:
        refused(grpc.StatusCode.FAILED_PRECONDITION,
                lambda: stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=request[0], term=request[1])), word)
    check(stub.Deregister(pb.DeregisterRequest(node_id=0, instance="zero-3")).status == "removed", "it leaves")
    check(stub.Deregister(pb.DeregisterRequest(node_id=0, instance="zero-3")).status == "not_found", "it has left")
    leader = stub.GetLeader(pb.GetLeaderRequest())
    check(not leader.has_leader and leader.term == 5, "the term stays when its leader goes")
    stub.RegisterNode(pb.RegisterNodeRequest(node_id=8, ip_address="h", port=8, capabilities=["gpu", "raft"],
                                             metadata={"zone": "b", "rack": "1"}))

    def found(**filters):
        return sorted(n.node_id for n in stub.GetNodes(pb.GetNodesRequest(**filters)).nodes)
    check(found() == [1, 8] and found(capabilities=["raft"]) == [1, 8] and found(capabilities=["raft", "gpu"]) == [8],
          "filters by capabilities")
    check(found(labels={"zone": "b"}) == [8] and found(labels={"zone": "b", "rack": "2"}) == [], "filters by labels")
    update = stub.RegisterNode(pb.RegisterNodeRequest(node_id=8, ip_address="h", port=8, metadata={"zone": "c"}))
    check(update.status == "updated", update)
    check(found(labels={"zone": "c"}) == [8] and found(labels={"zone": "b"}) == [], "its labels are others now")


def wrong(channel, stub):
    register = channel.unary_unary("/GatewayService/RegisterNode")
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: register(b"\x08"), "byte 1")
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: register(b"\x12\x02\xff\xff"), "UTF-8")
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: register(b"\x0a\x01a"), "field 1")

    def bad(*words, **fields):
        fields = {"node_id": 9, "ip_address": "h", "port": 1, **fields}
        refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.RegisterNode(pb.RegisterNodeRequest(**fields)), *words)
    bad("ip_address", ip_address="")
    bad("port", port=70000)
    bad("port", port=-1)
    bad("capabilities", capabilities=["x"] * 65)
    bad("labels", metadata={"k%d" % i: "" for i in range(65)})
    bad("1024", instance="x" * 1025)
    bad("label", metadata={"k": "v" * 1025})
    bad("16384", metadata={"k%d" % i: "v" * 1000 for i in range(30)})
    refused(grpc.StatusCode.UNIMPLEMENTED, lambda: channel.unary_unary("/GatewayService/Nothing")(b""))
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: register(bytes(2 << 20)))
    # What is not known is passed over, as a newer client's fields are.
    request = pb.RegisterNodeRequest(node_id=9, ip_address="h", port=9).SerializeToString()
    answer = pb.RegisterNodeResponse.FromString(register(request + b"\xa2\x38\x03abc\xa8\x38\x05"))
    check(answer.status == "registered", answer)
    check(stub.RemoveNode(pb.RemoveNodeRequest(node_id=9)).status == "removed", "and goes")


class Stream:
    """A Watch, read by a thread."""

    def __init__(self, stub, **request):
        self.call = stub.Watch(pb.WatchRequest(**request))
        self.events = []
        self.error = None
        self.room = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for event in self.call:
                with self.room:
                    self.events.append(event)
                    self.room.notify()
        except grpc.RpcError as error:
            self.error = error

    def take(self, count):
        with self.room:
            self.room.wait_for(lambda: len(self.events) >= count, timeout=10)
            taken, self.events = self.events[:count], self.events[count:]
        check(len(taken) == count, "%d events, not %d: %s" % (count, len(taken), taken))
        return taken

    def nothing(self):
        time.sleep(0.2)
        check(not self.events, self.events)


def watch(stub):
    stream = Stream(stub)
    reset, *nodes, leader, synced = stream.take(5)
    check(reset.kind == Kind.Value("RESET") and synced.kind == Kind.Value("SYNCED"), (reset, synced))
    check(sorted(n.node.node_id for n in nodes) == [1, 8] and {n.kind for n in nodes} == {Kind.Value("NODE")}, nodes)
    check(leader.kind == Kind.Value("LEADER") and leader.term == 5 and not leader.HasField("node"), leader)
    check(synced.registry == reset.registry > 0 and len({e.revision for e in [reset, *nodes, synced]}) == 1, synced)
    start = synced.revision
    gpus = Stream(stub, capabilities=["gpu"])
    check([e.kind for e in gpus.take(3)] == [0, Kind.Value("LEADER"), Kind.Value("SYNCED")], "none fits")
    stub.RegisterNode(pb.RegisterNodeRequest(node_id=3, ip_address="h", port=3, capabilities=["gpu"], instance="i"))
    stub.RegisterNode(pb.RegisterNodeRequest(node_id=3, ip_address="h", port=3, instance="i"))
    stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=3, term=6))
    stub.Deregister(pb.DeregisterRequest(node_id=3, instance="i"))
    stub.RegisterNode(pb.RegisterNodeRequest(node_id=4, ip_address="h", port=4))
    hostctl("evict", "4", "it is only a test")
    events = stream.take(6)
    check([Kind.Name(e.kind) for e in events] == ["JOINED", "UPDATED", "LEADER", "LEFT", "JOINED", "LEFT"], events)
    check([e.revision for e in events] == list(range(start + 1, start + 7)), "no gap and no repeat")
    check([e.reason for e in events] == ["", "", "", "left", "", "evicted"], events)
    check(events[0].node.capabilities == ["gpu"] and events[0].node.revision == start + 1, events[0])
    check((events[2].leader_id, events[2].term, events[2].node.node_id) == (3, 6, 3), events[2])
    filtered = gpus.take(3)
    check([Kind.Name(e.kind) for e in filtered] == ["JOINED", "LEFT", "LEADER"], filtered)
    check(filtered[1].reason == "changed", filtered)
    gpus.nothing()
    for after, kinds in [(start + 3, ["LEFT", "JOINED", "LEFT", "SYNCED"]), (start + 6, ["SYNCED"])]:
        for registry in (0, synced.registry):
            again = Stream(stub, after_revision=after, registry=registry)
            check([Kind.Name(e.kind) for e in again.take(len(kinds))] == kinds, kinds)
            again.nothing()
            again.call.cancel()
    for request in ({"after_revision": start, "registry": synced.registry ^ 1}, {"after_revision": 10 ** 9}):
        anew = Stream(stub, **request)
        check(anew.take(1)[0].kind == 0, "it begins anew")
        anew.call.cancel()
    stream.call.cancel()
    gpus.call.cancel()
    deadline = time.time() + 5
    while hostctl("stats")["watchers"] and time.time() < deadline:
        time.sleep(0.05)
    check(hostctl("stats")["watchers"] == 0, "the watchers have gone")


def slow_watcher(stub):
    """One that does not read holds nobody up; it is told so, and comes back."""
    channel = grpc.insecure_channel(ADDRESS, [("grpc.http2.lookahead_bytes", 65535), ("grpc.max_concurrent_streams", 1),
                                              ("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)])
    call = rpc.GatewayServiceStub(channel).Watch(pb.WatchRequest())
    first = next(call)
    check(first.kind == 0, first)
    label = "x" * 1000
    for number in range(600):
        stub.RegisterNode(pb.RegisterNodeRequest(node_id=50, ip_address="h", port=50, without_nodes=True,
                                                 metadata={"n": str(number), **{"l%d" % i: label for i in range(14)}}))
    last = first
    error = None
    try:
        for event in call:
            last = event
            if event.revision == stub.GetStats(pb.GetStatsRequest()).revision:
                break
    except grpc.RpcError as found:
        error = found
    check(error is not None and error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, "cut off: %s %s" % (error, last))
    check("watch again" in error.details(), error.details())
    check("retry-after-ms" not in dict(error.trailing_metadata()), "at once")
    again = Stream(stub, after_revision=last.revision, registry=first.registry)
    check(again.take(1)[0].kind == 0, "what it missed is not known any more")
    again.call.cancel()
    stub.RemoveNode(pb.RemoveNodeRequest(node_id=50))
    channel.close()


def tokens():
    channel = grpc.insecure_channel(GUARDED)
    stub = rpc.GatewayServiceStub(channel)
    node = pb.RegisterNodeRequest(node_id=1, ip_address="h", port=1)

    def said(word):
        return [("authorization", word)]
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: stub.RegisterNode(node), "Bearer")
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: stub.RegisterNode(node, metadata=said("Bearer wrong")), "token")
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: stub.GetNodes(pb.GetNodesRequest()))
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: next(stub.Watch(pb.WatchRequest())))
    refused(grpc.StatusCode.PERMISSION_DENIED, lambda: stub.RegisterNode(node, metadata=said("Bearer two")), "node 2")
    check(stub.RegisterNode(node, metadata=said("Bearer one")).status == "registered", "its own")
    for call in (lambda: stub.Heartbeat(pb.HeartbeatRequest(node_id=1), metadata=said("bearer two")),
                 lambda: stub.Deregister(pb.DeregisterRequest(node_id=1), metadata=said("bearer two")),
                 lambda: stub.RemoveNode(pb.RemoveNodeRequest(node_id=1), metadata=said("bearer two")),
                 lambda: stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=1, reporter_id=1),
                                           metadata=said("bearer two"))):
        refused(grpc.StatusCode.PERMISSION_DENIED, call, "node 2")
    check(stub.UpdateLeader(pb.UpdateLeaderRequest(leader_id=1, reporter_id=2), metadata=said("bearer two")).status
          == "updated", "a node may report who leads")
    check(len(stub.GetNodes(pb.GetNodesRequest(), metadata=said("Bearer two")).nodes) == 1, "everybody may read")
    check(stub.HealthCheck(pb.HealthCheckRequest()).status == "healthy", "everybody may ask whether it is well")
    check(stub.RemoveNode(pb.RemoveNodeRequest(node_id=1), metadata=said("Bearer all")).status == "removed",
          "the word that is good for all")
    channel.close()
    # The limits of this gateway are small.
    channel = grpc.insecure_channel(GUARDED)
    stub = rpc.GatewayServiceStub(channel)
    for number in (1, 2):
        stub.RegisterNode(pb.RegisterNodeRequest(node_id=number, ip_address="h", port=1), metadata=said("Bearer all"))
    error = refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: stub.RegisterNode(
        pb.RegisterNodeRequest(node_id=3, ip_address="h", port=1), metadata=said("Bearer all")), "node_limit")
    check(dict(error.trailing_metadata())["retry-after-ms"] == "700", error.trailing_metadata())
    streams = [Stream(stub) for _ in range(0)]
    one = stub.Watch(pb.WatchRequest(), metadata=said("Bearer all"))
    next(one)
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED,
            lambda: next(stub.Watch(pb.WatchRequest(), metadata=said("Bearer all"))), "watchers")
    one.cancel()
    check(not streams, "none")
    # Node 2 is silent for longer than its timeout of half a second.
    time.sleep(1.2)
    check(stub.Heartbeat(pb.HeartbeatRequest(node_id=2), metadata=said("Bearer all")).status == "not_found", "expired")
    channel.close()


def tools(channel):
    """Health and reflection, as grpcurl and the like ask for them."""
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    check(health(b"\x0a\x0eGatewayService") == b"\x08\x01", "GatewayService is serving")
    reflect = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    listed = next(reflect(iter([b"\x3a\x00"])))
    check(b"GatewayService" in listed, listed)
    symbol = b"GatewayService.Watch"
    answer = next(reflect(iter([b"\x22" + bytes([len(symbol)]) + symbol])))
    with open(os.path.join(FOLDER, "set"), "wb"):
        pass
    made = subprocess.run(["protoc", "-I", PROTO, "--descriptor_set_out", "/dev/stdout", "gateway.proto"],
                          capture_output=True, check=True).stdout
    # A set of one file: its tag and its length come first.
    file = made[3:] if made[2] < 0x80 and made[1] >= 0x80 else made[2:]
    check(file in answer, "reflection tells the .proto as it is")


def methods(stub):
    nodes = hostctl("nodes")
    check([n["node_id"] for n in nodes] == [1, 8] and nodes[0]["address"] == "127.0.0.1:5001", nodes)
    check(hostctl("find", '{"labels": {"zone": "c"}}')[0]["node_id"] == 8, "a filter")
    check(hostctl("leader")["term"] == 6 and hostctl("leader")["leader"] is None, hostctl("leader"))
    stats = hostctl("stats")
    check(stats["nodes"] == 2 and stats["bootstrap"]["node_id"] == 1 and stats["ready"], stats)
    check(hostctl("reset_bootstrap") == {"was": 1}, "an operator's word")
    check(stub.RegisterNode(pb.RegisterNodeRequest(node_id=8, ip_address="h", port=8)).is_bootstrap, "then another may")
    check(not stub.RegisterNode(pb.RegisterNodeRequest(node_id=1, ip_address="127.0.0.1", port=5001)).is_bootstrap,
          "and the first not any more")
    run = subprocess.run([HOSTCTL, "--socket", SOCKET, "call", "gateway", "evict", "99", "x"], capture_output=True,
                         text=True)
    check(run.returncode == 1 and "NOT_FOUND" in run.stderr, run.stderr)


def main():
    channel = grpc.insecure_channel(ADDRESS, [("grpc.max_receive_message_length", 1000 << 20)])
    stub = rpc.GatewayServiceStub(channel)
    original(stub)
    added(stub)
    wrong(channel, stub)
    watch(stub)
    slow_watcher(stub)
    tools(channel)
    methods(stub)
    tokens()
    print("%d checks" % checks)


main()
