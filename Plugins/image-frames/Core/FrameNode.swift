import CImageFrames
public import NodeKit

/// Speaks the frames of the first image cloud, so that its clients find the leader and send images here as they are.
public final class FrameNode {
  private static let replyTimeout = Duration.seconds(60)

  private let context: RoleContext
  private let settings: FrameSettings
  private let seal: Seal
  private let address: String
  private let port: UInt16
  private var listener: Int32 = -1
  private var watch: DescriptorWatch?
  private var connections: [ObjectIdentifier: FrameConnection] = [:]
  private var idleTimers: [ObjectIdentifier: Timer] = [:]
  private var hasHeardNodes = false

  public init(_ context: RoleContext, _ settings: FrameSettings) throws {
    (self.context, self.settings) = (context, settings)
    guard let seal = Seal(hexadecimal: settings.key.reveal()) else {
      throw RoleError(.invalidArgument, "the key has 64 hexadecimal digits: openssl rand -hex 32 makes one", at: "/key")
    }
    self.seal = seal
    guard let colon = settings.listen.lastIndex(of: ":"),
      let port = UInt16(settings.listen[settings.listen.index(after: colon)...])
    else { throw RoleError(.invalidArgument, "it is ADDRESS:PORT, as 0.0.0.0:7001", at: "/listen") }
    self.port = port
    address = String(settings.listen[..<colon].filter { $0 != "[" && $0 != "]" })
  }

  // MARK: Life

  public func start() throws {
    listener = imf_listen(address, port)
    guard listener >= 0 else {
      let why = String(cString: imf_words(Int64(listener)))
      throw RoleError(.unavailable, "cannot listen at \(settings.listen): \(why)", at: "/listen")
    }
    watch = try context.descriptors.watch(listener, for: .read) { [self] _ in accept() }
    context.log.info("image frames at \(settings.listen)")
    if settings.key.reveal().allSatisfy({ $0 == "0" }) {
      context.log.warning(
        "the key of the frames is zeroes, as the first cloud's clients have it: they are as good as open")
    }
  }

  public func stop() {
    watch?.cancel()
    closeListener()
    for connection in Array(connections.values) { connection.end() }
  }

  // After a start that failed nothing else comes.
  deinit { closeListener() }

  private func closeListener() {
    if listener >= 0 { imf_close(listener) }
    listener = -1
  }

  // MARK: Connections

  private func accept() {
    while listener >= 0 {
      var from = [CChar](repeating: 0, count: 64)
      let socket = imf_accept(listener, &from, UInt32(from.count))
      guard socket >= 0 else { return }
      let address = from.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      guard connections.count < settings.clients else {
        imf_close(socket)
        context.log.warning("\(address) is turned away: \(settings.clients) clients are connected already")
        continue
      }
      begin(socket, address)
    }
  }

  @discardableResult
  private func begin(_ socket: Int32, _ address: String) -> FrameConnection {
    let connection = FrameConnection(
      socket, from: address, frameLimit: settings.frameBytes,
      whenFrame: { [unowned self] in frameCame($1, on: $0) }, whenEnded: { [unowned self] in ended($0, $1) })
    let id = ObjectIdentifier(connection)
    connections[id] = connection
    do {
      try connection.begin(context.descriptors)
      idleTimers[id] = try context.timer.once(after: .seconds(settings.idleSeconds)) { connection.end("it was silent") }
    } catch { connection.end("\(error)") }
    return connection
  }

  private func ended(_ connection: FrameConnection, _ why: String) {
    let id = ObjectIdentifier(connection)
    connections[id] = nil
    idleTimers.removeValue(forKey: id)?.cancel()
    if !why.isEmpty { context.log.info("the connection with \(connection.address) ends: \(why)") }
  }

  // MARK: Messages

  private func frameCame(_ frame: [UInt8], on connection: FrameConnection) {
    guard let text = seal.open(frame) else {
      return connection.end("it seals with another key, or what it sent was changed")
    }
    do throws(SeedMessage.Unreadable) {
      switch try SeedMessage(text) {
      case .queryLeader: tellLeader(on: connection)
      case .encryptRequest(let id, _, let image, let client): store(image, id, client, connection)
      case .betweenNodes(let name):
        if !hasHeardNodes {
          context.log.warning("\(connection.address) sends \(name): nodes of the first cloud cannot join")
        }
        hasHeardNodes = true
      case .leaderInfo, .encryptReply: break
      }
    } catch { connection.end(error.words) }
  }

  private func send(_ message: SeedMessage, on connection: FrameConnection, last: Bool = false) {
    guard let nonce = try? context.random.bytes(Int(IMF_NONCE)), let sealed = seal.seal(message.bytes, nonce: nonce)
    else {
      return connection.end("nothing can be sealed")
    }
    connection.send(sealed, last: last)
  }

  /// Silence says that nobody leads: the client asks the next node.
  private func tellLeader(on connection: FrameConnection) {
    do {
      try context.roles.call("elector", "leader") { [self] (answer: Result<JSON, RoleError>) in
        guard let leader = try? answer.get(), let id = leader["leader"]?.int else { return connection.end() }
        send(.leaderInfo(leader: id, term: leader["term"]?.int ?? 0), on: connection)
      }
    } catch { connection.end("\(error)") }
  }

  // MARK: Images

  private func store(_ image: [UInt8], _ id: String, _ client: String, _ connection: FrameConnection) {
    put(image, at: settings.images + "/images") { [self] result in
      switch result {
      case .success(let receipt):
        let nonce = try context.random.bytes(Int(IMF_NONCE))
        let type = receipt["type"]?.string?.split(separator: "/").last.map(String.init) ?? "bin"
        let copy = seal.seal(image, nonce: nonce) ?? []
        context.log.info("image \(id) from \(connection.address) is stored as \(receipt["id"]?.string ?? "?")")
        reply(.encryptReply(id: id, isDone: true, image: copy, name: "\(id).\(type)", error: ""), client, connection)
      case .failure(let error):
        context.log.warning("image \(id) from \(connection.address) is not stored: \(error.message)")
        reply(.encryptReply(id: id, isDone: false, image: [], name: "", error: error.message), client, connection)
      }
    }
  }

  /// To this node's own sink, or where that says that the leader is.
  private func put(
    _ image: [UInt8], at url: String, isFollowed: Bool = false,
    _ done: @escaping (Result<JSON, RoleError>) throws -> Void
  ) {
    do {
      try context.client.request("PUT", url, body: image, timeout: Self.replyTimeout) { [self] result in
        let answer: HTTPAnswer
        switch result {
        case .success(let came): answer = came
        case .failure(let error): return try done(.failure(error))
        }
        if answer.status == 307, !isFollowed, let leader = answer.headers["location"] {
          return put(image, at: leader, isFollowed: true, done)
        }
        let json = (try? answer.json()) ?? .null
        guard answer.isSuccess else {
          return try done(.failure(RoleError(.unavailable, json["error"]?.string ?? "HTTP status \(answer.status)")))
        }
        try done(.success(json))
      }
    } catch { try? done(.failure(RoleError(error))) }
  }

  /// The client listens for its reply at a port of its own; only on the machine that asked, whatever it says.
  private func reply(_ message: SeedMessage, _ client: String, _ connection: FrameConnection) {
    guard let port = client.lastIndex(of: ":").flatMap({ UInt16(client[client.index(after: $0)...]) }), port > 0 else {
      return send(message, on: connection)
    }
    let socket = imf_connect(connection.address, port)
    guard socket >= 0 else { return send(message, on: connection) }
    send(message, on: begin(socket, connection.address), last: true)
  }
}
