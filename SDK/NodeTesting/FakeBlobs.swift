internal import CNodeABI
internal import NodeValues

/// The objects of a fake host, in memory, and what a test wants to go wrong with them.
public struct FakeBlobs {
  public struct Object: Sendable, Equatable {
    public var bytes: [UInt8]
    public var mediaType: String
    /// Since 1970-01-01 UTC.
    public var created: Duration
    /// The id of the key that seals it.
    public var key: String?

    public init(_ bytes: [UInt8], mediaType: String = "", created: Duration = .zero) {
      self.bytes = bytes
      self.mediaType = mediaType
      self.created = created
    }
  }

  /// By name. Change an object's bytes here, and a read finds that it is damaged.
  public var objects: [String: Object] = [:]
  /// What uploads have brought that are not finished, by their names.
  public var unfinished: [String: [UInt8]] = [:]
  /// How much the disk still takes; nil is no end of it.
  public var room: Int?
  /// The id of the key with which new objects are sealed; nil: they are not.
  public var key: String?
  /// How long the disk takes for whatever it is asked.
  public var takes = Duration.zero

  public init() {}

  /// Puts an object there as if it had been written; its name.
  @discardableResult
  public mutating func add(_ bytes: [UInt8], mediaType: String = "") -> String {
    let name = SHA256.hexadecimal(bytes)
    objects[name] = Object(bytes, mediaType: mediaType)
    return name
  }

  /// Lets one bit of an object tip over, as disks do.
  public mutating func flipBit(_ bit: Int, of sha256: String) {
    objects[sha256]?.bytes[bit / 8] ^= 1 << UInt8(bit % 8)
  }
}

/// A request that is open.
struct FakeBlobRequest {
  enum Kind { case upload, read, other }

  var token: UInt64
  var kind: Kind
  /// An upload's, and what it promised.
  var name = ""
  var size: Int?
  var sha256: String?
  var mediaType = ""
  /// Taken and not on the disk yet; nil until the first reply.
  var waiting: [UInt8]?
  var wantsRoom = false
  var isFinished = false
  /// A read's.
  var position = 0
  var end = 0
  var credit = 256 << 10
}

extension FakeHost {
  private static let requestLimit = 1_024
  private static let uploadLimit = 256
  private static let unwrittenLimit = 1 << 20
  private static let pieceLimit = 512 << 10
  private static let readPieceLimit = 64 << 10

  private func later(_ body: @escaping () -> Void) { _ = clock.schedule(after: blobs.takes, body) }

  private func open(_ function: String, _ request: FakeBlobRequest, _ body: @escaping (nh_handle) -> Void) -> nh_handle
  {
    guard permits("nh_blob_service.\(function)"), blobRequests.count < Self.requestLimit else { return 0 }
    let handle = blobRequests.insert { _ in request }
    later { body(handle) }
    return handle
  }

  // MARK: Uploads

  func beginBlob(_ name: String, _ options: String, _ token: UInt64) -> nh_handle {
    guard blobRequests.all.count(where: { $0.kind == .upload }) < Self.uploadLimit else { return 0 }
    let known = options.isEmpty ? JSON.object(JSONObject()) : (try? JSON(parsing: options)) ?? .null
    let size = known["size"]?.int.map(Int.init)
    let request = FakeBlobRequest(
      token: token, kind: .upload, name: name, size: size, sha256: known["sha256"]?.string,
      mediaType: known["media_type"]?.string ?? "")
    let earlier = blobRequests.handles.filter {
      blobRequests[$0].map { $0.kind == .upload && $0.name == name && !$0.isFinished } ?? false
    }
    return open("begin", request) { [unowned self] handle in
      for other in earlier { end(other, NH_ABORTED, "another upload `\(name)` has begun") }
      // It may have been given up before it began.
      guard blobRequests[handle] != nil else { return }
      guard known.object != nil, (1...1_024).contains(name.utf8.count) else {
        return end(handle, NH_INVALID_ARGUMENT, "the options or the name are wrong")
      }
      let present = blobs.unfinished[name] ?? []
      guard (size ?? 0) - present.count <= blobs.room ?? .max else { return endFull(handle) }
      blobRequests.update(handle) { $0.waiting = [] }
      blobs.unfinished[name] = present
      reply(handle, more: true, number: present.count)
    }
  }

