import CNodeABI
import HostCore
import NodeValues
import Synchronization

/// Control over TCP: what the control socket answers, through TLS, for whoever knows the token. Looked at when the head
/// of a request has come, so that nobody else has a body read. The control loop's.
final class RemoteControl: RequestTarget, @unchecked Sendable {
  /// Requests without the token are told of once in so long.
  private static let reportNanoseconds: Int64 = 60_000_000_000
  private static let scheme: StaticString = "bearer "

  let listener: HTTPListener
  private unowned let node: Node
  private var followers: [ObjectIdentifier: RemoteControlRequest] = [:]
  private var turnedAway = 0
  private var reported: Int64?

  init(_ remote: ControlSettings.Remote, of node: Node) throws(NetworkFailure) {
    self.node = node
    let place = "control.address"
    var plan = Listener(name: place, address: remote.address, tls: remote.tls)
    plan.bodyLimit = HTTPLimits.body
    plan.limits.connections = ControlServer.connectionLimit
    // A connection of HTTP/2 would outlive the requests on it that are turned away.
    listener = try HTTPListener(
      plan, loops: [node.control], services: node.services, place: place, speaksHTTP2: false)
    guard let everything = try? RoutePattern("/{path*}") else { return }
    _ = listener.add(method: "", everything, self)
    listener.isReady.store(true, ordering: .relaxed)
  }

  func start() { listener.start() }

  func close() {
    listener.close {}
    listener.cutShort()
  }

  func home(awayFrom loop: EventLoop) -> EventLoop? { nil }

  func begin(_ exchange: ServerExchange) {
    guard knowsToken(exchange.head) else { return turnAway(exchange) }
    RemoteControlRequest(exchange, self).begin()
  }

  // MARK: The token

  /// Takes as long for one that is nearly right as for any other.
  private func knowsToken(_ head: MessageHead) -> Bool {
    guard let token = node.plan.manifest.control.remote?.token.value, let field = head.value("authorization") else {
      return false
    }
    let bytes = Array(head.bytes(field)), scheme = Self.scheme.utf8CodeUnitCount
    guard head.equalsIgnoringCase(MessageHead.Part(Int(field.start), min(bytes.count, scheme)), Self.scheme) else {
      return false
    }
    let given = ContentDigest.of(Array(bytes.dropFirst(scheme))), wanted = ContentDigest.of(Array(token.utf8))
    return zip(given, wanted).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private func turnAway(_ exchange: ServerExchange) {
    report(exchange.remote)
    exchange.head.keepsAlive = false
    let failure = ControlFailure(
      .unauthenticated, "the token is missing or wrong; it is the one of `control.token` in the node's manifest",
      place: "control")
    exchange.answer(401, ControlAPI.jsonType, "\(failure.json)\n", headers: [("www-authenticate", "Bearer")])
  }

  private func report(_ remote: Remote) {
    turnedAway += 1
    let now = node.control.turnBegan
    if let reported, now - reported < Self.reportNanoseconds { return }
    let count = turnedAway == 1 ? "a request" : "\(turnedAway) requests"
    node.log(NH_LOG_WARNING, "control.address: \(count) without the right token, the last from \(remote.address)")
    (turnedAway, reported) = (0, now)
  }

  // MARK: Requests

  func answer(_ request: ControlRequest, _ reply: @escaping Node.Reply) { node.answer(request, reply) }

  var log: LogHub { node.services.log }

  func follows(_ request: RemoteControlRequest) { followers[ObjectIdentifier(request)] = request }
  func forget(_ request: RemoteControlRequest) { followers[ObjectIdentifier(request)] = nil }

  /// The token is another one: who follows the log was let in with the old one.
  func tokenChanged() {
    let ended = followers
    followers = [:]
    for follower in ended.values { follower.end() }
  }

  /// The log has new lines.
  func sendNewLines() { for follower in followers.values { follower.sendNewLines() } }
}

/// One request that knows the token, from its body to the end of its answer.
final class RemoteControlRequest: ExchangeHandler, @unchecked Sendable {
  private let exchange: ServerExchange
  private let control: RemoteControl
  private var body: [UInt8] = []
  private var following: (query: LogQuery, last: UInt64)?
  private var isOver = false

  init(_ exchange: ServerExchange, _ control: RemoteControl) { (self.exchange, self.control) = (exchange, control) }

  func begin() {
    exchange.handler = self
    if exchange.requestHasEnded { ask() }
  }

  func exchangeBody(_ bytes: UnsafeRawBufferPointer) {
    body += bytes
    exchange.grant(bytes.count)
  }

  func exchangeRequestEnded(_ trailers: MessageHead) { ask() }
  func exchangeWritable() { sendNewLines() }

  func exchangeFailed(_ status: nh_status, _ words: String) {
    isOver = true
    control.forget(self)
  }

  private func ask() {
    do {
      let request = try ControlRequest(head(), body: body)
      body = []
      control.answer(request) { [self] in answer($0) }
    } catch { answer(.failure(error)) }
  }

  private func head() throws(ControlFailure) -> HTTPRequestHead {
    let head = exchange.head
    do throws(HTTPRefusal) {
      return try HTTPRequestHead(method: head.string(head.method), target: head.string(head.target))
    } catch { throw ControlFailure(.invalidArgument, error.reason, place: "http") }
  }

  // MARK: The answer

  private func answer(_ reply: ControlReply) {
    guard !isOver else { return }
    switch reply {
    case .json(let value, let status): send(status, ControlAPI.jsonType, ControlAPI.body(value))
    case .failure(let failure):
      send(failure.httpStatus, ControlAPI.jsonType, ControlAPI.body(failure.json), allow: failure.allowedMethod)
    case .text(let text): send(200, ControlAPI.metricsType, Array(text.utf8))
    case .bytes(let bytes): send(200, "application/octet-stream", bytes)
    case .logs(let query): sendLogs(query)
    }
  }

  private func send(_ status: Int, _ type: String, _ bytes: [UInt8], allow: String? = nil, ends: Bool = true) {
    let fields = MessageHead(capacity: 128)
    fields.addField("content-type", type)
    if let allow { fields.addField("allow", allow) }
    bytes.withUnsafeBytes { bytes in
      _ = fields.withPairs { exchange.respond(status, $0, bytes, ends: ends) }
    }
  }

  private func sendLogs(_ query: LogQuery) {
    let all = control.log.lines(after: 0, limit: .max)
    let text = all.filter { $0.answers(query) }.suffix(query.lines).flatMap(\.record.line)
    let follows = query.follow && !exchange.isToHead
    send(200, ControlAPI.logType, text, ends: !follows)
    guard follows, !isOver else { return }
    following = (query, all.last?.number ?? 0)
    control.follows(self)
  }

  /// It was let in with a token that counts no more.
  func end() {
    isOver = true
    exchange.abort()
  }

  /// What came while the client did not read comes when it does.
  func sendNewLines() {
    guard let (query, last) = following, !isOver, exchange.canWriteMore() else { return }
    let lines = control.log.lines(after: last, limit: .max)
    following?.last = lines.last?.number ?? last
    let text = lines.filter { $0.answers(query) }.flatMap(\.record.line)
    text.withUnsafeBytes { _ = exchange.write($0) }
  }
}
