"""Python's h2 breaks the rules of HTTP/2 against a node, which must answer each with the right code, and stay small.

usage: http2_errors.py PORT PROCESS

PORT is that of a listener with the routes of Tests/Fixtures/routes.c, PROCESS the node's, whose memory is watched.
"""
import os
import socket
import struct
import sys
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

PORT, PROCESS = int(sys.argv[1]), int(sys.argv[2])
NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE = 0, 1, 3, 5, 6
REFUSED, COMPRESSION, CALM = 7, 9, 11
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# A sanitizer keeps what was freed for a while, and room beside all that is allocated.
SANITIZED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ
# What a flood may cost the node while it lasts.
GROWTH_LIMIT_KB = 16 << 10
checks = []


def check(truth, what):
    checks.append(truth)
    if not truth:
        print("failed: %s" % what, flush=True)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Raw:
    """A connection whose frames are made by hand."""

    def __init__(self, begins=True):
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.settimeout(2)
        self.ended = False
        self.encoder = h2.connection.Encoder()
        if begins:
            self.send(PREFACE + frame(SETTINGS))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.ended = True

    def head(self, path=b"/hello/ada", method=b"GET", more=()):
        # Upper case and the like are to arrive as they are.
        fields = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        return self.encoder.encode(fields + list(more))

    def frames(self, until=None):
        """All frames until the end, or one of that kind."""
        data, found = b"", []
        while True:
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                size = int.from_bytes(data[:3], "big")
                found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + size]))
                data = data[9 + size:]
                if found[-1][0] == until:
                    return found
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionError, socket.timeout):
                return found
            if not more:
                return found
            data += more

    def goaway(self):
        """The code with which the node ends the connection."""
        codes = [struct.unpack(">II", f[3][:8])[1] for f in self.frames(GOAWAY) if f[0] == GOAWAY]
        return codes[-1] if codes else None

    def reset(self):
        """The code with which it ends a stream; a GOAWAY would be too much."""
        for kind, _, _, payload in self.frames(RST):
            if kind == GOAWAY:
                return "GOAWAY %d" % struct.unpack(">II", payload[:8])[1]
            if kind == RST:
                return struct.unpack(">I", payload)[0]
        return None

    def status(self):
        return any(f[0] == HEADERS for f in self.frames(HEADERS))


def connection_errors():
    """Section numbers are RFC 9113's."""
    request = lambda raw, flags=5, stream=1: frame(HEADERS, flags, stream, raw.head())
    cases = [
        ("3.4 no settings behind the preface", lambda r: PREFACE + frame(PING, 0, 0, b"12345678"), PROTOCOL),
        ("4.2 a frame larger than allowed", lambda r: frame(DATA, 0, 1, b"x" * 16385), FRAME_SIZE),
        ("4.3 a head that cannot be read", lambda r: frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), COMPRESSION),
        ("5.1 data on a stream that is idle", lambda r: frame(DATA, 1, 1, b"x"), PROTOCOL),
        ("5.1.1 a stream with an even number", lambda r: request(r, stream=2), PROTOCOL),
        ("6.1 data on no stream", lambda r: frame(DATA, 0, 0, b"x"), PROTOCOL),
        ("6.1 more padding than frame", lambda r: request(r, 4) + frame(DATA, 9, 1, b"\xffx"), PROTOCOL),
        ("6.2 a head on no stream", lambda r: request(r, stream=0), PROTOCOL),
        ("6.4 a reset on no stream", lambda r: frame(RST, 0, 0, b"\0\0\0\0"), PROTOCOL),
        ("6.4 a reset of an idle stream", lambda r: frame(RST, 0, 1, b"\0\0\0\0"), PROTOCOL),
        ("6.4 a reset of the wrong size", lambda r: request(r, 4) + frame(RST, 0, 1, b"\0\0\0"), FRAME_SIZE),
        ("6.5 settings on a stream", lambda r: frame(SETTINGS, 0, 1), PROTOCOL),
        ("6.5 settings of the wrong size", lambda r: frame(SETTINGS, 0, 0, b"\0" * 5), FRAME_SIZE),
        ("6.5 an acknowledgement with something in it", lambda r: frame(SETTINGS, 1, 0, b"\0" * 6), FRAME_SIZE),
        ("6.5.2 a window that is too large", lambda r: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)),
         FLOW_CONTROL),
        ("6.5.2 frames that are too small", lambda r: frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 1)), PROTOCOL),
        ("6.6 a client that pushes", lambda r: request(r, 4) + frame(PUSH, 4, 1, b"\0\0\0\2" + r.head()), PROTOCOL),
        ("6.7 a ping on a stream", lambda r: frame(PING, 0, 1, b"12345678"), PROTOCOL),
        ("6.7 a ping of the wrong size", lambda r: frame(PING, 0, 0, b"1234567"), FRAME_SIZE),
        ("6.8 a goodbye on a stream", lambda r: frame(GOAWAY, 0, 1, b"\0" * 8), PROTOCOL),
        ("6.9 a window update of the wrong size", lambda r: frame(WINDOW, 0, 0, b"\0\0\1"), FRAME_SIZE),
        ("6.9 an update of nothing", lambda r: frame(WINDOW, 0, 0, b"\0\0\0\0"), PROTOCOL),
        ("6.9.1 a window beyond its limit", lambda r: frame(WINDOW, 0, 0, struct.pack(">I", 0x7FFFFFFF)), FLOW_CONTROL),
        ("6.10 a continuation of nothing", lambda r: frame(CONTINUATION, 4, 1, b""), PROTOCOL),
        ("6.10 something else inside a head", lambda r: request(r, 1) + frame(PING, 0, 0, b"12345678"), PROTOCOL),
        ("6.10 another stream's continuation", lambda r: request(r, 1) + frame(CONTINUATION, 4, 3, b""), PROTOCOL),
    ]
    for what, data, code in cases:
        raw = Raw(begins="preface" not in what)
        raw.send(data(raw))
        found = raw.goaway()
        check(found == code, "%s: GOAWAY %s, not %s" % (what, found, code))


