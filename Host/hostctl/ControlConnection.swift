import Glibc
import HostCore
import NodeValues

/// A connection to one node, over its control socket or from another machine.
struct ControlConnection: ~Copyable {
  /// How long a node may be silent before it counts as stuck.
  static let usualPatienceSeconds = 30
  /// Loading waits for constructors, unloading for drains.
  static let longPatienceSeconds = 300

  private let channel: any ControlChannel
  /// Sent with each request.
  private let headers: HTTPHeaders

  /// Fails with an errno.
  init(connecting path: String) throws(SocketFailure) {
    channel = try LocalChannel(connecting: path)
    headers = ["Connection": "close"]
  }

  init(connecting node: RemoteNode) throws(CommandFailure) {
    channel = try RemoteChannel(connecting: node)
    headers = ["Connection": "close", "Authorization": "Bearer \(node.token)"]
  }

  struct SocketFailure: Error {
    var code: Int32
  }

  /// Whether somebody listens. A full queue is somebody, too.
  static func isAlive(_ path: String) -> Bool {
    do throws(SocketFailure) {
      _ = try LocalChannel(connecting: path)
      return true
    } catch { return error.code == EAGAIN }
  }

  /// Asks, and waits for the whole JSON answer. An error of the node is thrown; 503 with a body that is
  /// no error, as health has it, is an answer.
  func ask(_ request: ControlRequest, patience: Int = usualPatienceSeconds) throws(CommandFailure) -> JSON {
    var body: [UInt8] = []
    try stream(request, patience: patience) { piece throws(CommandFailure) in
      guard body.count + piece.count <= HTTPLimits.responseBody else { throw CommandFailure("the answer is too large") }
      body += piece
    }
    return try Self.json(body)
  }

  private static func json(_ body: [UInt8]) throws(CommandFailure) -> JSON {
    do { return try JSON(parsing: body) } catch {
      throw CommandFailure("the node's answer is not JSON", error.description)
    }
  }

  /// Asks, and hands on the pieces of the answer's body as they come. Nil patience waits for ever.
  func stream(
    _ request: ControlRequest, patience: Int?, _ take: ([UInt8]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) {
    try send(request, patience)
    var parser = HTTPResponseParser()
    var failed: Int?
    var error: [UInt8] = []
    while true {
      switch parser.next() {
      case .head(let head): failed = head.status >= 400 ? head.status : nil
      case .body(let piece):
        guard failed != nil else {
          try take(piece)
          continue
        }
        error += piece
        guard error.count <= HTTPLimits.responseBody else { throw CommandFailure("the answer is too large") }
      case .end:
        guard let failed else { return }
        if let failure = (try? JSON(parsing: error)).flatMap(ControlFailure.init(json:)) {
          throw CommandFailure(failure)
        }
        guard failed == 503, !error.isEmpty else {
          throw CommandFailure("the node answered with HTTP status \(failed)")
        }
        return try take(error)
      case .failed(let reason): throw CommandFailure("talking to \(channel.place)", reason)
      case .needMore:
        let piece = try receive(patience)
        if piece.isEmpty { parser.finish() } else { parser.feed(piece) }
      }
    }
  }

  private func send(_ request: ControlRequest, _ patience: Int?) throws(CommandFailure) {
    let body = request.body.map(ControlAPI.body)
    let bytes = HTTPWriter.request(method: request.method, target: request.target, headers: headers, body: body)
    var start = 0
    while start < bytes.count {
      let step = try bytes.withUnsafeBufferPointer { bytes throws(CommandFailure) in
        try channel.send(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start...]))
      }
      switch step {
      case .bytes(let count): start += count
      case .wait(let events): try wait(for: events, patience)
      // The node may have answered before it hung up: the answer tells more.
      case .ended: return
      }
    }
  }

  /// Empty when the node has closed the connection.
  private func receive(_ patience: Int?) throws(CommandFailure) -> [UInt8] {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
    defer { room.deallocate() }
    while true {
      switch try channel.receive(into: room) {
      case .bytes(let count): return Array(room[..<count])
      case .wait(let events): try wait(for: events, patience)
      case .ended: return []
      }
    }
  }

  private func wait(for events: Int32, _ patience: Int?) throws(CommandFailure) {
    guard Self.isReady(channel.socket, for: events, patience: patience) else {
      throw CommandFailure(
        "the node at \(channel.place) has not answered for \(patience ?? 0) s",
        remedy: "It may be stuck or overloaded; look at what it wrote to its own log.")
    }
  }

  /// False if nothing has happened for so many seconds. Nil waits for ever.
  static func isReady(_ socket: Int32, for events: Int32, patience: Int?) -> Bool {
    var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
    return poll(&descriptor, 1, patience.map { Int32(clamping: $0 * 1000) } ?? -1) != 0
  }
}
