import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// The objects of a role's place, in memory: a disk that is fast and never full.
struct ScriptedBlobs {
  static let requestLimit = 1024
  static let pieceLimit = 512 << 10
  static let readPieceLimit = 64 << 10

  enum Request {
    case upload(String, token: UInt64)
    /// What is still to come of a read, and for how much the role has asked.
    case read([(offset: Int, bytes: [UInt8])], credit: Int, token: UInt64)
    case other(token: UInt64)
  }

  struct Reply {
    var handle: UInt64
    var status = NH_OK
    var value = Value.nothing
    var more = false
    var number = 0
  }

  var objects: [String: [UInt8]] = [:]
  var unfinished: [String: [UInt8]] = [:]
  var requests = SlotTable<Request>(limit: ScriptedBlobs.requestLimit)
  /// In the order in which they come.
  var replies: [Reply] = []

  mutating func endRequests() {
    requests = SlotTable(limit: Self.requestLimit)
    replies = []
  }
}

extension ScriptedRole {
  private func ask(
    _ function: HostFunction, _ request: ScriptedBlobs.Request, _ replies: [ScriptedBlobs.Reply]
  ) -> nh_handle {
    guard host.permits(function, self), let handle = host.blobs.requests.insert(request) else { return 0 }
    for var reply in replies {
      reply.handle = handle
      host.blobs.replies.append(reply)
    }
    return handle
  }

  private func upload(_ handle: nh_handle) -> String? {
    if case .upload(let name, _)? = host.blobs.requests[handle] { name } else { nil }
  }

  func beginBlob(_ name: String, _ options: String, _ token: UInt64) -> nh_handle {
    host.record("begin an object \(options)")
    let known = try? BlobOptions(options)
    let start = host.blobs.unfinished[name, default: []].count
    let reply = ScriptedBlobs.Reply(
      handle: 0, status: known == nil ? NH_INVALID_ARGUMENT : NH_OK, more: known != nil, number: start)
    return ask(.blobBegin, .upload(name, token: token), [reply])
  }

  func writeBlob(_ handle: nh_handle, _ offset: UInt64, _ bytes: [UInt8]) -> nh_status {
    guard host.permits(.blobWrite, self) else {
      // Nothing was taken, and there is room again at once.
      if upload(handle) != nil { host.blobs.replies.append(.init(handle: handle, more: true)) }
      return NH_RESOURCE_EXHAUSTED
    }
    guard let name = upload(handle) else { return NH_NOT_FOUND }
    guard bytes.count <= ScriptedBlobs.pieceLimit else { return NH_INVALID_ARGUMENT }
    guard offset == UInt64(host.blobs.unfinished[name, default: []].count) else { return NH_OUT_OF_RANGE }
    host.blobs.unfinished[name, default: []] += bytes
    return NH_OK
  }

  func finishBlob(_ handle: nh_handle) -> nh_status {
    guard host.permits(.blobFinish, self), let name = upload(handle) else { return NH_NOT_FOUND }
    let bytes = host.blobs.unfinished.removeValue(forKey: name) ?? []
    let sha256 = BlobName(digest: ContentDigest.of(bytes)).text
    host.record("keep the object \(sha256)")
    let isDuplicate = host.blobs.objects.updateValue(bytes, forKey: sha256) != nil
    let told: JSON = ["sha256": .string(sha256), "size": JSON(bytes.count), "duplicate": .bool(isDuplicate)]
    host.blobs.replies.append(.init(handle: handle, value: .json(told.description), number: bytes.count))
    return NH_OK
  }

  func abandonBlob(_ handle: nh_handle) -> nh_status {
    guard host.permits(.blobAbandon, self), let name = upload(handle) else { return NH_NOT_FOUND }
    host.blobs.requests.remove(handle)
    host.blobs.unfinished[name] = nil
    return NH_OK
  }

