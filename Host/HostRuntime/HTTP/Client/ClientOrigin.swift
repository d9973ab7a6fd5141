import CNodeABI

/// All connections of one loop to one address, and the requests that wait for one.
final class ClientOrigin {
  let address: ClientAddress
  let limits: ClientLimits
  unowned(unsafe) let pool: ClientPool
  var loop: EventLoop { pool.loop }

  /// All that are open.
  private var connections: [any ClientConnection] = []
  /// Those with room; the last that was used is the first to be used again, so that the others may end.
  private var listed: [any ClientConnection] = []
  private var connectors: [ClientConnector] = []
  private var waiting = WaitingExchanges()
  /// Whether one connection serves many requests at once; nil until the first has been made.
  private var multiplexes: Bool?
  private var isClosed = false

  init(_ address: ClientAddress, _ limits: ClientLimits, pool: ClientPool) {
    self.address = address
    self.limits = limits
    self.pool = pool
    switch address.wire {
    case .http1: multiplexes = false
    case .http2: multiplexes = true
    case .automatic: multiplexes = address.tls == nil ? false : nil
    }
  }

  /// Nothing is open, and nobody waits.
  var isUnused: Bool { connections.isEmpty && connectors.isEmpty && waiting.count == 0 }
  var connectionCount: Int { connections.count }

  // MARK: Requests

  func submit(_ exchange: ClientExchange) {
    if isClosed { return refuse(exchange, NH_UNAVAILABLE, "the node is ending") }
    if let connection = listed.last, !exchange.needsFresh || !connection.isIdle { return begin(exchange, connection) }
    guard waiting.count < limits.waiting else {
      return refuse(
        exchange, NH_RESOURCE_EXHAUSTED, "\(limits.waiting) requests wait for a connection to \(address.words) already")
    }
    waiting.append(exchange)
    connectAsNeeded()
  }

  private func refuse(_ exchange: ClientExchange, _ status: nh_status, _ words: String) {
    failLater(exchange, ClientFailure(status: status, words: words, hadNoEffect: true))
  }

  private func failLater(_ exchange: ClientExchange, _ failure: ClientFailure) {
    exchange.willFail()
    pool.failLater(exchange, failure)
  }

  private func begin(_ exchange: ClientExchange, _ connection: any ClientConnection) {
    if connection.room <= 1 { unlist(connection) }
    connection.begin(exchange)
  }

  /// Given up by who asked.
  func withdraw(_ exchange: ClientExchange) { waiting.noteWithdrawn() }

  // MARK: Connections

  /// It takes more exchanges than before.
  func hasRoom(_ connection: any ClientConnection) {
    while connection.room > 0, let exchange = waiting.popFirst() { connection.begin(exchange) }
    if connection.room > 0 { list(connection) }
  }

  /// It takes no more, or has ended.
  func unlist(_ connection: any ClientConnection) {
    guard connection.isListed else { return }
    connection.isListed = false
    if listed.last === connection {
      listed.removeLast()
    } else {
      listed.removeAll { $0 === connection }
    }
  }

  private func list(_ connection: any ClientConnection) {
    guard !connection.isListed else { return }
    connection.isListed = true
    listed.append(connection)
  }

  func forget(_ connection: any ClientConnection) {
    unlist(connection)
    connections.removeAll { $0 === connection }
    connectAsNeeded()
  }

  private var connectorsWanted: Int { multiplexes == false ? waiting.count : min(1, waiting.count) }

  private func connectAsNeeded() {
    // Looked at each time: a connector may fail at once, and nobody waits any more.
    while connectors.count < connectorsWanted, connections.count + connectors.count < limits.connections {
      let connector = ClientConnector(self)
      connectors.append(connector)
      connector.start()
    }
  }

  /// A connector has done its work.
  func connected(_ connector: ClientConnector, _ connection: any ClientConnection, multiplexes: Bool) {
    connectors.removeAll { $0 === connector }
    self.multiplexes = multiplexes
    connections.append(connection)
    hasRoom(connection)
    connectAsNeeded()
  }

  func failed(_ connector: ClientConnector, _ failure: ClientFailure) {
    connectors.removeAll { $0 === connector }
    // Each of the others will serve one that waits; who is left over has waited for this one.
    let served = multiplexes == false ? connectors.count : connectors.isEmpty ? 0 : waiting.count
    var surplus = waiting.count - served
    while surplus > 0, let exchange = waiting.popFirst() {
      surplus -= 1
      // A name that is known to have no address fails while it is asked for.
      failLater(exchange, failure)
    }
  }

  /// The process is gone: nothing holds on to anything.
  func vanish() {
    isClosed = true
    while let exchange = waiting.popFirst() { exchange.handler = nil }
    (connections, listed, connectors) = ([], [], [])
  }

  // MARK: Time

  func tick(_ now: Int64) {
    for connection in connections.reversed() { connection.tick(now) }
  }

  /// For good: what is under way breaks.
  func close() {
    isClosed = true
    for connector in connectors { connector.cancel() }
    connectors = []
    while let exchange = waiting.popFirst() {
      exchange.fail(ClientFailure(status: NH_UNAVAILABLE, words: "the node is ending", hadNoEffect: true))
    }
    for connection in connections { connection.close() }
  }
}

/// Exchanges in the order in which they came. Those that were given up stay until their turn, but do not count.
private struct WaitingExchanges {
  private var exchanges: [ClientExchange] = []
  private var first = 0
  private(set) var count = 0

  mutating func append(_ exchange: ClientExchange) {
    exchanges.append(exchange)
    count += 1
  }

  mutating func noteWithdrawn() {
    count -= 1
    if count == 0 { clear() } else if exchanges.count - first > 2 * count + 64 { dropWithdrawn() }
  }

  mutating func popFirst() -> ClientExchange? {
    while first < exchanges.count {
      let exchange = exchanges[first]
      first += 1
      guard exchange.isWaiting else { continue }
      count -= 1
      if count == 0 { clear() } else if first > 1_024 { dropWithdrawn() }
      return exchange
    }
    return nil
  }

  private mutating func clear() {
    exchanges.removeAll(keepingCapacity: true)
    first = 0
  }

  private mutating func dropWithdrawn() {
    exchanges = exchanges[first...].filter(\.isWaiting)
    first = 0
  }
}
