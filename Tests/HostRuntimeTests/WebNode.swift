import Glibc
@testable import HostRuntime
import NodeValues

/// A node whose roles `b` (and `c`) have the routes of Tests/Fixtures/routes.c.
final class WebNode {
  let live: LiveNode
  private let folder: String

  /// `listen` are more members of the listener `data`; `others` are more listeners.
  init(_ listen: String = "", names: [String] = ["b"], others: [String] = [], backoff: Int = 50, waits: Bool = true) {
    let folder = Place.temporaryFolder()
    self.folder = folder
    Self.build(1, folder)
    let comma = listen.isEmpty ? "" : ", "
    live = LiveNode(
      folders: [folder],
      names.map {
        "{ role: routes, name: \($0), restart: { policy: on-failure, backoff_ms: \(backoff) }, "
          + "limits: { drain_ms: 500, swap_ms: 500, probation_ms: 200 } }"
      },
      listen: ["data: { address: \"127.0.0.1:0\"\(comma)\(listen) }"] + others, waits: waits)
    live.onControl {
      $0.watcher?.close()
      $0.watcher = nil
    }
  }

  deinit { run(["rm", "-rf", folder]) }

  func build(_ number: Int) { Self.build(number, folder) }

  private static func build(_ number: Int, _ folder: String) {
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-DBUILD=\(number)", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libroutes.so",
      "\(Place.repository)/Tests/Fixtures/routes.c",
    ])
    precondition(code == 0, output)
  }

  func port(_ listener: String = "data") -> UInt16 { live.node.services.http.listener(listener)!.address.port }

  func url(_ path: String, _ listener: String = "data") -> String { "http://127.0.0.1:\(port(listener))\(path)" }

  /// What curl prints, and its exit code.
  func curl(_ path: String, _ more: [String] = []) -> (code: Int32, output: String) {
    run(["curl", "-sS", "--max-time", "10"] + more + [url(path)])
  }

  /// The status alone.
  func status(_ path: String, _ more: [String] = []) -> String {
    curl(path, ["-o", "/dev/null", "-w", "%{http_code}"] + more).output
  }

  func connect(_ listener: String = "data") -> RawClient { RawClient(port(listener)) }

  /// Sends the bytes on a connection of their own, and returns all that comes until it is closed.
  func exchange(_ text: String) -> String {
    let client = connect()
    client.send(text)
    return client.receive().text
  }

  /// How many exchanges the role still knows of.
  func open(_ name: String = "b") throws -> Int {
    guard case .value(.int(let count)) = try live.call("open", on: name) else { return -1 }
    return Int(count)
  }
}

/// A socket that sends what it is told, right or wrong.
final class RawClient {
  let descriptor: Int32

  init(_ port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let outcome = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    precondition(outcome == 0, "connect: \(errno)")
  }

  deinit { close(descriptor) }

  func send(_ text: String) { send(Array(text.utf8)) }

  /// Whether all of it was taken.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// No more will come from here.
  func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// All that comes until the end.
  func receive() -> (text: String, isClosed: Bool) {
    let (bytes, isClosed) = receiveBytes { _ in false }
    return (String(decoding: bytes, as: UTF8.self), isClosed)
  }

  /// Waits for an answer that ends so.
  func receive(endingIn end: String) -> String {
    String(decoding: receiveBytes { $0.hasSuffix(end.utf8) }.bytes, as: UTF8.self)
  }

  /// What comes until it is enough, or until the end.
  func receiveBytes(until isEnough: ([UInt8]) -> Bool) -> (bytes: [UInt8], isClosed: Bool) {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while !isEnough(bytes) {
      var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&poller, 1, Int32(patienceMilliseconds)) > 0 else { return (bytes, false) }
      let got = recv(descriptor, &chunk, chunk.count, 0)
      guard got > 0 else { return (bytes, true) }
      bytes += chunk[..<got]
    }
    return (bytes, false)
  }
}

/// The status codes of the answers in some text, in their order.
func statuses(_ text: String) -> [Int] {
  text.split(separator: "\r\n", omittingEmptySubsequences: false).compactMap { line in
    guard let place = line.range(of: "HTTP/1.1 ") else { return nil }
    return Int(line[place.upperBound...].prefix(3))
  }
}

extension [UInt8] {
  func hasSuffix(_ end: some BidirectionalCollection<UInt8>) -> Bool { suffix(end.count).elementsEqual(end) }
}

extension Substring {
  /// Without Foundation.
  fileprivate func range(of words: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(words) { return start..<index(start, offsetBy: words.count) }
      start = index(after: start)
    }
    return nil
  }
}

/// The whole answers in some text of HTTP/1.1, one behind the other, as far as they can be read. Those of status 1xx
/// are passed over; fields are in lower case.
func answers(_ text: String) -> [(status: Int, head: [String], body: String)] {
  var rest = Array(text.utf8)[...]
  var found: [(status: Int, head: [String], body: String)] = []
  while let line = takeLine(&rest), line.hasPrefix("HTTP/1.1 "), let status = Int(line.dropFirst(9).prefix(3)) {
    var head: [String] = []
    while let field = takeLine(&rest), !field.isEmpty { head.append(field.lowercased()) }
    if status < 200 { continue }
    found.append((status, head, takeBody(&rest, head)))
  }
  return found
}

private func takeLine(_ rest: inout ArraySlice<UInt8>) -> String? {
  guard let end = rest.firstIndex(of: 0x0A) else { return nil }
  defer { rest = rest[(end + 1)...] }
  return String(decoding: rest[..<end].filter { $0 != 0x0D }, as: UTF8.self)
}

private func takeBody(_ rest: inout ArraySlice<UInt8>, _ head: [String]) -> String {
  var body: [UInt8] = []
  func take(_ count: Int) {
    body += rest.prefix(count)
    rest = rest.dropFirst(count)
  }
  if head.contains("transfer-encoding: chunked") {
    while let size = takeLine(&rest).flatMap({ Int($0, radix: 16) }) {
      take(size)
      if size == 0 { while let trailer = takeLine(&rest), !trailer.isEmpty {} } else { _ = takeLine(&rest) }
      if size == 0 { break }
    }
  } else if let length = head.first(where: { $0.hasPrefix("content-length: ") }) {
    take(Int(length.dropFirst("content-length: ".count)) ?? 0)
  } else {
    take(rest.count)
  }
  return String(decoding: body, as: UTF8.self)
}
