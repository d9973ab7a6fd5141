import CNodeABI
import NodeValues

/// Lends values to a plugin for the length of a call, each with the edge that is wanted behind it.
struct Lender {
  let edge: Edge

  func text<R>(_ text: String, _ body: (nh_str) -> R) -> R {
    memory(Array(text.utf8)) { start, count in
      body(nh_str(ptr: start?.assumingMemoryBound(to: CChar.self), len: UInt64(count)))
    }
  }

  func json<R>(_ text: String, _ body: (nh_json) -> R) -> R {
    self.text(text) { body(nh_json(ptr: $0.ptr, len: $0.len)) }
  }

  func bytes<R>(_ bytes: [UInt8], _ body: (nh_bytes) -> R) -> R {
    memory(bytes) { start, count in
      body(nh_bytes(ptr: start?.assumingMemoryBound(to: UInt8.self), len: UInt64(count)))
    }
  }

  private func memory<R>(_ bytes: [UInt8], _ body: (UnsafeRawPointer?, Int) -> R) -> R {
    // Empty text may have no address, and a plugin must be ready for that.
    guard !bytes.isEmpty else { return body(nil, 0) }
    let memory = EdgeMemory(bytes, edge: edge)
    return withExtendedLifetime(memory) { body(UnsafeRawPointer(memory.start), bytes.count) }
  }

  func texts<R>(_ texts: [String], _ body: ([nh_str]) -> R) -> R {
    let kept = texts.map { EdgeMemory($0.utf8, edge: edge) }
    let lent = zip(texts, kept).map { text, memory in
      nh_str(ptr: memory.start.assumingMemoryBound(to: CChar.self), len: UInt64(text.utf8.count))
    }
    return withExtendedLifetime(kept) { body(lent) }
  }

  func pairs<R>(_ pairs: [(String, String)], _ body: (nh_pair_list) -> R) -> R {
    guard !pairs.isEmpty else { return body(nh_pair_list(items: nil, count: 0)) }
    return texts(pairs.flatMap { [$0.0, $0.1] }) { texts in
      let list = EdgeMemory(size: pairs.count * MemoryLayout<nh_pair>.stride, edge: edge)
      let items = list.start.bindMemory(to: nh_pair.self, capacity: pairs.count)
      for place in pairs.indices { items[place] = nh_pair(name: texts[2 * place], value: texts[2 * place + 1]) }
      return withExtendedLifetime(list) { body(nh_pair_list(items: items, count: UInt64(pairs.count))) }
    }
  }

  /// A struct of the ABI.
  func structure<T: BitwiseCopyable, R>(_ value: T, _ body: (UnsafeMutablePointer<T>) -> R) -> R {
    let memory = EdgeMemory(size: MemoryLayout<T>.size, edge: edge)
    let pointer = memory.start.bindMemory(to: T.self, capacity: 1)
    pointer.initialize(to: value)
    return withExtendedLifetime(memory) { body(pointer) }
  }

  /// One slot for each value, and the text and bytes that they borrow.
  func slots<R>(_ values: [Value], _ body: (UnsafePointer<nh_slot>?) -> R) -> R {
    guard !values.isEmpty else { return body(nil) }
    var kept: [EdgeMemory] = []
    let list = EdgeMemory(size: values.count * MemoryLayout<nh_slot>.stride, edge: edge)
    let slots = list.start.bindMemory(to: nh_slot.self, capacity: values.count)
    for (place, value) in values.enumerated() { slots[place] = slot(value, &kept) }
    return withExtendedLifetime((list, kept)) { body(UnsafePointer(slots)) }
  }

  private func slot(_ value: Value, _ kept: inout [EdgeMemory]) -> nh_slot {
    switch value {
    case .nothing: nh_slot(lo: 0, hi: 0)
    case .int(let number): nh_slot(lo: UInt64(bitPattern: number), hi: 0)
    case .unsigned(let number): nh_slot(lo: number, hi: 0)
    case .double(let number): nh_slot(lo: number.bitPattern, hi: 0)
    case .bool(let truth): nh_slot(lo: truth ? 1 : 0, hi: 0)
    case .text(let text), .json(let text): slot(Array(text.utf8), &kept)
    case .bytes(let bytes): slot(bytes, &kept)
    }
  }

  private func slot(_ bytes: [UInt8], _ kept: inout [EdgeMemory]) -> nh_slot {
    guard !bytes.isEmpty else { return nh_slot(lo: 0, hi: 0) }
    let memory = EdgeMemory(bytes, edge: edge)
    kept.append(memory)
    return nh_slot(lo: UInt64(UInt(bitPattern: memory.start)), hi: UInt64(bytes.count))
  }
}
