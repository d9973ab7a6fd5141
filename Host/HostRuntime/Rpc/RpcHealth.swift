import HostCore

/// grpc.health.v1: the node's readiness, and of each service the health of the role that serves it.
enum RpcHealth {
  static let service = "grpc.health.v1.Health"
  /// How often a watcher's service is looked at.
  private static let watchMilliseconds: Int64 = 1_000

  private enum Serving: Int, Sendable {
    case serving = 1
    case notServing = 2
    case unknown = 3

    var message: [UInt8] {
      var writer = ProtoWriter()
      writer.add(1, rawValue)
      return writer.bytes
    }
  }

  static func add(to listener: HTTPListener, of node: Node) {
    let check = RpcBuiltIn(service) { [unowned node, unowned listener] call, question in
      call.staysOpen = true
      ask(named(in: question), node, listener, for: call) { serving in
        if serving == .unknown { return call.end(5, "nobody serves that here") }
        call.send(serving.message)
        call.end()
      }
    }
    check.add("Check", to: listener)
    let watch = RpcBuiltIn(service) { [unowned node, unowned listener] call, question in
      call.staysOpen = true
      self.watch(named(in: question), node, listener, for: call, last: nil)
    }
    watch.add("Watch", to: listener)
  }

  private static func named(in question: UnsafeRawBufferPointer) -> String {
    var reader = ProtoReader(question)
    while let field = reader.next() { if field.number == 1 { return field.text ?? "" } }
    return ""
  }

  private static func watch(
    _ name: String, _ node: Node, _ listener: HTTPListener, for call: BuiltInCall, last: Serving?
  ) {
    ask(name, node, listener, for: call) { [unowned node, unowned listener] serving in
      guard !call.isOver else { return }
      if serving != last { call.send(serving.message) }
      let loop = call.exchange.loop
      let timer = DelayedWork.after(milliseconds: watchMilliseconds, on: loop) {
        watch(name, node, listener, for: call, last: serving)
      }
      call.whenOver = { if let timer { loop.cancelTimer(timer) } }
    }
  }

  /// `answer` comes on the call's loop.
  private static func ask(
    _ name: String, _ node: Node, _ listener: HTTPListener, for call: BuiltInCall,
    _ answer: @escaping @Sendable (Serving) -> Void
  ) {
    let parts = listener.rpcServices.filter { $0.service == name }
    let roles = Set(parts.compactMap(\.role))
    guard name.isEmpty || !parts.isEmpty else { return answer(.unknown) }
    let loop = call.exchange.loop
    node.control.post { [unowned node] in
      let asked = name.isEmpty ? node.roles : node.roles.filter { roles.contains($0.name) }
      node.gatherHealth(of: asked) { entries in
        let isWell = HealthReport(roles: entries).health != .failed
        let serving: Serving = node.hasBeenReady && !node.isEnding && isWell ? .serving : .notServing
        loop.post { answer(serving) }
      }
    }
  }
}
