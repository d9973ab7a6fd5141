"""Python's grpcio against a node: as client of its roles, and as server that they call. Run by Tests/Interop/run."""
import json
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from google.protobuf import descriptor_pb2

ADDRESS, HOSTCTL, SOCKET, FOLDER = sys.argv[1:5]
LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
checks = 0


def check(truth, what):
    global checks
    if not truth:
        sys.exit("failed: %s" % (what,))
    checks += 1


def method(channel, kind, name):
    return getattr(channel, kind)("/interop.Echo/" + name)


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    sys.exit("failed: the call ended well")


def unary(channel):
    echo = method(channel, "unary_unary", "Unary")
    for size in (0, 1, 100, 16383, 16384, 65535, 65536, 1 << 20, 64_000_000):
        payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        check(echo(payload, timeout=60) == payload, "a message of %d bytes comes back" % size)
    answers = [echo.future(b"%d" % i, timeout=20) for i in range(2000)]
    check(all(a.result() == b"%d" % i for i, a in enumerate(answers)), "2,000 calls at once")


def streams(channel):
    split = method(channel, "unary_stream", "Split")
    check([int(m) for m in split(b"1000", timeout=20)] == list(range(1000)), "a stream of 1,000 messages")
    # Nobody reads for a while: the server has to wait, and goes on afterwards.
    slow = split(b"200000", timeout=60)
    time.sleep(0.5)
    check(sum(1 for _ in slow) == 200000, "a stream that waits for its reader")
    check(list(split(b"0", timeout=20)) == [], "a stream without messages")
    join = method(channel, "stream_unary", "Join")
    check(join((b"x" * 1000 for _ in range(5000)), timeout=60) == b"5000000", "a stream of the client's")
    check(join(iter(()), timeout=20) == b"0", "an empty stream of the client's")
    chat = method(channel, "stream_stream", "Chat")
    check(list(chat((b"%d" % i for i in range(500)), timeout=20)) == [b"%d" % i for i in range(500)], "both talk")
    # One message at a time, each sent when the answer to the one before has come.
    turn, sent = threading.Semaphore(1), []

    def ask():
        for i in range(50):
            turn.acquire()
            sent.append(i)
            yield b"%d" % i

    for i, answer in enumerate(chat(ask(), timeout=20)):
        check(answer == b"%d" % i and len(sent) == i + 1, "an answer to each word")
        turn.release()


def statuses(channel):
    error = failure(lambda: method(channel, "unary_unary", "Fail")(b"\x08\x09\x12\x02no", timeout=5))
    check(error.code() == grpc.StatusCode.FAILED_PRECONDITION, "the status")
    check(error.details() == "100% wrong\nä", "the sentence")
    check(("grpc-status-details-bin", b"\x08\x09\x12\x02no") in error.trailing_metadata(), "the details")
    error = failure(lambda: method(channel, "unary_unary", "Nothing")(b"", timeout=5))
    check(error.code() == grpc.StatusCode.UNIMPLEMENTED, "a method that is not there")
    error = failure(lambda: channel.unary_unary("/no.Such/Service")(b"", timeout=5))
    check(error.code() == grpc.StatusCode.UNIMPLEMENTED, "a service that is not there")
    error = failure(lambda: method(channel, "unary_unary", "Unary")(b"x" * 100_000_001, timeout=60))
    check(error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, "a message above the limit")


def deadlines(channel):
    wait, ended = method(channel, "unary_unary", "Wait"), method(channel, "unary_unary", "Ended")
    before = int(ended(b"").split()[0])
    began = time.monotonic()
    error = failure(lambda: wait(b"", timeout=0.2))
    check(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - began < 2, "a deadline")
    future = wait.future(b"", timeout=20)
    time.sleep(0.1)
    future.cancel()
    for _ in range(100):
        count, last = ended(b"").split()
        if int(count) == before + 2:
            break
        time.sleep(0.02)
    check(int(count) == before + 2 and last == b"1", "the role hears of a call that was given up")
    left = int(method(channel, "unary_unary", "Left")(b"", timeout=30))
    check(25000 < left <= 30000, "the role knows the deadline")
    check(method(channel, "unary_unary", "Left")(b"") == b"0", "no deadline")


def metadata(channel):
    answer, call = method(channel, "unary_unary", "Meta").with_call(
        b"m", timeout=5, metadata=[("x-echo-word", "hello there"), ("x-echo-bin", b"\x00\xff\x01"), ("x-echo-word", "2"),
                                   ("x-trail-bin", b"\xfe\x00")])
    first, last = call.initial_metadata(), call.trailing_metadata()
    check(answer == b"m" and ("x-echo-bin", b"\x00\xff\x01") in first, "binary metadata")
    check([v for k, v in first if k == "x-echo-word"] == ["hello there", "2"], "metadata in order")
    check(("x-trail-bin", b"\xfe\x00") in last, "trailing metadata")


def compression():
    channel = grpc.insecure_channel(ADDRESS, options=LIMIT, compression=grpc.Compression.Gzip)
    payload = b"again and again " * 10000
    check(method(channel, "unary_unary", "Unary")(payload, timeout=20) == payload, "gzip both ways")
    check(method(channel, "stream_unary", "Join")((payload for _ in range(20)), timeout=20) == b"3200000", "gzip in a stream")
    # Grows beyond the limit of the role only when it is inflated.
    error = failure(lambda: method(channel, "unary_unary", "Unary")(b"0" * 100_000_001, timeout=60))
    check(error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, "a bomb")
    deflate = grpc.insecure_channel(ADDRESS, compression=grpc.Compression.Deflate)
    error = failure(lambda: method(deflate, "unary_unary", "Unary")(payload, timeout=20))
    check(error.code() == grpc.StatusCode.UNIMPLEMENTED, "a compression that is not understood")