  func writeBlob(_ handle: nh_handle, _ offset: UInt64, _ bytes: [UInt8]) -> nh_status {
    guard permits("nh_blob_service.write") else { return NH_FAILED_PRECONDITION }
    guard let upload = blobRequests[handle], upload.kind == .upload else { return missing(handle, "write") }
    guard !upload.isFinished else { return NH_FAILED_PRECONDITION }
    guard let waiting = upload.waiting else { return NH_RESOURCE_EXHAUSTED }
    guard bytes.count <= Self.pieceLimit else { return NH_INVALID_ARGUMENT }
    let end = blobs.unfinished[upload.name, default: []].count + waiting.count
    guard Int(exactly: offset) == end, end + bytes.count <= upload.size ?? .max else { return NH_OUT_OF_RANGE }
    guard waiting.count + bytes.count <= Self.unwrittenLimit else {
      blobRequests.update(handle) { $0.wantsRoom = true }
      return NH_RESOURCE_EXHAUSTED
    }
    blobRequests.update(handle) { $0.waiting?.append(contentsOf: bytes) }
    later { [unowned self] in bringToDisk(handle) }
    return NH_OK
  }

  /// False if the upload has ended of it.
  @discardableResult
  private func bringToDisk(_ handle: nh_handle) -> Bool {
    guard let upload = blobRequests[handle], let waiting = upload.waiting else { return false }
    guard waiting.count <= blobs.room ?? .max else {
      endFull(handle)
      return false
    }
    if let room = blobs.room { blobs.room = room - waiting.count }
    blobs.unfinished[upload.name, default: []] += waiting
    blobRequests.update(handle) {
      $0.waiting = []
      $0.wantsRoom = false
    }
    if upload.wantsRoom { reply(handle, more: true, number: blobs.unfinished[upload.name, default: []].count) }
    return true
  }

  func finishBlob(_ handle: nh_handle) -> nh_status {
    guard permits("nh_blob_service.finish") else { return NH_FAILED_PRECONDITION }
    guard let upload = blobRequests[handle], upload.kind == .upload else { return missing(handle, "finish") }
    guard upload.waiting != nil, !upload.isFinished else { return NH_FAILED_PRECONDITION }
    blobRequests.update(handle) { $0.isFinished = true }
    later { [unowned self] in
      guard bringToDisk(handle), let bytes = blobs.unfinished[upload.name] else { return }
      blobs.unfinished[upload.name] = nil
      let name = SHA256.hexadecimal(bytes)
      guard upload.size ?? bytes.count == bytes.count, upload.sha256 ?? name == name else {
        return end(handle, NH_INVALID_ARGUMENT, "the bytes that came are not what was promised")
      }
      let isDuplicate = blobs.objects[name]?.bytes == bytes
      if !isDuplicate || blobs.objects[name]?.key != blobs.key {
        let now = Duration.nanoseconds(clock.now.nanoseconds + clock.wallOffset)
        blobs.objects[name] = .init(bytes, mediaType: upload.mediaType, created: now)
        blobs.objects[name]!.key = blobs.key
      }
      let told: JSON = ["sha256": .string(name), "size": JSON(bytes.count), "duplicate": .bool(isDuplicate)]
      reply(handle, value: .json(told.description), number: bytes.count)
    }
    return NH_OK
  }

  func abandonBlob(_ handle: nh_handle) -> nh_status {
    guard permits("nh_blob_service.abandon") else { return NH_FAILED_PRECONDITION }
    guard let upload = blobRequests[handle], upload.kind == .upload else { return missing(handle, "abandon") }
    blobRequests.remove(handle)
    blobs.unfinished[upload.name] = nil
    return NH_OK
  }

  // MARK: Objects

  func readBlob(_ name: String, _ offset: UInt64, _ length: UInt64, _ token: UInt64) -> nh_handle {
    open("read", FakeBlobRequest(token: token, kind: .read, name: name)) { [unowned self] handle in
      guard let object = blobs.objects[name] else { return endMissing(handle, name) }
      let size = object.bytes.count
      guard let start = Int(exactly: offset), start <= size else {
        return end(handle, NH_OUT_OF_RANGE, "the object has \(size) bytes")
      }
      let rest = UInt64(size - start)
      blobRequests.update(handle) {
        $0.position = start
        $0.end = start + Int(length == 0 ? rest : min(length, rest))
      }
      readOn(handle)
    }
  }

