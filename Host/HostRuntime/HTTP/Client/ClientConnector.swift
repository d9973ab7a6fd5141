import CNodeABI
import HostCore

/// Makes one connection: finds the addresses of the name, tries one after the other, and shakes hands.
///
/// An address that does not answer is given up when its share of the time is used, so that one of several that is dead
/// costs seconds at most and not the request.
final class ClientConnector: @unchecked Sendable, TimerTarget, StreamOwner {
  private unowned let origin: ClientOrigin
  private let deadline: Int64
  private var addresses: ArraySlice<SocketAddress> = []
  private var trying: SocketAddress?
  private var stream: Stream?
  private var timer: UInt64?
  private var lastFailure: NetworkFailure?
  private var isOver = false

  init(_ origin: ClientOrigin) {
    self.origin = origin
    deadline = EventLoop.now() + origin.limits.connect
  }

  func start() {
    setTimer(at: deadline)
    origin.pool.connections.resolve(origin.address.host, origin.address.port, on: origin.loop) { [self] answer in
      guard !isOver else { return }
      switch answer {
      case .success(let addresses):
        self.addresses = addresses[...]
        tryNext()
      case .failure(let failure): end(NH_UNAVAILABLE, failure.words)
      }
    }
  }

  /// Nobody needs it any more.
  func cancel() {
    isOver = true
    stopTimer()
    letGo()
  }

  // MARK: One address after the other

  private func tryNext() {
    while let address = addresses.popFirst() {
      let stream: Stream
      do throws(NetworkFailure) {
        stream = try origin.pool.connections.connect(address, on: origin.loop, origin.address.secret)
      } catch {
        lastFailure = error
        continue
      }
      trying = address
      self.stream = stream
      let now = EventLoop.now()
      setTimer(at: now + max(0, deadline - now) / Int64(addresses.count + 1))
      return stream.start(self)
    }
    end(NH_UNAVAILABLE, lastFailure?.words ?? "it has no address")
  }

  private func letGo() {
    let stream = stream
    self.stream = nil
    stream?.owner = nil
    stream?.close()
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    self.timer = nil
    let what = trying == nil ? "its address was not found in time" : "it did not answer in time"
    lastFailure = NetworkFailure(what)
    letGo()
    if EventLoop.now() >= deadline { return end(NH_DEADLINE_EXCEEDED, what) }
    tryNext()
  }

  private func setTimer(at time: Int64) {
    stopTimer()
    timer = origin.loop.setTimer(after: time - EventLoop.now(), self)
  }

  private func stopTimer() {
    if let timer { origin.loop.cancelTimer(timer) }
    timer = nil
  }

  private func end(_ status: nh_status, _ words: String) {
    isOver = true
    stopTimer()
    let place = trying.map { " (\($0))" } ?? ""
    origin.failed(
      self, ClientFailure(status: status, words: "\(origin.address.words)\(place): \(words)", hadNoEffect: true))
  }

  // MARK: The stream

  func streamOpened() {
    guard let stream else { return }
    isOver = true
    stopTimer()
    self.stream = nil
    let chosen = stream.chosenProtocol
    let speaksHTTP2 = chosen == TLSContext.http2 || (chosen == nil && origin.address.wire == .http2)
    let connection = Self.connection(over: stream, of: origin, speaksHTTP2: speaksHTTP2)
    stream.owner = connection
    origin.connected(self, connection, multiplexes: speaksHTTP2)
  }

  /// The one place that knows which version has which connection.
  private static func connection(over stream: Stream, of origin: ClientOrigin, speaksHTTP2: Bool)
    -> any ClientConnection & StreamOwner
  {
    speaksHTTP2 ? HTTP2ClientConnection(stream, of: origin) : HTTP1ClientConnection(stream, of: origin)
  }

  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int { 0 }
  var wantsInput: Bool { false }
  func streamFinished() {}
  func streamDrained() {}

  func streamClosed(_ failure: NetworkFailure?) {
    guard !isOver else { return }
    stream = nil
    lastFailure = failure ?? NetworkFailure("it hung up")
    tryNext()
  }
}
