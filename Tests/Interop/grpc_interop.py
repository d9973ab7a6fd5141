"""Python's grpcio against a node: as client of its roles, and as server that they call. RpcInteropTests runs it."""
import json
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc

# Of a plain listener, one with TLS, and one that wants to see certificates; a folder of those. Or of a plain one alone,
# which may be another node's that has the role behind it.
ADDRESSES, HOSTCTL, SOCKET, FOLDER = sys.argv[1].split(","), *sys.argv[2:5]
ADDRESS = ADDRESSES[0]
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
    caller = sys._getframe(1)
    sys.exit("failed: the call at line %d ended well" % caller.f_lineno)


def unary(channel):
    echo = method(channel, "unary_unary", "Unary")
    for size in (0, 1, 100, 16383, 16384, 65530, 65531, 65535, 65536, 131072, 1 << 20, 64_000_000):
        payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        check(echo(payload, timeout=60) == payload, "a message of %d bytes comes back" % size)
    answers = [echo.future(b"%d" % i, timeout=20) for i in range(2000)]
    check(all(a.result() == b"%d" % i for i, a in enumerate(answers)), "2,000 calls at once")


def streams(channel):
    split = method(channel, "unary_stream", "Split")
    check([int(m) for m in split(b"1000", timeout=20)] == list(range(1000)), "a stream of 1,000 messages")
    # Nobody reads for a while: the server has to wait, and goes on afterwards.
    slow = split(b"60000", timeout=60)
    time.sleep(0.5)
    check(sum(1 for _ in slow) == 60000, "a stream that waits for its reader")
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
    check(25000 < left <= 30100, "the role knows the deadline: %d" % left)
    check(method(channel, "unary_unary", "Left")(b"") == b"0", "no deadline")


def metadata(channel):
    answer, call = method(channel, "unary_unary", "Meta").with_call(
        b"m", timeout=5, metadata=[("x-echo-word", "hello there"), ("x-echo-bin", b"\x00\xff\x01"),
                                   ("x-echo-word", "2"), ("x-trail-bin", b"\xfe\x00")])
    first, last = call.initial_metadata(), call.trailing_metadata()
    check(answer == b"m" and ("x-echo-bin", b"\x00\xff\x01") in first, "binary metadata")
    check([v for k, v in first if k == "x-echo-word"] == ["hello there", "2"], "metadata in order")
    check(("x-trail-bin", b"\xfe\x00") in last, "trailing metadata")


def compression():
    channel = grpc.insecure_channel(ADDRESS, options=LIMIT, compression=grpc.Compression.Gzip)
    payload = b"again and again " * 10000
    check(method(channel, "unary_unary", "Unary")(payload, timeout=20) == payload, "gzip both ways")
    joined = method(channel, "stream_unary", "Join")((payload for _ in range(20)), timeout=20)
    check(joined == b"3200000", "gzip in a stream")
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


def encode(field, value):
    """One field of a message of Protocol Buffers; lengths and numbers here are below 128."""
    if isinstance(value, int):
        return bytes([field << 3, value])
    value = value.encode() if isinstance(value, str) else value
    return bytes([field << 3 | 2, len(value)]) + value


def decode(message):
    """The fields of a message: numbers, and bytes."""
    fields, place = {}, 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = number()
        value = number()
        if key & 7 == 2:
            value, place = message[place:place + value], place + value
        fields.setdefault(key >> 3, []).append(value)
    return fields


SERVING, NOT_KNOWN = b"\x08\x01", b"\x08\x03"


def health_service(channel):
    ask = channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in ("", "interop.Echo"):
        check(ask(encode(1, name), timeout=5) == SERVING, "health of '%s'" % name)
    error = failure(lambda: ask(encode(1, "no.such"), timeout=5))
    check(error.code() == grpc.StatusCode.NOT_FOUND, "health of nothing")
    for name, answer in (("interop.Echo", SERVING), ("no.such", NOT_KNOWN)):
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(encode(1, name), timeout=10)
        check(next(watch) == answer, "watching the health of '%s'" % name)
        watch.cancel()


def reflection_service(channel):
    for version in ("v1alpha", "v1"):
        info = channel.stream_stream("/grpc.reflection.%s.ServerReflection/ServerReflectionInfo" % version)
        asked = [encode(7, ""), encode(4, "interop.Echo"), encode(3, "echo.proto"), encode(4, "no.such"),
                 encode(6, "no.such")]
        answers = [decode(m) for m in info(iter(asked), timeout=5)]
        check([a[2][0] for a in answers] == asked, "the questions come back")
        services = {decode(s)[1][0] for s in decode(answers[0][6][0])[1]}
        check({b"interop.Echo", b"grpc.health.v1.Health"} <= services, "the services: %s" % services)
        for answer in answers[1:3]:
            file = decode(decode(answer[4][0])[1][0])
            check(file[1] == [b"echo.proto"] and file[2] == [b"interop"], "the description")
            check(decode(file[6][0])[1] == [b"Echo"], "the service in it")
        check([decode(a[7][0])[1] for a in answers[3:]] == [[5], [5]], "what is not there")


