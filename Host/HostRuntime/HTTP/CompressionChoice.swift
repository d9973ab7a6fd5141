import CNodeABI
import HostCore

/// Whether an answer goes through gzip, and what its head says then.
enum CompressionChoice {
  /// It stays as it is.
  case none
  /// It stays as it is for this client; caches are told that others get something else.
  case onlyVaries(MessageHead)
  case gzip(MessageHead)

  /// `least` is the size from which it is worth it; of what is streamed, nobody knows the size.
  static func of(_ response: ResponseHead, to request: ServerExchange, from least: Int) -> CompressionChoice {
    guard isFit(response), !request.isLongLived else { return .none }
    guard (response.length ?? .max) >= least || request.isToHead else { return .none }
    // The answer to HEAD has no body to be compressed.
    guard request.head.acceptsGzip, !request.isToHead else { return .onlyVaries(head(response, isGzip: false)) }
    return .gzip(head(response, isGzip: true))
  }

  private static func isFit(_ response: ResponseHead) -> Bool {
    // A range is one of the bytes as they are.
    guard response.status != 204, response.status != 206, response.status != 304 else { return false }
    var isText = false
    for pair in ResponseHead.pairs(response.headers) {
      switch pair.name.len {
      case 12 where ResponseHead.equals(pair.name, "content-type"):
        isText = Compressible.isType(ResponseHead.bytes(pair.value))
      case 13 where ResponseHead.equals(pair.name, "content-range"): return false
      case 13 where ResponseHead.equals(pair.name, "cache-control"):
        if forbidsChange(pair.value) { return false }
      case 16 where ResponseHead.equals(pair.name, "content-encoding"): return false
      default: break
      }
    }
    return isText
  }

  private static func forbidsChange(_ value: nh_str) -> Bool {
    String(decoding: ResponseHead.bytes(value), as: UTF8.self).lowercased().split(separator: ",").contains {
      $0.drop { $0 == " " }.hasPrefix("no-transform")
    }
  }

  private static func head(_ response: ResponseHead, isGzip: Bool) -> MessageHead {
    let head = MessageHead()
    for pair in ResponseHead.pairs(response.headers) {
      if isGzip, ResponseHead.equals(pair.name, "content-length") || ResponseHead.equals(pair.name, "accept-ranges") {
        continue
      }
      let value = ResponseHead.bytes(pair.value)
      if isGzip, ResponseHead.equals(pair.name, "etag"), value.first == UInt8(ascii: "\"") {
        // Equal in meaning, not in bytes (RFC 9110, 8.8.1).
        head.addField("etag", "W/" + String(decoding: value, as: UTF8.self))
      } else {
        head.addField(ResponseHead.bytes(pair.name), value)
      }
    }
    if isGzip { head.addField("content-encoding", "gzip") }
    head.addField("vary", "accept-encoding")
    return head
  }
}
