import CNodeABI
import HostCore
import NodeSchema
import NodeValues
import Synchronization

/// A call that a role here makes of a role on another node. It ends once: by an answer, its deadline, the caller, or
/// the loss of the link.
final class RemoteCall: TimerTarget, CancellableCall, @unchecked Sendable {
  let line: PeerLine
  private let peers: PeerSwitchboard
  private let loop: EventLoop
  private let completion: @Sendable (CallOutcome, ValueType) -> Void
  private var id: UInt64 = 0
  private var deadlineTimer: UInt64?
  private let hasEnded = Atomic<Bool>(false)

  /// Both on the caller's home loop. `completion` comes from any thread.
  init(
    _ line: PeerLine, _ peers: PeerSwitchboard, on loop: EventLoop,
    completion: @escaping @Sendable (CallOutcome, ValueType) -> Void
  ) {
    (self.line, self.peers, self.loop, self.completion) = (line, peers, loop, completion)
  }

  func send(_ target: String, _ method: String, _ arguments: PeerRequest.Arguments, timeout: Int64) {
    id = peers.open(self)
    deadlineTimer = loop.setTimer(after: timeout, self)
    guard arguments.count <= Signature.parameterLimit else {
      return giveUp(NH_INVALID_ARGUMENT, "no method takes more than \(Signature.parameterLimit) arguments")
    }
    let request = PeerRequest(id: id, timeout: timeout, target: target, method: method, arguments: arguments).body
    guard request.count <= PeerFrame.parcelLimit else {
      return giveUp(NH_INVALID_ARGUMENT, "the arguments are larger than \(PeerFrame.payloadLimit) bytes")
    }
    switch line.send(.request, .normal, request) {
    case .queued: break
    case .down: giveUp(NH_UNAVAILABLE, "the link to node \(line.id) is down")
    case .full: giveUp(NH_RESOURCE_EXHAUSTED, "the queue to node \(line.id) is full; try later")
    }
  }

  func cancel() { giveUp(NH_CANCELLED, "the caller gave up", tells: true) }

  func timerFired(_ timer: UInt64, token: UInt64) {
    deadlineTimer = nil
    giveUp(NH_DEADLINE_EXCEEDED, "node \(line.id) did not answer in time", tells: true)
  }

  /// - Parameter tells: whether the other side learns of it. It answers that, so by then nobody may wait.
  private func giveUp(_ status: nh_status, _ message: String, tells: Bool = false) {
    guard peers.close(id) != nil else { return }
    if tells { _ = line.send(.cancel, .normal, withUnsafeBytes(of: id.littleEndian, [UInt8].init)) }
    ended(.failure(status, message))
  }

  /// Any thread, after it has been taken out of the table.
  func ended(_ outcome: CallOutcome, _ type: ValueType = .nothing) {
    guard !hasEnded.exchange(true, ordering: .acquiringAndReleasing) else { return }
    completion(outcome, type)
    loop.post { [self] in
      if let deadlineTimer { loop.cancelTimer(deadlineTimer) }
      deadlineTimer = nil
    }
  }
}

extension NodeServices {
  /// The way to a node by its name; nil for this one.
  func line(to name: String) throws(RoleDirectory.Refusal) -> PeerLine? {
    guard !name.isEmpty, name != nodeName else { return nil }
    let lines = peers.lines
    if let line = lines.first(where: { $0.info.name == name }) { return line }
    guard lines.contains(where: { $0.info.name.isEmpty }) else {
      let near = nearestWord(to: name, among: lines.map(\.info.name)).map { "; did you mean `\($0)`?" } ?? ""
      throw RoleDirectory.Refusal(status: NH_NOT_FOUND, message: "no node is named `\(name)`\(near)")
    }
    // A node says its name when it is linked.
    throw RoleDirectory.Refusal(status: NH_UNAVAILABLE, message: "no link to a node `\(name)`")
  }
}

extension PeerSwitchboard {
  func responseCame(_ response: PeerResponse) {
    // One that nobody waits for any more is late.
    guard let call = close(response.id) else { return }
    switch response.outcome {
    case .value(let value, let type): call.ended(.value(value), type)
    case .error(let status, let message):
      call.ended(.error(status: status == 0 ? NH_UNKNOWN : status, message: message))
    }
  }

  /// The link has gone.
  func breakCalls(to line: PeerLine) {
    let words = "the link to node \(line.id) broke; it may or may not have done what was asked"
    for call in closeAll(to: line) { call.ended(.failure(NH_UNAVAILABLE, words)) }
  }
}

/// Calls that another node makes of roles here. The links' loop.
final class IncomingCalls: @unchecked Sendable {
  /// Longer than any call may take here; see `ControlAPI.longestCallMilliseconds`.
  private static let longestTimeout: Int64 = 3_600_000_000_000

  private let line: PeerLine
  private unowned let services: NodeServices
  private let loop: EventLoop
  /// Those that are not answered.
  private var open: [UInt64: RoleCall] = [:]

  init(_ line: PeerLine, _ services: NodeServices, _ loop: EventLoop) {
    (self.line, self.services, self.loop) = (line, services, loop)
  }

  func requestCame(_ request: PeerRequest) {
    let found: RoleDirectory.Method
    let values: [Value]
    do throws(RoleDirectory.Refusal) {
      found = try services.directory.method(request.method, of: request.target)
      values = try found.fitting(request.arguments)
    } catch {
      return answer(request.id, .error(status: error.status, message: error.message))
    }
    let deadline = EventLoop.now() &+ min(max(request.timeout, 0), Self.longestTimeout)
    let type = found.method.result, id = request.id
    let call = RoleCall(found.role, found.method, PackedValues(values), deadline: deadline) { [self] outcome in
      answer(id, outcome, type)
      loop.post { [self] in open[id] = nil }
    }
    open[id] = call
    call.send()
  }

  func cancelCame(_ body: UnsafeRawBufferPointer) {
    guard body.count == 8 else { return }
    open[UInt64(littleEndian: body.loadUnaligned(as: UInt64.self))]?.cancel()
  }

  func cancelAll() {
    for (_, call) in open.sorted(by: { $0.key < $1.key }) { call.cancel() }
    open = [:]
  }

  /// Any thread.
  private func answer(_ id: UInt64, _ outcome: CallOutcome, _ type: ValueType) {
    switch outcome {
    case .value(let value): answer(id, .value(value, type))
    case .error(let status, let message): answer(id, .error(status: status, message: message))
    }
  }

  /// Any thread. If the queue is full the caller's deadline ends the call there.
  private func answer(_ id: UInt64, _ outcome: PeerResponse.Outcome) {
    var body = PeerResponse(id: id, outcome).body
    if body.count > PeerFrame.parcelLimit {
      let words = "the answer is larger than \(PeerFrame.payloadLimit) bytes"
      body = PeerResponse(id: id, .error(status: NH_RESOURCE_EXHAUSTED, message: words)).body
    }
    _ = line.send(.response, .normal, body)
  }
}