def stream_errors():
    """The request is refused, the connection goes on."""
    cases = [
        ("8.2.1 upper case", [(b"X-Upper", b"1")], None),
        ("8.2.1 a line break", [(b"x", b"a\r\nb: c")], None),
        ("8.2.2 a connection's own header", [(b"connection", b"close")], None),
        ("8.2.2 a coding of transfer", [(b"transfer-encoding", b"chunked")], None),
        ("8.3 an unknown pseudo-header", [(b":unknown", b"1")], None),
        ("8.3 one behind the others", [(b"x", b"1"), (b":path", b"/")], None),
        ("8.3.1 two paths", [(b":path", b"/")], None),
        ("8.1.1 less body than announced", [(b"content-length", b"5")], b"abc"),
        ("8.1.1 more body than announced", [(b"content-length", b"2")], b"abc"),
        ("8.2.2 te that is not trailers", [(b"te", b"gzip")], None),
    ]
    for what, fields, body in cases:
        raw = Raw()
        method, path = (b"GET", b"/hello/ada") if body is None else (b"POST", b"/count")
        raw.send(frame(HEADERS, 5 if body is None else 4, 1, raw.head(path, method, fields)))
        if body is not None:
            raw.send(frame(DATA, 1, 1, body))
        code = raw.reset()
        check(code == PROTOCOL, "%s: %s" % (what, code))
        # Another request on the same connection, with a table of fields that both still agree about.
        raw.send(frame(HEADERS, 5, 3, raw.head()))
        check(raw.status(), "%s: the connection goes on" % what)
    raw = Raw()
    raw.send(frame(HEADERS, 5, 1, raw.head(b"/never")) + frame(DATA, 1, 1, b"late"))
    code = raw.reset()
    check(code in (STREAM_CLOSED, "GOAWAY %d" % STREAM_CLOSED), "5.1 data behind the end of a request: %s" % code)
    raw = Raw()
    raw.send(frame(HEADERS, 5, 5, raw.head()) + frame(HEADERS, 5, 3, raw.head()) + frame(HEADERS, 5, 7, raw.head()))
    raw.socket.settimeout(1)
    answered = [f[2] for f in raw.frames() if f[0] == HEADERS]
    check(answered == [5, 7], "5.1.1 a number that goes back is passed over: %s" % answered)
    raw = Raw()
    raw.send(frame(HEADERS, 4, 1, raw.head(b"/count", b"POST")) + frame(WINDOW, 0, 1, struct.pack(">I", 0x7FFFFFFF)))
    check(raw.reset() == FLOW_CONTROL, "6.9.1 a stream's window beyond its limit")


