import CNodeABI
import HostCore

/// A response's head as its author gave it, looked through once: what could break the message is refused, and what is
/// the host's to say is left out.
struct ResponseHead {
  let status: Int
  let headers: nh_pair_list
  /// The length of the whole body, if it is known.
  let length: Int?
  let hasDate: Bool
  let hasServer: Bool
  /// The headers are constants of the host's, in lower case.
  let areOwn: Bool

  static let fieldLimit = 256

  /// Nil if a name or value could not be sent, or the length is not a number or not that of the body. With `areOwn`
  /// they are constants of the host's, which need no look.
  init?(
    _ status: Int, _ headers: nh_pair_list, ends: Bool, bodyCount: Int, isToHead: Bool, areOwn: Bool = false
  ) {
    guard areOwn || Self.areFit(headers) else { return nil }
    self.areOwn = areOwn
    self.status = status
    self.headers = headers
    var given: Int?
    var hasDate = false, hasServer = false
    for pair in Self.pairs(headers) {
      switch pair.name.len {
      case 4 where Self.equals(pair.name, "date"): hasDate = true
      case 6 where Self.equals(pair.name, "server"): hasServer = true
      case 14 where Self.equals(pair.name, "content-length"):
        guard let number = Self.number(pair.value), given == nil || given == number else { return nil }
        given = number
      default: break
      }
    }
    self.hasDate = hasDate
    self.hasServer = hasServer
    // Only where no body follows may the length be that of another answer.
    if let given, ends, given != bodyCount, !isToHead, status != 304 { return nil }
    length = given ?? (ends ? bodyCount : nil)
  }

  /// Whether the host writes this field itself, or it speaks of one connection only.
  static func isTheHosts(_ name: nh_str) -> Bool {
    switch name.len {
    case 7: equals(name, "upgrade") || equals(name, "trailer")
    case 10: equals(name, "connection") || equals(name, "keep-alive")
    case 14: equals(name, "content-length")
    case 16: equals(name, "proxy-connection")
    case 17: equals(name, "transfer-encoding")
    default: false
    }
  }

  static func pairs(_ list: nh_pair_list) -> UnsafeBufferPointer<nh_pair> {
    UnsafeBufferPointer(start: list.items, count: list.items == nil ? 0 : Int(min(list.count, UInt64(fieldLimit))))
  }

  static func areFit(_ list: nh_pair_list) -> Bool {
    guard list.count <= UInt64(fieldLimit) else { return false }
    for pair in pairs(list) {
      guard HTTP1Fields.isName(bytes(pair.name)), HTTP1Fields.isValue(bytes(pair.value)) else { return false }
    }
    return true
  }

  static func bytes(_ text: nh_str) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.ptr, count: text.ptr == nil ? 0 : Int(text.len))
  }

  /// `words` is in lower case, the text may not be.
  static func equals(_ text: nh_str, _ words: StaticString) -> Bool {
    guard Int(text.len) == words.utf8CodeUnitCount, let own = text.ptr else { return false }
    for place in 0..<Int(text.len) {
      let byte = UInt8(bitPattern: own[place])
      if ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) != words.utf8Start[place] { return false }
    }
    return true
  }

  private static func number(_ text: nh_str) -> Int? {
    let digits = bytes(text)
    guard (1...18).contains(digits.count) else { return nil }
    var number = 0
    for byte in digits {
      guard (0x30...0x39).contains(byte) else { return nil }
      number = number * 10 + Int(byte - 0x30)
    }
    return number
  }
}
