internal import CNodeABI

struct FakeForward {
  var table: JSON
  var token: UInt64
}

// Forward tables. There are no connections that they could steer: the test sees the tables, and says what was counted.

extension FakeHost {
  private static let forwardLimit = 64

  /// The tables at work, in the order in which their places were taken.
  public var forwardTables: [JSON] { forwards.all.map(\.table) }

  /// Tells the role what the table with this prefix has counted in a second: see the README for the members of
  /// `upstreams`.
  public func reportForwarding(_ prefix: String, upstreams: JSON, mirror: JSON? = nil) {
    guard let handle = forwards.handles.first(where: { forwards[$0]?.table.prefix == prefix }),
      let forward = forwards[handle], let function = library.table.on_event
    else { return breach("there is no table for \(prefix), or the role has no on_event") }
    var members: [(String, JSON)] = [
      ("listener", .string(forward.table.listener)), ("prefix", .string(prefix)), ("upstreams", upstreams),
    ]
    if let mirror { members.append(("mirror", mirror)) }
    let report = JSON.object(JSONObject(members))
    Array(report.description.utf8).lend { bytes in
      var event = nh_event()
      event.struct_size = UInt32(MemoryLayout<nh_event>.size)
      event.revision = 1
      (event.kind, event.handle, event.token, event.payload) = (NH_EVENT_FORWARD_STATS, handle, forward.token, bytes)
      function(role, &event)
    }
    clock.settle()
  }

  func forward(
    _ previous: nh_handle, _ text: String, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?
  ) -> nh_handle {
    func refuse(_ place: String, _ words: String) -> nh_handle {
      place.lend { place in words.lend { _ = nh_fail(error, NH_INVALID_ARGUMENT, place, $0) } }
      return 0
    }
    guard permits("nh_http_service.forward") else { return refuse("", "as the test says") }
    guard let table = try? JSON(parsing: text) else { return refuse("", "it is not JSON") }
    guard table.prefix.hasPrefix("/") else { return refuse("/prefix", "`\(table.prefix)` does not begin with /") }
    guard listeners.contains(table.listener) else {
      return refuse("/listener", "the manifest has no listener `\(table.listener)`")
    }
    let upstreams = table["upstreams"]?.array ?? []
    if upstreams.isEmpty { return refuse("/upstreams", "there are none") }
    for (place, upstream) in upstreams.enumerated()
    where upstream["id"]?.string == nil || upstream["url"]?.string == nil {
      return refuse("/upstreams/\(place)", "it lacks `id` or `url`")
    }
    let forward = FakeForward(table: table, token: token)
    if previous != 0 {
      guard forwards[previous] != nil else { return refuse("", "there is no such table to replace") }
      forwards.update(previous) { $0 = forward }
      return previous
    }
    let isTaken = forwards.all.contains { $0.table.prefix == table.prefix && $0.table.listener == table.listener }
    if isTaken { return refuse("/prefix", "`\(table.prefix)` is taken by another table") }
    guard forwards.count < Self.forwardLimit else { return refuse("", "the role has \(Self.forwardLimit) tables") }
    return forwards.insert { _ in forward }
  }
}

extension JSON {
  fileprivate var prefix: String { self["prefix"]?.string ?? "/" }
  fileprivate var listener: String {
    let name = self["listener"]?.string ?? ""
    return name.isEmpty ? "data" : name
  }
}
