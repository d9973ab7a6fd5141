"""The same by Python's grpcio: sends each message back."""
import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    def service(self, details):
        return self.handler


server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Echo()])
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
