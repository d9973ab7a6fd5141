import CSystem
import Glibc
import HostCore
import HostRuntime
import NodeValues

/// A node of a live run: a process of its own while it runs, and what it leaves behind for the next one.
final class LiveNode {
  enum State {
    case down
    /// It has been started, and does not answer yet.
    case starting
    case up
  }

  let number: Int
  let name: String
  let id: UInt32
  private let places: LivePlaces
  private let loop: LiveLoop
  /// The words that make this program a node, without the last.
  private let command: [String]
  private(set) var state = State.down
  private(set) var process: pid_t = 0
  private(set) var isStopped = false
  /// What it publishes, as lines of JSON.
  private var output: Int32 = -1
  private var unread: [UInt8] = []
  private let told: (JSON) -> Void

  init(
    _ number: Int, of deployment: Deployment, in places: LivePlaces, on loop: LiveLoop, _ command: [String],
    told: @escaping (JSON) -> Void
  ) {
    (self.number, self.places, self.loop, self.command, self.told) = (number, places, loop, command, told)
    (name, id) = (deployment.names[number], deployment.plans[number].manifest.node.id)
  }

  var logFile: String { places.logFile(number) }

  // MARK: Its process

  /// Returns what is wrong.
  func start() -> String? {
    guard state == .down else { return nil }
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return systemError() }
    // The other end is for the new process alone; this program starts no two at once.
    _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    let log = open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    defer {
      close(ends[1])
      close(log)
    }
    var words: [UnsafeMutablePointer<CChar>?] = (command + ["\(number)", "\(ends[1])"]).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    process = csystem_start_program(&words, ".", log, SIGKILL)
    guard process > 0 else {
      close(ends[0])
      return systemError()
    }
    (state, isStopped, output, unread) = (.starting, false, ends[0], [])
    loop.watch(output, POLLIN) { [self] in read() }
    return nil
  }

  /// As kill -9 does.
  func kill() {
    guard state != .down else { return }
    Glibc.kill(process, SIGKILL)
    while waitpid(process, nil, 0) < 0, errno == EINTR {}
    isGone()
  }

  private func isGone() {
    read()
    if output >= 0 {
      loop.unwatch(output)
      close(output)
    }
    (state, process, output) = (.down, 0, -1)
  }

  /// Why its process has ended by itself; nil if it runs, or was told to end.
  func unexpectedEnd() -> String? {
    guard state != .down else { return nil }
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    isGone()
    let signal = status & 0x7F
    if signal != 0 { return "its process ended by signal \(signal), \(String(cString: strsignal(signal)))" }
    return "its process ended with code \(status >> 8 & 0xFF)"
  }

  func cameUp() { state = .up }

  func stop(_ stops: Bool) {
    guard state != .down, stops != isStopped else { return }
    isStopped = stops
    Glibc.kill(process, stops ? SIGSTOP : SIGCONT)
  }

  // MARK: What it says

  private func read() {
    while output >= 0 {
      var count = 0
      unread += [UInt8](unsafeUninitializedCapacity: 64 << 10) { room, used in
        count = Glibc.read(output, room.baseAddress, room.count)
        used = max(0, count)
      }
      if count <= 0 {
        if count == 0 { loop.unwatch(output) }
        break
      }
    }
    while let end = unread.firstIndex(of: 10) {
      if let json = try? JSON(parsing: Array(unread[..<end])) { told(json) }
      unread.removeSubrange(...end)
    }
  }

  func ask(_ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void) -> LiveExchange {
    let bytes = HTTPWriter.request(
      method: request.method, target: request.target, headers: ["Connection": "close"],
      body: request.body.map(ControlAPI.body))
    return LiveExchange(.control(path: places.socket(number)), bytes, on: loop) { came in
      switch came {
      case .broken(let words): answer(.failure(.init(.unavailable, words)))
      case .whole(let status, let body):
        guard let json = try? JSON(parsing: body) else {
          return answer(.failure(.init(.internal, "the node's answer is not JSON")))
        }
        answer(ControlFailure(json: json).map(ControlReply.failure) ?? .json(json, status: status))
      }
    }
  }

  func send(_ request: OutsideRequest, _ over: @escaping OutsideRequest.Over) -> LiveExchange? {
    guard let place = places.listener(request.listener, of: number) else { return nil }
    return LiveExchange(
      .listener(host: place.host, port: place.port), request.bytes(host: "\(place)"), on: loop
    ) { came in
      switch came {
      case .whole(let status, let body):
        let digest = BlobName(digest: ContentDigest.of(body)).text
        over(.answered("\(status) \(String(decoding: body, as: UTF8.self))"), digest)
      case .broken(let words): over(.unknown(words), nil)
      }
    }
  }
}
