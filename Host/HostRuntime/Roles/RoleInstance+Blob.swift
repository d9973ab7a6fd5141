import CNodeABI
import HostCore
import NodeValues

/// A request of a role about objects.
struct OpenBlob {
  var token: UInt64
  var request: any BlobRequest
}

/// The blob service, as one role sees it.
extension RoleInstance {
  static let blobLimit = 1024
  /// Each may hold `BlobUpload.unwrittenLimit` in memory and an open file.
  static let uploadLimit = 256
  static let uploadNameLimit = 1024

  // MARK: Uploads

  func beginBlob(_ upload: nh_str, _ options: nh_json, _ token: UInt64) -> nh_handle {
    let uploads = blobs.elements.count { $0.element.request is BlobUpload }
    guard permits([.starting, .running], "blob.begin"), uploads < Self.uploadLimit else { return 0 }
    return openBlob(token) { store, tell throws(BlobFailure) in
      let name = String(upload)
      guard (1...Self.uploadNameLimit).contains(name.utf8.count) else {
        throw BlobFailure(NH_INVALID_ARGUMENT, "an upload's name has 1 to \(Self.uploadNameLimit) bytes")
      }
      let known: BlobOptions
      do throws(BlobOptions.Problem) { known = try BlobOptions(String(options)) } catch {
        throw BlobFailure(NH_INVALID_ARGUMENT, error.message)
      }
      let upload = BlobUpload(name, known, store, node.blobs, tell)
      upload.begin()
      return upload
    }
  }

  private func upload(_ handle: nh_handle) -> BlobUpload? { blobs[handle]?.request as? BlobUpload }

  func writeBlob(_ handle: nh_handle, _ offset: UInt64, _ piece: nh_bytes) -> nh_status {
    guard permits([.running], "blob.write") else { return NH_FAILED_PRECONDITION }
    guard let upload = upload(handle) else { return NH_NOT_FOUND }
    guard let bytes = UnsafeBufferPointer(piece.ptr, piece.len, limit: BlobUpload.pieceLimit) else {
      return NH_INVALID_ARGUMENT
    }
    return upload.write(offset, UnsafeRawBufferPointer(bytes))
  }