  func readBlob(_ name: String, _ offset: UInt64, _ length: UInt64, _ token: UInt64) -> nh_handle {
    guard let object = host.blobs.objects[name], let start = Int(exactly: offset), start <= object.count else {
      return ask(.blobRead, .other(token: token), [.init(handle: 0, status: NH_NOT_FOUND)])
    }
    let rest = object.count - start
    let end = start + (length == 0 ? rest : min(rest, Int(clamping: length)))
    let pieces = stride(from: start, to: end, by: ScriptedBlobs.readPieceLimit).map { place in
      (place, Array(object[place..<min(end, place + ScriptedBlobs.readPieceLimit)]))
    }
    return ask(.blobRead, .read(pieces, credit: 256 << 10, token: token), [])
  }

  func creditBlob(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    guard host.permits(.blobCredit, self), case .read(let rest, let credit, let token)? = host.blobs.requests[handle]
    else { return NH_NOT_FOUND }
    host.blobs.requests[handle] = .read(rest, credit: credit + Int(clamping: min(bytes, 1 << 50)), token: token)
    return NH_OK
  }

  private func told(_ name: String) -> Value? {
    host.blobs.objects[name].map { object in
      let told: JSON = ["sha256": .string(name), "size": JSON(object.count), "created_ms": 0]
      return .json(told.description)
    }
  }

  func statBlob(_ name: String, _ token: UInt64) -> nh_handle {
    let found = told(name)
    let reply = ScriptedBlobs.Reply(
      handle: 0, status: found == nil ? NH_NOT_FOUND : NH_OK, value: found ?? .nothing)
    return ask(.blobStat, .other(token: token), [reply])
  }

  func listBlobs(_ last: String, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    let names = host.blobs.objects.keys.sorted().filter { $0 > last }
      .prefix(limit == 0 ? .max : Int(clamping: limit))
    let items = names.map { ScriptedBlobs.Reply(handle: 0, value: told($0) ?? .nothing, more: true) }
    return ask(.blobList, .other(token: token), items + [.init(handle: 0)])
  }

  func removeBlob(_ name: String, _ token: UInt64) -> nh_handle {
    let handle = ask(
      .blobRemove, .other(token: token),
      [.init(handle: 0, status: host.blobs.objects[name] == nil ? NH_NOT_FOUND : NH_OK)])
    if handle != 0 { host.blobs.objects[name] = nil }
    return handle
  }

  func cancelBlob(_ handle: nh_handle) -> nh_status {
    guard host.permits(.blobCancel, self), host.blobs.requests[handle] != nil else { return NH_NOT_FOUND }
    host.blobs.replies.removeAll { $0.handle == handle }
    host.blobs.replies.append(.init(handle: handle, status: NH_CANCELLED))
    return NH_OK
  }

  /// All that is ready, and what comes of it.
  func answerBlobs() {
    var deliveries = 0
    while deliveries < ScriptedHost.deliveryLimit, let reply = nextBlobReply() {
      deliveries += 1
      guard let request = host.blobs.requests[reply.handle] else { continue }
      if !reply.more { host.blobs.requests.remove(reply.handle) }
      deliverReply(
        reply.handle, request.token, reply.status, reply.status == NH_OK ? "" : "as the script says", reply.value,
        number: UInt64(reply.number), more: reply.more)
    }
  }

  private func nextBlobReply() -> ScriptedBlobs.Reply? {
    if !host.blobs.replies.isEmpty { return host.blobs.replies.removeFirst() }
    for (handle, request) in host.blobs.requests.elements {
      guard case .read(var rest, let credit, let token) = request else { continue }
      guard let piece = rest.first else { return .init(handle: handle) }
      guard credit > 0 else { continue }
      rest.removeFirst()
      host.blobs.requests[handle] = .read(rest, credit: credit - piece.bytes.count, token: token)
      return .init(handle: handle, value: .bytes(piece.bytes), more: true, number: piece.offset)
    }
    return nil
  }
}

extension ScriptedBlobs.Request {
  var token: UInt64 {
    switch self {
    case .upload(_, let token), .read(_, _, let token), .other(let token): token
    }
  }
}
