internal import NodeKit

/// What the fuzzer tries: the bytes as a message of another node, as a state, as a request of somebody who wants a
/// change, and as a user's input. Stops the process on what should never be.
package func fuzzRouting(_ bytes: [UInt8]) {
  if let message = try? CanaryMessage(bytes) {
    precondition((try? CanaryMessage(message.bytes)) == message, "it is written as it was read")
  }
  tryState(bytes)
  tryInput(bytes)
  guard let text = String(validating: bytes, as: UTF8.self) else { return }
  if let metric = try? Metric(text) { precondition((try? Metric(metric.text)) == metric) }
  if let window = try? FreezeWindow(text) {
    precondition(window.holds(atMs: 0) || (0..<7 * 1_440).contains { window.holds(atMs: Int64($0) * 60_000) })
  }
}

private func tryState(_ bytes: [UInt8]) {
  guard let json = try? JSON(parsing: bytes) else { return }
  if let state = try? RoutingState(json) {
    precondition((try? RoutingState(parsing: state.bytes)) == state || state.bytes.count > RoutingState.byteLimit)
    precondition(state.releases.reduce(0) { $0 + $1.share.millionths } == 1_000_000)
    tryChanges(state)
  }
  if let request = try? StartRequest(json) { _ = try? someState.starting(request, 0).check() }
  if let set = try? someState.setting(json, 0) {
    precondition((try? set.check()) != nil && set.version == someState.version + 1)
  }
}

/// Whatever may be done next leads to a state that is one.
private func tryChanges(_ state: RoutingState) {
  let changes: [() throws -> RoutingState] = [
    { try state.advancing(.step, by: "", why: "", numbers: .null, 1) },
    { try state.rollingBack(.rollback, by: "", why: "", 1) }, { try state.finishing(.promote, by: "", why: "", 1) },
    { try state.pausing(by: "", why: "", spentMs: 1, 1) }, { try state.resuming(by: "", why: "", 1) },
  ]
  for change in changes {
    guard let next = try? change() else { continue }
    precondition((try? next.check()) != nil, "a change leads to no state")
  }
  var chooser = Chooser(state, seed: 1)
  let place = chooser.choose(7) { _ in "x" }
  precondition(state.releases.indices.contains(place))
}

private var someState: RoutingState {
  var state = RoutingState()
  state.version = 1
  state.stable = "v1"
  state.releases = [.init(id: "v1", url: nil, share: .whole), .init(id: "v2", url: nil, share: .none)]
  return state
}

/// What the scan takes for JSON may stand inside of an answer: whoever reads that finds what was sent.
private func tryInput(_ bytes: [UInt8]) {
  bytes.withUnsafeBytes { whole in
    guard let range = JSONScan.value(in: whole) else {
      precondition((try? JSON(parsing: bytes)) == nil, "the scan refuses what is JSON")
      return
    }
    let spliced = Array("{\"input\":".utf8) + whole[range] + Array("}".utf8)
    // A few things are JSON by its grammar that the parser does not take: a key twice, half a surrogate pair, 1e999.
    if let json = try? JSON(parsing: bytes) { precondition((try? JSON(parsing: spliced))?["input"] == json) }
    _ = Array("user".utf8).withUnsafeBytes { JSONScan.member($0, in: whole) }
  }
}
