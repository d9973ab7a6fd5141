/// Many floats side by side, at an address that vector instructions like. Not copied when it is handed on, so only one
/// thread at a time may use it: who gives it to a job of the CPU pool does not touch it until the job is done.
public final class FloatBuffer: @unchecked Sendable {
  public let count: Int
  /// There as long as somebody holds the buffer: whose last use of it this is, wraps that in `withExtendedLifetime`.
  public let base: UnsafeMutablePointer<Float>
  /// Whose memory it is; nil: its own.
  private let owner: AnyObject?

  /// Zeroes.
  public init(count: Int) {
    self.count = count
    owner = nil
    base = .allocate(aligned: max(1, count))
    base.initialize(repeating: 0, count: count)
  }

  /// Numbers that nobody knows, for who writes all of them.
  public init(unwritten count: Int) {
    self.count = count
    owner = nil
    base = .allocate(aligned: max(1, count))
  }

  /// Memory that is there as long as its owner is.
  public init(_ memory: UnsafeMutableBufferPointer<Float>, of owner: AnyObject) {
    (count, base, self.owner) = (memory.count, memory.baseAddress!, owner)
  }

  public convenience init(_ values: some Collection<Float>) {
    self.init(count: values.count)
    for (place, value) in values.enumerated() { base[place] = value }
  }

  public convenience init(copying other: FloatBuffer) {
    self.init(count: other.count)
    base.update(from: other.base, count: count)
  }

  deinit { if owner == nil { UnsafeMutableRawPointer(base).deallocate() } }

  public subscript(place: Int) -> Float {
    get {
      precondition(place >= 0 && place < count)
      return base[place]
    }
    set {
      precondition(place >= 0 && place < count)
      base[place] = newValue
    }
  }

  public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }

  public func withBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) {
      try body(UnsafeMutableRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride))
    }
  }
}

extension UnsafeMutablePointer<Float> {
  fileprivate static func allocate(aligned count: Int) -> UnsafeMutablePointer {
    let room = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
    NewMemory.willBeFilled(UnsafeMutableRawBufferPointer(start: room, count: count * MemoryLayout<Float>.stride))
    return room.bindMemory(to: Float.self, capacity: count)
  }
}
