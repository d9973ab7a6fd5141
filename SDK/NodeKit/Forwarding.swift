internal import CNodeABI

extension HTTP {
  /// Lets the host hand requests on to other servers without asking the role: `table` says which and to whom (see
  /// http.h and the README). `counted` gets once a second what was counted since the last time.
  ///
  ///     let table: JSON = [
  ///       "prefix": "/", "upstreams": [
  ///         ["id": "stable", "url": "http://10.0.0.7:8080", "weight": 90],
  ///         ["id": "canary", "url": "http://10.0.0.8:8080", "weight": 10],
  ///       ],
  ///     ]
  ///     forwarding = try context.http.forward(table) { [unowned self] counts in try judge(counts) }
  @discardableResult
  public func forward(_ table: JSON, _ counted: @escaping (JSON) throws -> Void = { _ in }) throws -> Forwarding {
    let token = link.forwards.insert(counted)
    do {
      return Forwarding(link: link, handle: try link.forward(0, table, token), token: token)
    } catch {
      link.forwards.remove(token)
      throw error
    }
  }
}

/// A forward table at work. It ends with the role.
public struct Forwarding {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Puts another table in its place, from one request to the next; none is lost.
  public func replace(with table: JSON) throws { _ = try link.forward(handle, table, token) }
}

extension HostLink {
  private static let roomForWords = 1_024
  private static let roomForPlace = 256

  fileprivate func forward(_ previous: nh_handle, _ table: JSON, _ token: UInt64) throws -> nh_handle {
    let service = try httpService
    return try withRoom { error in
      table.lend { service.pointee.forward(service.pointee.ctx, previous, $0, token, error) }
    }
  }

  /// Runs a function that returns 0 and fills the error if it fails.
  func withRoom(_ body: (UnsafeMutablePointer<nh_error>) -> nh_handle) throws -> nh_handle {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Self.roomForWords + Self.roomForPlace) { room in
      let words = room.baseAddress!
      let place = words + Self.roomForWords
      var error = nh_error()
      error.struct_size = UInt32(MemoryLayout<nh_error>.size)
      error.revision = NH_ABI_REVISION
      (error.message, error.message_capacity) = (words, UInt64(Self.roomForWords))
      (error.place, error.place_capacity) = (place, UInt64(Self.roomForPlace))
      let handle = body(&error)
      guard handle == 0 else { return handle }
      let status = error.code == NH_OK ? NH_UNKNOWN : error.code
      throw RoleError(
        Status(rawValue: status), String(nh_str(ptr: words, len: error.message_len)),
        at: String(nh_str(ptr: place, len: error.place_len)))
    }
  }

  func counted(_ event: nh_event) {
    // One of the role's predecessor before a swap has nobody here.
    guard let body = forwards[event.token] else { return }
    do { try body(JSON(parsing: String(decoding: [UInt8](event.payload), as: UTF8.self))) } catch {
      report(error, from: "the closure for a forward table's counts")
    }
  }
}
