import Glibc
import HostCore

/// Messages for one role, one behind the other in one piece of memory: what waits in its inbox, and what a link gathers
/// for it so that the inbox is locked once for many.
struct PeerBatch: ~Copyable {
  /// Before each: what it is, who sent it, and the lengths of the role's name and of the payload behind it.
  private struct Record: BitwiseCopyable {
    var payload: UInt32
    var node: UInt32
    var channel: UInt32
    var kind: UInt8
    var name: UInt8
    var reserved: UInt16 = 0
  }

  private var records = ByteQueue()
  private(set) var messages = 0

  var bytes: Int { records.count }
  var isEmpty: Bool { messages == 0 }

  @inline(__always)
  mutating func add(_ kind: PeerInbox.Kind, node: UInt32, _ message: PeerMessage) {
    let name = message.from.count, payload = message.payload.count
    let size = MemoryLayout<Record>.size + name + payload
    records.append(upTo: size) { room in
      let record = Record(
        payload: UInt32(payload), node: node, channel: message.channel, kind: kind.rawValue, name: UInt8(name))
      room.storeBytes(of: record, as: Record.self)
      if name > 0 { memcpy(room + MemoryLayout<Record>.size, message.from.baseAddress!, name) }
      if payload > 0 { memcpy(room + MemoryLayout<Record>.size + name, message.payload.baseAddress!, payload) }
      return size
    }
    messages += 1
  }

  /// Takes what is in the other, behind what is here already.
  mutating func take(_ other: inout PeerBatch) {
    if isEmpty { return swap(&self, &other) }
    records.append(UnsafeRawBufferPointer(other.records.bytes))
    messages += other.messages
    other.removeAll()
  }

  mutating func removeAll() {
    records.removeAll()
    messages = 0
    if records.isLarge { records.shrink() }
  }

  /// Shows each in its order; what is shown is valid during the call.
  @inline(__always)
  func forEach(_ body: (PeerInbox.Kind, UInt32, PeerMessage) -> Void) {
    let all = UnsafeRawBufferPointer(records.bytes)
    var place = 0
    while place < all.count {
      let record = all.loadUnaligned(fromByteOffset: place, as: Record.self)
      let name = place + MemoryLayout<Record>.size, payload = name + Int(record.name)
      place = payload + Int(record.payload)
      let none = UnsafeRawBufferPointer(start: nil, count: 0)
      let message = PeerMessage(
        record.channel, from: UnsafeRawBufferPointer(rebasing: all[name..<payload]), to: none,
        UnsafeRawBufferPointer(rebasing: all[payload..<place]))
      body(PeerInbox.Kind(rawValue: record.kind)!, record.node, message)
    }
  }
}