  func finishBlob(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "blob.finish") else { return NH_FAILED_PRECONDITION }
    guard let upload = upload(handle) else { return NH_NOT_FOUND }
    return upload.finish() ? NH_OK : NH_FAILED_PRECONDITION
  }

  func abandonBlob(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "blob.abandon") else { return NH_FAILED_PRECONDITION }
    guard let upload = upload(handle) else { return NH_NOT_FOUND }
    upload.abandon()
    closeBlob(handle)
    return NH_OK
  }

  // MARK: Objects

  func readBlob(_ name: nh_str, _ offset: UInt64, _ length: UInt64, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "blob.read") else { return 0 }
    return openBlob(token) { store, tell throws(BlobFailure) in
      let reading = BlobReading(try Self.blobName(name), offset, length, store, node.blobs, tell)
      reading.begin()
      return reading
    }
  }

  func creditBlob(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    guard permits([.running], "blob.credit") else { return NH_FAILED_PRECONDITION }
    guard let reading = blobs[handle]?.request as? BlobReading else { return NH_NOT_FOUND }
    reading.credit(bytes)
    return NH_OK
  }

  func statBlob(_ name: nh_str, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "blob.stat") else { return 0 }
    return askBlob(name, token) { store, name throws(BlobFailure) in .told(try store.told(name)) }
  }

  func removeBlob(_ name: nh_str, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "blob.remove") else { return 0 }
    return askBlob(name, token) { store, name throws(BlobFailure) in
      try store.remove(name)
      return .ended
    }
  }

  func listBlobs(_ last: nh_str, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "blob.list") else { return 0 }
    return openBlob(token) { store, tell throws(BlobFailure) in
      let listing = BlobListing(after: String(last), limit: limit, store, node.blobs, tell)
      listing.goOn()
      return listing
    }
  }

  /// A read or list ends; an upload is let go of, and its bytes stay for whoever begins it again.
  func cancelBlob(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "blob.cancel") else { return NH_FAILED_PRECONDITION }
    guard let open = blobs[handle], !(open.request is BlobQuestion) else { return NH_NOT_FOUND }
    // First, so that nothing of the request comes behind it.
    comeBack(handle, .failed(BlobFailure(NH_CANCELLED, "cancelled")))
    open.request.letGo()
    return NH_OK
  }

  // MARK: Requests and replies

  private static func blobName(_ text: nh_str) throws(BlobFailure) -> BlobName {
    guard let name = BlobName(String(text)) else {
      throw BlobFailure(NH_INVALID_ARGUMENT, "an object's name is its SHA-256 in 64 small hexadecimal digits")
    }
    return name
  }

  private func askBlob(
    _ name: nh_str, _ token: UInt64,
    _ question: @escaping @Sendable (BlobStore, BlobName) throws(BlobFailure) -> BlobNews
  ) -> nh_handle {
    openBlob(token) { store, tell throws(BlobFailure) in
      let name = try Self.blobName(name)
      node.blobs.pool.submit(for: store) {
        do throws(BlobFailure) { tell(try question(store, name)) } catch { tell(.failed(error)) }
      }
      return BlobQuestion()
    }
  }

  /// What cannot even begin fails as all else does, by a reply.
  private func openBlob(
    _ token: UInt64, _ begin: (BlobStore, @escaping BlobTeller) throws(BlobFailure) -> any BlobRequest
  ) -> nh_handle {
    guard let handle = blobs.insert(OpenBlob(token: token, request: BlobQuestion())) else { return 0 }
    do throws(BlobFailure) {
      guard let store = node.blobs.store(of: name) else {
        throw BlobFailure(NH_UNAVAILABLE, "this host has no state folder to keep objects in")
      }
      blobs[handle]?.request = try begin(store) { [self] in comeBack(handle, $0) }
    } catch {
      comeBack(handle, .failed(error))
    }
    return handle
  }

  /// Any thread.
  private func comeBack(_ handle: UInt64, _ news: BlobNews) {
    loop.post { [self] in seat.pass(.quieting) { [self] in tellBlob(handle, news) } }
  }

  private func tellBlob(_ handle: UInt64, _ news: BlobNews) {
    guard let open = blobs[handle] else { return }
    if news.isLast { blobs.remove(handle) }
    defer { if news.isLast { tellIfQuiet() } }
    var reply = nh_reply()
    reply.struct_size = UInt32(MemoryLayout<nh_reply>.size)
    reply.revision = NH_ABI_REVISION
    reply.request = handle
    reply.token = open.token
    reply.flags = news.isLast ? 0 : NH_REPLY_MORE
    reply.value.letter = UInt32(ValueType.nothing.rawValue)
    switch news {
    case .ready(let durable):
      (open.request as? BlobUpload)?.becameReady(at: durable)
      reply.revision_number = durable
      deliverReply(&reply)
    case .finished(let record, let isDuplicate):
      let told: JSON = [
        "sha256": .string(record.name.text), "size": JSON(record.size), "duplicate": .bool(isDuplicate),
      ]
      reply.revision_number = record.size
      deliver(told, &reply)
    case .piece(let buffer, let range, let offset):
      reply.revision_number = offset
      deliver(buffer, range, &reply)
    case .items(let items): deliver(items, handle, reply)
    case .told(let json): deliver(json, &reply)
    case .ended: deliverReply(&reply)
    case .failed(let failure):
      reply.status = failure.status
      BorrowedText.with(failure.message) { text in
        reply.message = text
        deliverReply(&reply)
      }
    }
  }

  private func deliver(_ json: JSON, _ reply: inout nh_reply) {
    let packed = PackedValues([.json(json.description)])
    reply.value = nh_value(letter: UInt32(ValueType.json.rawValue), reserved: 0, slot: packed.slots[0])
    withExtendedLifetime(packed) { deliverReply(&reply) }
  }

  /// The role sees the very memory that the disk's bytes were put into.
  private func deliver(_ buffer: BlobBuffer, _ range: Range<Int>, _ reply: inout nh_reply) {
    let start = UInt64(UInt(bitPattern: buffer.content.baseAddress)) + UInt64(range.lowerBound)
    reply.value = nh_value(
      letter: UInt32(ValueType.bytes.rawValue), reserved: 0, slot: nh_slot(lo: start, hi: UInt64(range.count)))
    withExtendedLifetime(buffer) { deliverReply(&reply) }
    node.blobs.buffers.give([buffer])
  }

  private func deliver(_ items: [JSON], _ handle: UInt64, _ reply: nh_reply) {
    for item in items where blobs[handle] != nil {
      var reply = reply
      deliver(item, &reply)
    }
    (blobs[handle]?.request as? BlobListing)?.goOn()
  }

  private func closeBlob(_ handle: UInt64) {
    if blobs.remove(handle) != nil { tellIfQuiet() }
  }

  /// A swap waits no longer, or the role ends. Uploads stay on the disk.
  func cutBlobsShort() {
    for (handle, open) in blobs.elements {
      open.request.letGo()
      tellBlob(handle, .failed(BlobFailure(NH_UNAVAILABLE, "\(name) is being swapped; begin it again")))
    }
  }

  func endBlobs() { for (_, open) in blobs.removeAll() { open.request.letGo() } }
}
