"""The gateway's service by Python's grpcio, as simple as it can be: a dictionary in memory."""
import sys
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[2])
import gateway_pb2 as pb  # noqa: E402
import gateway_pb2_grpc as rpc  # noqa: E402


class Gateway(rpc.GatewayServiceServicer):
    nodes, revision = {}, 0

    def RegisterNode(self, request, context):
        known = request.node_id in self.nodes
        Gateway.revision += 1
        self.nodes[request.node_id] = pb.NodeInfo(
            node_id=request.node_id, ip_address=request.ip_address, port=request.port,
            capabilities=request.capabilities, metadata=request.metadata, last_seen=time.time())
        answer = pb.RegisterNodeResponse(status="updated" if known else "registered", node_id=request.node_id,
                                         registry_version=self.revision)
        if not request.without_nodes:
            answer.nodes.extend(n for i, n in self.nodes.items() if i != request.node_id)
        return answer

    def Heartbeat(self, request, context):
        node = self.nodes.get(request.node_id)
        if node is None:
            return pb.HeartbeatResponse(status="not_found")
        node.last_seen = time.time()
        return pb.HeartbeatResponse(status="acknowledged", registry_version=self.revision)


server = grpc.server(futures.ThreadPoolExecutor(10))
rpc.add_GatewayServiceServicer_to_server(Gateway(), server)
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