def keepalive():
    options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_timeout_ms", 500),
               ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    channel = grpc.insecure_channel(ADDRESS, options=options)
    echo = method(channel, "unary_unary", "Unary")
    check(echo(b"1", timeout=5) == b"1", "before the pings")
    time.sleep(2.5)
    check(echo(b"2", timeout=5) == b"2", "after the pings")


def health_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for name in ("", "interop.Echo"):
        check(stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status == serving, "health of '%s'" % name)
    error = failure(lambda: stub.Check(health_pb2.HealthCheckRequest(service="no.such"), timeout=5))
    check(error.code() == grpc.StatusCode.NOT_FOUND, "health of nothing")
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="interop.Echo"), timeout=10)
    check(next(watch).status == serving, "watching health")
    watch.cancel()
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="no.such"), timeout=10)
    check(next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN, "watching nothing")
    watch.cancel()


def reflection_service(channel):
    for version in ("v1alpha", "v1"):
        info = channel.stream_stream(
            "/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version,
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        asked = [dict(list_services=""), dict(file_containing_symbol="interop.Echo"), dict(file_by_filename="echo.proto"),
                 dict(file_containing_symbol="no.such"), dict(all_extension_numbers_of_type="no.such")]
        answers = list(info((reflection_pb2.ServerReflectionRequest(**a) for a in asked), timeout=5))
        services = {s.name for s in answers[0].list_services_response.service}
        check({"interop.Echo", "grpc.health.v1.Health"} <= services, "the services: %s" % services)
        for answer in answers[1:3]:
            file = descriptor_pb2.FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
            check(file.package == "interop" and file.service[0].name == "Echo", "the description")
        check([a.error_response.error_code for a in answers[3:]] == [5, 5], "what is not there")
        check(answers[3].original_request.file_containing_symbol == "no.such", "the question comes back")


class Echo(grpc.GenericRpcHandler):
    """The other way round: a server for the role's own calls."""

    def __init__(self):
        self.refusals = 0

    def service(self, details):
        name = details.method.split("/")[-1]
        metadata = details.invocation_metadata
        if name == "Unary":
            def unary(request, context):
                # The host's own is among them.
                check([v for k, v in metadata if k == "x-echo-bin"] == [b"\x00\xff\x01"], "the role's metadata")
                check(0 < context.time_remaining() <= 60, "the role's deadline")
                context.send_initial_metadata((("x-word", "hello"), ("x-bin", b"\x00\x01")))
                context.set_trailing_metadata((("x-end-bin", b"\xff"),))
                return request
            return grpc.unary_unary_rpc_method_handler(unary)
        if name == "Squeezed":
            def squeezed(request, context):
                context.set_compression(grpc.Compression.Gzip)
                return request
            return grpc.unary_unary_rpc_method_handler(squeezed)
        if name == "Chat":
            return grpc.stream_stream_rpc_method_handler(lambda requests, context: requests)
        if name == "Refuse":
            def refuse(request, context):
                self.refusals += 1
                if self.refusals < 3:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
                return b"at last"
            return grpc.unary_unary_rpc_method_handler(refuse)
        if name == "Fail":
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, "100% gone\nä"))
        if name == "Wait":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: time.sleep(1) or b"")
        return None


def role_calls(port, name, payload="x", messages=0, milliseconds=10000, retries=0, waits=0, gzip=0, scheme="http"):
    arguments = ["%s://localhost:%d" % (scheme, port), "/interop.Echo/" + name, payload, messages, milliseconds, retries,
                 waits, gzip]
    said = subprocess.run([HOSTCTL, "--socket", SOCKET, "--json", "call", "--timeout", "30s", "talker", "call"]
                          + ["%s" % a for a in arguments], stdout=subprocess.PIPE, text=True)
    return said.stdout.strip()


def as_server():
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[Echo()], options=LIMIT)
    port = server.add_insecure_port("127.0.0.1:0")
    # Not started: who waits is served as soon as it is.
    waiting = futures.ThreadPoolExecutor(1).submit(role_calls, port, "Unary", waits=1)
    time.sleep(0.7)
    server.start()

    def expect(answer, said):
        check(answer in said, "%s: %s" % (answer, said))

    expect("status 0, 1 messages, 1 bytes", waiting.result())
    expect("status 0, 1 messages, 5 bytes, 2 before, 1 behind", role_calls(port, "Unary", "hello"))
    expect("status 0, 1 messages, 100000 bytes", role_calls(port, "Squeezed", "ab" * 50000, gzip=1))
    expect("status 0, 300 messages, 3000 bytes", role_calls(port, "Chat", "0123456789", messages=300))
    expect("status 5, 0 messages, 0 bytes, 0 before, 0 behind: 100% gone", role_calls(port, "Fail"))
    expect("status 12", role_calls(port, "Nothing"))
    expect("status 4", role_calls(port, "Wait", milliseconds=200))
    expect("status 14", role_calls(port, "Refuse"))
    expect("status 0, 1 messages, 7 bytes", role_calls(port, "Refuse", retries=3))
    server.stop(0).wait()
    expect("status 14", role_calls(port, "Unary"))
    expect("status 4", role_calls(port, "Unary", waits=1, milliseconds=500))


def main():
    channel = grpc.insecure_channel(ADDRESS, options=LIMIT)
    for part in (unary, streams, statuses, deadlines, metadata):
        part(channel)
    compression()
    keepalive()
    health_service(channel)
    reflection_service(channel)
    as_server()
    print("%d checks" % checks)


main()
