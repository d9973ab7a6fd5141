"""A gateway as it was before: Python's grpcio, the calls and words of the original, no field from 100 up, no Watch.

usage: old_gateway.py FOLDER_OF_GENERATED_MESSAGES PORT [TIMEOUT_SECONDS]

It forgets everything with its process: the first that registers then is the bootstrap node again.
"""
import sys
import threading
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
import gateway_pb2 as pb  # noqa: E402

PORT = int(sys.argv[2])
TIMEOUT = float(sys.argv[3]) if len(sys.argv) > 3 else 300.0


class Gateway:
    def __init__(self):
        self.lock = threading.RLock()
        self.nodes = {}
        self.leader = 0
        self.version = 0
        self.bootstrapped = False
        self.began = time.time()

    def sweep(self):
        for node in [n for n in self.nodes.values() if time.time() - n.last_seen > TIMEOUT]:
            del self.nodes[node.node_id]
            self.version += 1

    def others(self, node_id):
        return [n for n in self.nodes.values() if n.node_id != node_id]

    def leading(self):
        return self.nodes.get(self.leader) or pb.NodeInfo()

    def RegisterNode(self, request, context):
        now = time.time()
        known = self.nodes.get(request.node_id)
        self.nodes[request.node_id] = pb.NodeInfo(
            node_id=request.node_id, ip_address=request.ip_address, port=request.port,
            capabilities=request.capabilities, metadata=request.metadata, status="active", last_seen=now,
            join_timestamp=known.join_timestamp if known else now)
        self.version += 1
        first, self.bootstrapped = not self.bootstrapped, True
        return pb.RegisterNodeResponse(
            status="updated" if known else "registered", node_id=request.node_id, is_bootstrap=first,
            registry_version=self.version, nodes=self.others(request.node_id), leader=self.leading())

    def GetNodes(self, request, context):
        return pb.GetNodesResponse(nodes=self.others(request.requesting_node_id), registry_version=self.version)

    def GetLeader(self, request, context):
        return pb.GetLeaderResponse(leader=self.leading(), registry_version=self.version)

    def UpdateLeader(self, request, context):
        if request.leader_id not in self.nodes:
            return pb.UpdateLeaderResponse(status="failed", leader_id=request.leader_id, message="not registered")
        self.leader = request.leader_id
        self.version += 1
        return pb.UpdateLeaderResponse(status="updated", leader_id=request.leader_id)

    def Heartbeat(self, request, context):
        known = self.nodes.get(request.node_id)
        if known:
            known.last_seen = time.time()
        return pb.HeartbeatResponse(status="acknowledged" if known else "not_found", registry_version=self.version)

    def HealthCheck(self, request, context):
        return pb.HealthCheckResponse(status="healthy", timestamp=time.time(), version="1.0.0")

    def RemoveNode(self, request, context):
        known = self.nodes.pop(request.node_id, None)
        self.version += 1 if known else 0
        return pb.RemoveNodeResponse(status="removed" if known else "not_found", node_id=request.node_id)

    def GetStats(self, request, context):
        return pb.GetStatsResponse(
            total_nodes=len(self.nodes), active_nodes=len(self.nodes), leader_id=self.leader,
            registry_version=self.version, bootstrap_initiated=self.bootstrapped, uptime=time.time() - self.began)


def serve():
    gateway = Gateway()

    def locked(method):
        def handler(request, context):
            with gateway.lock:
                gateway.sweep()
                return method(request, context)
        return handler

    requests = {
        "RegisterNode": pb.RegisterNodeRequest, "GetNodes": pb.GetNodesRequest, "GetLeader": pb.GetLeaderRequest,
        "UpdateLeader": pb.UpdateLeaderRequest, "Heartbeat": pb.HeartbeatRequest,
        "HealthCheck": pb.HealthCheckRequest, "RemoveNode": pb.RemoveNodeRequest, "GetStats": pb.GetStatsRequest,
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            locked(getattr(gateway, name)), request_deserializer=kind.FromString,
            response_serializer=lambda answer: answer.SerializeToString())
        for name, kind in requests.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("GatewayService", handlers),))
    if server.add_insecure_port("127.0.0.1:%d" % PORT) == 0:
        sys.exit("port %d is taken" % PORT)
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


serve()