def memory():
    with open("/proc/%d/status" % PROCESS) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def stays_small(what, flood, codes, connections=8, limit=GROWTH_LIMIT_KB):
    """Floods from several connections, each of which ends with one of the codes, or goes on if there is None."""
    before = memory()
    raws = [Raw() for _ in range(connections)]
    for raw in raws:
        flood(raw)
    grown = memory() - before
    check(grown < limit * (8 if SANITIZED else 1), "%s: %d KB more" % (what, grown))
    for raw in raws:
        code = raw.goaway() if None not in codes else None
        check(code in codes or raw.ended, "%s: GOAWAY %s" % (what, code))
        raw.socket.close()
    fresh = Raw()
    fresh.send(frame(HEADERS, 5, 1, fresh.head()))
    check(fresh.status(), "%s: others are served meanwhile" % what)


# Each in one go, so that the answer is read before the node stops waiting for it to be read.


def rapid_reset(raw):
    raw.send(b"".join(frame(HEADERS, 5, stream, raw.head(b"/never")) + frame(RST, 0, stream, struct.pack(">I", 8))
                      for stream in range(1, 5001, 2)))


def continuations(raw):
    raw.send(frame(HEADERS, 1, 1, raw.head()) + frame(CONTINUATION, 0, 1, b"\0\1x\1y" * 100) * 2000)


def settings(raw):
    raw.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100)) * 20000)


def pings(raw):
    raw.send(frame(PING, 0, 0, b"12345678") * 20000)


def priorities(raw):
    raw.send(b"".join(frame(PRIORITY, 0, 2 * number + 1, b"\0\0\0\0\0") for number in range(1000)) * 20)


def empty_data(raw):
    raw.send(frame(HEADERS, 4, 1, raw.head(b"/count", b"POST")) + frame(DATA, 0, 1) * 20000)


def bomb(raw):
    """One long field, remembered once and then named some thousand times: a few bytes that unpack to megabytes."""
    raw.send(frame(HEADERS, 5, 1, raw.head(more=[(b"bomb", b"x" * 3900)])))
    raw.send(b"".join(frame(HEADERS, 5, stream, raw.head() + b"\xbe" * 4000) for stream in range(3, 103, 2)))


def large_trailers(raw):
    raw.send(frame(HEADERS, 4, 1, raw.head(b"/count", b"POST")))
    raw.send(frame(HEADERS, 5, 1, raw.encoder.encode([(b"bomb", b"x" * 3900)]) + b"\xbe" * 4000))


def closed_window(raw):
    """Asks for a lot and takes nothing."""
    raw.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
    for stream in range(1, 201, 2):
        raw.send(frame(HEADERS, 5, stream, raw.head(b"/pour/100000000")))
    time.sleep(0.2)


def too_many_streams():
    raw = Raw()
    for stream in range(1, 401, 2):
        raw.send(frame(HEADERS, 5, stream, raw.head(b"/never")))
    check(raw.reset() == REFUSED, "5.1.2 more streams than allowed")


def proper():
    """h2 itself as a client that keeps to the rules."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    peer = socket.create_connection(("127.0.0.1", PORT))
    connection.initiate_connection()
    body = b"a" * 300000
    fields = [(":method", "POST"), (":scheme", "http"), (":path", "/echo"), (":authority", "x")]
    connection.send_headers(1, fields)
    got, sent, ended = b"", 0, False
    while not ended:
        while sent < len(body):
            count = min(connection.local_flow_control_window(1), connection.max_outbound_frame_size, len(body) - sent)
            if count == 0:
                break
            connection.send_data(1, body[sent:sent + count])
            sent += count
            if sent == len(body):
                connection.end_stream(1)
        peer.sendall(connection.data_to_send())
        for event in connection.receive_data(peer.recv(1 << 16)):
            if isinstance(event, h2.events.DataReceived):
                got += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            ended = ended or isinstance(event, h2.events.StreamEnded)
    check(got == body, "an echo of 300 KB")


proper()
connection_errors()
stream_errors()
too_many_streams()
stays_small("rapid reset", rapid_reset, (CALM,))
stays_small("a flood of CONTINUATION", continuations, (CALM, PROTOCOL))
stays_small("a flood of settings", settings, (CALM,))
stays_small("a flood of pings", pings, (CALM,))
stays_small("a flood of priorities", priorities, (CALM,))
stays_small("a flood of empty data", empty_data, (CALM,))
stays_small("a bomb of headers", bomb, (CALM,))
stays_small("a bomb of trailers", large_trailers, (CALM,))
# 64 KiB of each of the 400 answers may wait in the node.
stays_small("a window that stays shut", closed_window, (None,), connections=4, limit=GROWTH_LIMIT_KB + 400 * 64)
print("%d of %d checks passed" % (sum(map(bool, checks)), len(checks)))
sys.exit(0 if all(checks) else 1)
