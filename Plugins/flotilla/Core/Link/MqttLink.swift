internal import NodeKit

/// The connection to the broker, made anew whenever it ends. Name resolution and connecting wait, so the pool does
/// them; the rest goes by a watch on the socket.
final class MqttLink {
  private static let keepAliveSeconds: Int32 = 30

  private enum Stage {
    case stopped
    case pausing(Timer)
    case connecting(MqttClient)
    case open(Open)
  }

  private final class Open {
    let client: MqttClient
    let descriptor: Int32
    let began: Moment
    var watch: DescriptorWatch?
    var beats: Timer?
    var isAnswered = false
    var refusal: String?

    init(_ client: MqttClient, _ descriptor: Int32, _ began: Moment) {
      (self.client, self.descriptor, self.began) = (client, descriptor, began)
    }
  }

  private let context: RoleContext
  private let settings: FlotillaSettings
  private var stage = Stage.stopped
  private var pauses: Pauses
  /// Why the broker is not there; nil while it is.
  private(set) var trouble: String? = "not connected yet"
  private(set) var connections = 0

  var whenConnected: () -> Void = {}
  var whenLost: () -> Void = {}
  var whenMessage: (_ topic: String, _ bytes: [UInt8]) -> Void = { _, _ in }
  var whenTooLong: (_ topic: String, _ count: Int) -> Void = { _, _ in }

  init(_ context: RoleContext, _ settings: FlotillaSettings) {
    (self.context, self.settings) = (context, settings)
    pauses = Pauses(first: settings.retry, longest: max(settings.retry, settings.longestRetry))
  }

  var isConnected: Bool {
    if case .open(let open) = stage { return open.isAnswered }
    return false
  }

  /// From which this machine reaches the broker.
  var localAddress: String {
    if case .open(let open) = stage { return open.client.localAddress }
    return ""
  }

  func start() { connect() }

  /// The host ends what timers there are.
  func stop() {
    if case .open(let open) = stage { hangUp(open) }
    stage = .stopped
  }

  func subscribe(_ topic: String) {
    guard case .open(let open) = stage else { return }
    use(open) { client throws(RoleError) in try client.subscribe(topic) }
  }

  /// False if there is no broker now.
  @discardableResult
  func publish(_ topic: String, _ message: JSON, quality: Int32 = 0, isRetained: Bool = false) -> Bool {
    guard case .open(let open) = stage, open.isAnswered else { return false }
    return use(open) { client throws(RoleError) in
      try client.publish(topic, Array(message.description.utf8), quality: quality, isRetained: isRetained)
    }
  }

  // MARK: Connecting

  private func connect() {
    guard let (host, port) = Endpoint.parts(settings.broker) else { return }
    do {
      // An id of its own for each connection: a broker ends the older of two with one id, and in a swap both are there.
      let id = "nodehost-\(context.nodeName)-\(String(context.random.next(), radix: 36))"
      let client = try MqttClient(id, settings)
      stage = .connecting(client)
      let timeout = settings.connectTimeout
      try context.work.run { _ in
        try client.connect(host, port, keepAlive: Self.keepAliveSeconds, timeout: timeout)
      } then: { [self] result in
        guard case .connecting(let current) = stage, current === client else { return }
        switch result {
        case .success: try opened(client)
        case .failure(let error): retry(error.message)
        }
      }
    } catch { retry(RoleError(error).message) }
  }

  private func opened(_ client: MqttClient) throws {
    let open = Open(client, client.descriptor(), context.now)
    stage = .open(open)
    client.whenAnswered = { [unowned self, unowned open] in answered(open, $0) }
    client.whenMessage = { [unowned self] in came($0, $1) }
    guard open.descriptor >= 0 else { return lost(open, "the connection has ended at once") }
    do {
      open.watch = try context.descriptors.watch(open.descriptor, for: .read) { [self] in ready(open, $0) }
      open.beats = try context.timer.every(.seconds(1)) { [self] in beat(open) }
      change(open)
    } catch { lost(open, RoleError(error).message) }
  }

  private func answered(_ open: Open, _ refusal: String?) {
    guard refusal == nil else { return open.refusal = refusal }
    open.isAnswered = true
    (trouble, connections) = (nil, connections + 1)
    pauses.reset()
    context.log.info("connected with the MQTT broker at \(settings.broker)")
    whenConnected()
  }

  // MARK: While it is open

  private func ready(_ open: Open, _ readiness: Readiness) {
    if readiness.contains(.read) || readiness.contains(.error) {
      use(open) { client throws(RoleError) in try client.read() }
    }
    if readiness.contains(.write), isCurrent(open) {
      use(open) { client throws(RoleError) in try client.write() }
    }
  }

  private func beat(_ open: Open) {
    if !open.isAnswered, open.began.duration(to: context.now) > settings.connectTimeout {
      return lost(open, "what listens there does not answer as a broker does")
    }
    use(open) { client throws(RoleError) in try client.beat() }
  }

  private func came(_ topic: String, _ bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.count <= settings.messageBytes else { return whenTooLong(topic, bytes.count) }
    whenMessage(topic, Array(bytes))
  }

  /// The client may end the connection in any call.
  @discardableResult
  private func use(_ open: Open, _ body: (MqttClient) throws(RoleError) -> Void) -> Bool {
    // What it calls back may let go of it.
    let client = open.client
    return withExtendedLifetime((open, client)) {
      do throws(RoleError) {
        try body(client)
        change(open)
        return true
      } catch {
        lost(open, open.refusal.map { "the broker refuses: \($0)" } ?? error.message)
        return false
      }
    }
  }

  private func change(_ open: Open) {
    guard isCurrent(open) else { return }
    try? open.watch?.change(to: open.client.wantsWrite ? [.read, .write] : .read)
  }

  private func isCurrent(_ open: Open) -> Bool {
    if case .open(let current) = stage { return current === open }
    return false
  }

  // MARK: When it ends

  private func lost(_ open: Open, _ why: String) {
    guard isCurrent(open) else { return }
    let wasAnswered = open.isAnswered
    open.beats?.cancel()
    hangUp(open)
    retry(why)
    if wasAnswered { whenLost() }
  }

  private func hangUp(_ open: Open) {
    open.watch?.cancel()
    if open.descriptor >= 0 { MqttClient.close(open.descriptor) }
  }

  private func retry(_ why: String) {
    // Said once, until it is there again.
    if trouble != why { context.log.warning("no MQTT broker at \(settings.broker): \(why); trying again") }
    trouble = why
    do {
      stage = .pausing(try context.timer.once(after: pauses.next(context.random.fraction())) { [self] in connect() })
    } catch { context.fail(.resourceExhausted, "there is no timer to connect again: \(RoleError(error).message)") }
  }
}
