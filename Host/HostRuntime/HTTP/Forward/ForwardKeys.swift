import HostCore
import NodeValues

/// What a forward table looks for in a request.
enum ForwardKeys {
  static func fits(_ rule: ForwardTable.Rule, _ head: MessageHead) -> Bool {
    for field in head.fields where equals(head.bytes(field.name), rule.header) {
      switch rule.value {
      case .any: return true
      case .exact(let text): if equals(head.bytes(field.value), text) { return true }
      case .prefix(let text): if begins(head.bytes(field.value), text) { return true }
      }
    }
    return false
  }

  /// The hash of what a client is known by; nil if the request has nothing of it.
  static func key(_ sticky: ForwardTable.Sticky, _ exchange: ServerExchange) -> UInt64? {
    let head = exchange.head
    switch sticky {
    case .source: return StickyHash.key(exchange.remote.host)
    case .header(let name):
      for field in head.fields where equals(head.bytes(field.name), name) {
        return StickyHash.key(head.bytes(field.value))
      }
    case .cookie(let name):
      for field in head.fields where head.equals(field.name, "cookie") {
        if let value = cookie(name, in: head.bytes(field.value)) { return StickyHash.key(value) }
      }
    }
    return nil
  }

  /// "a=1; session=2".
  private static func cookie(_ name: String, in list: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var start = 0
    while start < list.count {
      var end = start
      while end < list.count, list[end] != UInt8(ascii: ";") { end += 1 }
      let pair = UnsafeRawBufferPointer(rebasing: list[start..<end])
      let count = name.utf8.count
      if pair.count > count, pair[count] == UInt8(ascii: "="), begins(pair, name) {
        return UnsafeRawBufferPointer(rebasing: pair[(count + 1)...])
      }
      start = end + 1
      while start < list.count, list[start] == 0x20 { start += 1 }
    }
    return nil
  }

  static func equals(_ bytes: UnsafeRawBufferPointer, _ text: String) -> Bool {
    bytes.count == text.utf8.count && begins(bytes, text)
  }

  private static func begins(_ bytes: UnsafeRawBufferPointer, _ text: String) -> Bool {
    guard bytes.count >= text.utf8.count else { return false }
    var place = 0
    for byte in text.utf8 {
      if bytes[place] != byte { return false }
      place += 1
    }
    return true
  }
}
