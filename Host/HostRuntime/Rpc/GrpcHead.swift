import CNodeABI
import HostCore

/// Fields of gRPC that are the same each time, and those of a role.
enum GrpcHead {
  nonisolated(unsafe) private static let contentType = pair("content-type", "application/grpc")
  /// The head of an answer without metadata.
  nonisolated(unsafe) static let plain = list([contentType, pair("grpc-accept-encoding", "identity,gzip")])
  nonisolated(unsafe) static let gzip = list([
    contentType, pair("grpc-encoding", "gzip"), pair("grpc-accept-encoding", "identity,gzip"),
  ])
  /// The trailers of a call that ended well, without metadata.
  nonisolated(unsafe) static let ok = list([pair("grpc-status", "0")])

  private static func text(_ words: StaticString) -> nh_str {
    nh_str(
      ptr: UnsafeRawPointer(words.utf8Start).assumingMemoryBound(to: CChar.self), len: UInt64(words.utf8CodeUnitCount))
  }

  private static func pair(_ name: StaticString, _ value: StaticString) -> nh_pair {
    nh_pair(name: text(name), value: text(value))
  }

  /// For ever.
  private static func list(_ pairs: [nh_pair]) -> nh_pair_list {
    let room = UnsafeMutableBufferPointer<nh_pair>.allocate(capacity: pairs.count)
    _ = room.initialize(from: pairs)
    return nh_pair_list(items: UnsafePointer(room.baseAddress!), count: UInt64(pairs.count))
  }

  /// "grpc-encoding: gzip" as the first pair is no metadata but the wish that messages be compressed.
  static func withoutWish(_ pairs: nh_pair_list) -> (metadata: nh_pair_list, wishes: Bool) {
    guard let items = pairs.items, pairs.count > 0, ResponseHead.equals(items.pointee.name, "grpc-encoding"),
      ResponseHead.equals(items.pointee.value, "gzip")
    else { return (pairs, false) }
    return (nh_pair_list(items: items + 1, count: pairs.count - 1), true)
  }

  /// Nil if one of them cannot be sent, or is the host's to write.
  static func add(_ metadata: nh_pair_list, to head: MessageHead) -> Bool {
    guard let pairs = UnsafeBufferPointer(metadata.items, metadata.count, limit: ResponseHead.fieldLimit) else {
      return false
    }
    for pair in pairs where !head.addMetadata(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value)) {
      return false
    }
    return true
  }

  /// The head of an answer.
  static func answer(_ metadata: nh_pair_list, compresses: Bool) -> MessageHead? {
    let head = MessageHead(capacity: 256)
    for pair in ResponseHead.pairs(compresses ? gzip : plain) {
      head.addField(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value))
    }
    return add(metadata, to: head) ? head : nil
  }

  /// What ends a call. With `isAlone` it is a head as well.
  static func ending(
    _ status: Int32, _ words: UnsafeRawBufferPointer, _ metadata: nh_pair_list = nh_pair_list(),
    details: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) -> MessageHead? {
    let head = MessageHead(capacity: 256)
    head.addField("grpc-status", "\(status)")
    if !words.isEmpty { head.addField("grpc-message", String(decoding: GrpcText.percentEncoded(words), as: UTF8.self)) }
    if !details.isEmpty {
      let name: StaticString = "grpc-status-details-bin"
      _ = head.addMetadata(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), details)
    }
    return add(metadata, to: head) ? head : nil
  }

  static func ending(_ status: Int32, _ words: String) -> MessageHead {
    var words = words
    return words.withUTF8 { ending(status, UnsafeRawBufferPointer($0)) }!
  }

  /// Ends an exchange before anything else was sent.
  static func refuse(_ exchange: ServerExchange, _ status: Int32, _ words: String) {
    guard exchange.answer == .none else { return exchange.abort() }
    exchange.isLongLived = true
    let head = ending(status, words)
    head.addField("content-type", "application/grpc")
    head.addField("grpc-accept-encoding", "identity,gzip")
    _ = head.withPairs { exchange.respond(200, $0, UnsafeRawBufferPointer(start: nil, count: 0), ends: true) }
  }
}
