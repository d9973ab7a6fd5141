package import HostCore
package import HostRuntime

/// Where a scenario is played: a simulated world, or live processes. Clients and rules know no more of it than this.
package protocol Stage: AnyObject {
  /// Since the play began.
  var now: Int64 { get }
  var trace: Trace { get }
  var nodeCount: Int { get }
  /// By their numbers.
  var nodeNames: [String] { get }
  var failure: WorldFailure? { get }
  /// Told of all that roles publish.
  var observers: [(Observation) -> Void] { get set }

  func at(_ time: Int64, _ work: @escaping () -> Void)
  func isUp(_ node: Int) -> Bool
  /// Asks a node as hostctl does. The answer comes later, or never if the node goes down.
  func ask(_ node: Int, _ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void)
  /// Sends a listener of a node a request by HTTP; false if it has no such listener.
  func send(_ request: OutsideRequest, to node: Int, _ over: @escaping OutsideRequest.Over) -> Bool
  /// Says why a node's roles do not all run; nil if they do.
  func findTrouble(of node: Int, _ told: @escaping (String?) -> Void)
  /// A client has begun to ask, or has its answer.
  func observe(_ number: Int, _ operation: ClientOperation)
  /// The first failure ends the play.
  func fail(_ rule: String, _ words: String, at time: Int64?)
}

extension Stage {
  package func observe(_ number: Int, _ operation: ClientOperation) {}
  func after(_ delay: Int64, _ work: @escaping () -> Void) { at(now + max(0, delay), work) }
  package func fail(_ rule: String, _ words: String) { fail(rule, words, at: nil) }
}

/// What somebody outside the cluster asks a listener for.
package struct OutsideRequest {
  package var listener: String
  package var verb: String
  package var path: String
  package var body: String
  /// Nobody waits longer.
  package var patience: Int64

  /// What came of it, and the SHA-256 of the answer's body.
  package typealias Over = (ClientOperation.Outcome, _ bodyDigest: String?) -> Void

  /// As HTTP/1.1, on a connection of its own.
  func bytes(host: String) -> [UInt8] {
    let content = Self.bytes(of: body)
    let length = verb == "GET" || verb == "DELETE" && body.isEmpty ? "" : "content-length: \(content.count)\r\n"
    return Array("\(verb) \(path) HTTP/1.1\r\nhost: \(host)\r\nconnection: close\r\n\(length)\r\n".utf8) + content
  }

  /// Text as it is; `hex:4749/some text` is the bytes 0x47 and 0x49, and then the text, and in `hex:4749*100/some text`
  /// a hundred zeros stand between them.
  package static func bytes(of body: String) -> [UInt8] {
    guard body.hasPrefix("hex:") else { return Array(body.utf8) }
    var rest = body.dropFirst("hex:".count)
    let digits = Array(rest.prefix { $0.isHexDigit })
    rest = rest.dropFirst(digits.count)
    let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
    var zeros = 0
    if rest.first == "*" {
      let count = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
      zeros = min(Int(count) ?? 0, fillerLimit)
      rest = rest.dropFirst(1 + count.count)
    }
    return bytes + [UInt8](repeating: 0, count: zeros) + Array(rest.drop { $0 == "/" }.utf8)
  }

  private static let fillerLimit = 16 << 20
}

extension World: Stage {
  package var nodeCount: Int { nodes.count }
  package var nodeNames: [String] { nodes.map(\.name) }
  package func isUp(_ node: Int) -> Bool { nodes[node].isUp }

  package func ask(_ node: Int, _ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void) {
    nodes[node].ask(request, answer)
  }

  package func send(_ request: OutsideRequest, to node: Int, _ over: @escaping OutsideRequest.Over) -> Bool {
    let node = nodes[node]
    guard let port = node.process?.connections.port(of: request.listener) else { return false }
    let user = UserRequest(request, to: port, of: node, over)
    after(request.patience) { user.giveUp() }
    return true
  }

  package func observe(_ number: Int, _ operation: ClientOperation) {
    for observer in clientObservers { observer(number, operation) }
  }

  package func findTrouble(of node: Int, _ told: @escaping (String?) -> Void) {
    guard let process = nodes[node].process else { return told("is down") }
    told(process.node.trouble)
  }
}