def tls():
    def read(name):
        with open("%s/%s" % (FOLDER, name), "rb") as file:
            return file.read()

    authority, own = read("ca.pem"), (read("client.key"), read("client.pem"))
    anybody = grpc.ssl_channel_credentials(authority)
    known = grpc.ssl_channel_credentials(authority, *own)
    echo = method(grpc.secure_channel(ADDRESSES[1], anybody, options=LIMIT), "unary_unary", "Unary")
    for payload in (b"safe", bytes(range(256)) * 20000):
        check(echo(payload, timeout=20) == payload, "TLS")
    check(method(grpc.secure_channel(ADDRESSES[2], known), "unary_unary", "Unary")(b"me", timeout=10) == b"me", "mTLS")
    for address, credentials, what in ((ADDRESSES[2], anybody, "a client without a certificate"),
                                       (ADDRESSES[1], grpc.ssl_channel_credentials(), "a server that nobody knows")):
        call = method(grpc.secure_channel(address, credentials), "unary_unary", "Unary")
        error = failure(lambda: call(b"x", timeout=5))
        check(error.code() == grpc.StatusCode.UNAVAILABLE, what)

    # The other way round: the node calls servers that show a certificate, and want to see one.
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()], options=LIMIT)
    pair, other = [(read("%s.key" % name), read("%s.pem" % name)) for name in ("localhost", "other")]
    ports = [server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair])),
             server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair], authority, True)),
             server.add_secure_port("localhost:0", grpc.ssl_server_credentials([other]))]
    server.start()
    for port in ports[:2]:
        expect("status 0, 1 messages, 5 bytes, 2 before, 1 behind", role_calls(port, "Unary", "hello", scheme="https"))
    expect("status 14", role_calls(ports[2], "Unary", scheme="https"))
    expect("status 14", role_calls(ports[0], "Unary", scheme="http", milliseconds=3000))
    server.stop(0).wait()


class Echo(grpc.GenericRpcHandler):
    """The other way round: a server for the role's own calls."""

    def __init__(self):
        self.refusals = []
        self.given_up = threading.Event()

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
                self.refusals.append(time.monotonic())
                if len(self.refusals) < 4:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
                return b"at last"
            return grpc.unary_unary_rpc_method_handler(refuse)
        if name == "Endless":
            def endless(request, context):
                context.add_callback(self.given_up.set)
                yield b"first"
                self.given_up.wait(10)
            return grpc.unary_stream_rpc_method_handler(endless)
        if name == "Fail":
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, "100% gone\nä"))
        if name == "Wait":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: time.sleep(1) or b"")
        return None


def role_calls(port, name, payload="x", messages=0, milliseconds=10000, retries=0, waits=0, gzip=0, scheme="http"):
    arguments = ["%s://localhost:%d" % (scheme, port), "/interop.Echo/" + name, payload, messages, milliseconds,
                 retries, waits, gzip]
    said = subprocess.run([HOSTCTL, "--socket", SOCKET, "--json", "call", "--timeout", "30000", "talker", "call"]
                          + ["%s" % a for a in arguments], stdout=subprocess.PIPE, text=True)
    return said.stdout.strip()


def expect(answer, said):
    check(answer in said, "%s: %s" % (answer, said))


def as_server():
    echo = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[echo], options=LIMIT)
    port = server.add_insecure_port("127.0.0.1:0")
    # Not started: who waits is served as soon as it is.
    waiting = futures.ThreadPoolExecutor(1).submit(role_calls, port, "Unary", waits=1)
    time.sleep(0.7)
    server.start()

    expect("status 0, 1 messages, 1 bytes", waiting.result())
    expect("status 0, 1 messages, 5 bytes, 2 before, 1 behind", role_calls(port, "Unary", "hello"))
    expect("status 0, 1 messages, 100000 bytes", role_calls(port, "Squeezed", "ab" * 50000, gzip=1))
    expect("status 0, 300 messages, 3000 bytes", role_calls(port, "Chat", "0123456789", messages=300))
    expect("status 5, 0 messages, 0 bytes, 0 before, 0 behind: 100% gone", role_calls(port, "Fail"))
    expect("status 12", role_calls(port, "Nothing"))
    expect("status 4", role_calls(port, "Wait", milliseconds=200))
    expect("status 1, 1 messages", role_calls(port, "Endless", "cancel"))
    check(echo.given_up.wait(2), "the server hears of a call that the role has given up")
    expect("status 14", role_calls(port, "Refuse"))
    expect("status 0, 1 messages, 7 bytes", role_calls(port, "Refuse", retries=3))
    pauses = [b - a for a, b in zip(echo.refusals[1:], echo.refusals[2:])]
    # At least 37 and 75 ms, but a busy machine may see one that comes late as a shorter pause behind it.
    check(len(pauses) == 2 and sum(pauses) > 0.08, "pauses between attempts: %s" % pauses)
    server.stop(0).wait()
    expect("status 14", role_calls(port, "Unary"))
    expect("status 4", role_calls(port, "Unary", waits=1, milliseconds=500))


def main():
    channel = grpc.insecure_channel(ADDRESS, options=LIMIT)
    def timed(part, *arguments):
        began = time.monotonic()
        part(*arguments)
        print("%-20s %.1f s" % (part.__name__, time.monotonic() - began))

    for part in (unary, streams, statuses, deadlines, metadata):
        timed(part, channel)
    timed(compression)
    timed(keepalive)
    if len(ADDRESSES) > 1:
        # Each node answers these itself.
        timed(health_service, channel)
        timed(reflection_service, channel)
        timed(as_server)
        timed(tls)
    print("%d checks" % checks)


main()
