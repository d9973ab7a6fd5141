import Glibc

/// What lies behind memory that a plugin is lent.
enum Edge: Sendable {
  /// Zeroes, as it happens to be in most memory: a plugin that reads too far is not found out.
  case slack
  /// The same, in pages of its own, so that it can be forbidden later.
  case mapped
  /// A page that nobody may touch: reading one byte too far crashes.
  case guarded
  /// Bytes that are no address and no text: a newer host's fields, of which nothing is known.
  case poisoned
}

/// Memory of an exact size with a known edge behind it.
final class EdgeMemory {
  /// Room behind the edge; larger than any table is likely to grow.
  static let margin = 256
  private static let poison: UInt8 = 0xA5

  let start: UnsafeMutableRawPointer
  private let mapping: (start: UnsafeMutableRawPointer, size: Int)?

  init(size: Int, edge: Edge) {
    guard edge == .guarded || edge == .mapped else {
      start = .allocate(byteCount: size + Self.margin, alignment: 16)
      start.initializeMemory(as: UInt8.self, repeating: 0, count: size)
      let filling: UInt8 = if case .poisoned = edge { Self.poison } else { 0 }
      (start + size).initializeMemory(as: UInt8.self, repeating: filling, count: Self.margin)
      mapping = nil
      return
    }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let room = (max(size, 1) + page - 1) / page * page
    let block = mmap(nil, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(block != MAP_FAILED, "no memory for a guarded page")
    if edge == .guarded { mprotect(block! + room, page, PROT_NONE) }
    mapping = (block!, room + page)
    start = edge == .guarded ? block! + room - size : block!
  }

  convenience init(_ bytes: some Collection<UInt8>, edge: Edge) {
    self.init(size: bytes.count, edge: edge)
    UnsafeMutableRawBufferPointer(start: start, count: bytes.count).copyBytes(from: bytes)
  }

  /// Whoever touches guarded memory from here on crashes.
  func forbid() {
    if let mapping { mprotect(mapping.start, mapping.size, PROT_NONE) }
  }

  deinit {
    if let mapping { munmap(mapping.start, mapping.size) } else { start.deallocate() }
  }
}