  private func readOn(_ handle: nh_handle) {
    while let read = blobRequests[handle] {
      guard let object = blobs.objects[read.name] else { return endMissing(handle, read.name) }
      guard read.position < read.end else {
        let isDamaged = SHA256.hexadecimal(object.bytes) != read.name && read.end == object.bytes.count
        return isDamaged ? end(handle, NH_DATA_LOSS, "the object \(read.name) is damaged") : reply(handle)
      }
      guard read.credit > 0 else { return }
      let piece = Array(object.bytes[read.position..<min(read.end, read.position + Self.readPieceLimit)])
      blobRequests.update(handle) {
        $0.position += piece.count
        $0.credit -= piece.count
      }
      reply(handle, more: true, value: .bytes(piece), number: read.position)
    }
  }

  func creditBlob(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    guard permits("nh_blob_service.credit") else { return NH_FAILED_PRECONDITION }
    guard let read = blobRequests[handle], read.kind == .read else { return missing(handle, "credit") }
    let wasWaiting = read.credit <= 0
    blobRequests.update(handle) { $0.credit += Int(clamping: min(bytes, 1 << 50)) }
    if wasWaiting { later { [unowned self] in readOn(handle) } }
    return NH_OK
  }

  func statBlob(_ name: String, _ token: UInt64) -> nh_handle {
    open("stat", FakeBlobRequest(token: token, kind: .other)) { [unowned self] handle in
      guard let object = blobs.objects[name] else { return endMissing(handle, name) }
      reply(handle, value: .json(object.told(name).description))
    }
  }

  func listBlobs(_ last: String, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    open("list", FakeBlobRequest(token: token, kind: .read)) { [unowned self] handle in
      let names = blobs.objects.keys.sorted().filter { $0 > last }
      for name in names.prefix(limit == 0 ? names.count : Int(clamping: limit)) {
        reply(handle, more: true, value: .json(blobs.objects[name]?.told(name).description ?? "{}"))
      }
      reply(handle)
    }
  }

  func removeBlob(_ name: String, _ token: UInt64) -> nh_handle {
    open("remove", FakeBlobRequest(token: token, kind: .other)) { [unowned self] handle in
      guard blobs.objects.removeValue(forKey: name) != nil else { return endMissing(handle, name) }
      reply(handle)
    }
  }

  func cancelBlob(_ handle: nh_handle) -> nh_status {
    guard permits("nh_blob_service.cancel") else { return NH_FAILED_PRECONDITION }
    guard let request = blobRequests[handle], request.kind != .other else { return missing(handle, "cancel") }
    _ = clock.schedule(after: .zero) { [unowned self] in end(handle, NH_CANCELLED, "it was cancelled") }
    return NH_OK
  }

  // MARK: Replies

  private func missing(_ handle: nh_handle, _ function: String) -> nh_status {
    expectGiven(handle, blobRequests, "nh_blob_service.\(function)")
    return NH_NOT_FOUND
  }

  private func endMissing(_ handle: nh_handle, _ name: String) {
    end(handle, NH_NOT_FOUND, "there is no object \(name)")
  }

  private func endFull(_ handle: nh_handle) { end(handle, NH_RESOURCE_EXHAUSTED, "the disk is full") }

  private func end(_ handle: nh_handle, _ status: nh_status, _ message: String) {
    reply(handle, status: status, message: message)
  }

  private func reply(
    _ handle: nh_handle, more: Bool = false, status: nh_status = NH_OK, message: String = "", value: Value = .nothing,
    number: Int = 0
  ) {
    guard let request = blobRequests[handle] else { return }
    if !more { blobRequests.remove(handle) }
    guard let function = library.table.on_reply else { return breach("a request ended, and the role has no on_reply") }
    value.lend(as: value.widestType) { value in
      message.lend { message in
        var reply = nh_reply(
          struct_size: UInt32(MemoryLayout<nh_reply>.size), revision: 1, request: handle, token: request.token,
          status: status, flags: more ? NH_REPLY_MORE : 0, message: message, key: nh_bytes(ptr: nil, len: 0),
          value: value, revision_number: UInt64(number))
        function(role, &reply)
      }
    }
  }
}

extension FakeBlobs.Object {
  fileprivate func told(_ name: String) -> JSON {
    var object = JSONObject([("sha256", .string(name)), ("size", JSON(bytes.count))])
    if !mediaType.isEmpty { object["media_type"] = .string(mediaType) }
    object["created_ms"] = JSON(created.components.seconds * 1_000)
    object["key"] = key.map { .string($0) }
    return .object(object)
  }
}
