internal import CTensors

/// Memory that nobody has touched yet.
public enum NewMemory {
  /// It is about to be filled from one end to the other: large parts of it then come in large pages, which are had
  /// sooner than many small ones.
  public static func willBeFilled(_ room: UnsafeMutableRawBufferPointer) {
    if let start = room.baseAddress { ct_will_fill(start, room.count) }
  }
}
