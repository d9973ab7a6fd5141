package import CNodeABI

/// Collects what the other side writes into a sink.
package final class SinkBuffer {
  /// Larger output is refused: a state or a list of this size is a mistake.
  package static let limit = 64 << 20

  package private(set) var bytes: [UInt8] = []

  package init() {}

  package func lend<R>(_ body: (UnsafePointer<nh_sink>) throws -> R) rethrows -> R {
    let context = Unmanaged.passUnretained(self).toOpaque()
    var sink = nh_sink(
      struct_size: UInt32(MemoryLayout<nh_sink>.size), revision: 1, ctx: context,
      write: { context, piece in
        Unmanaged<SinkBuffer>.fromOpaque(context!).takeUnretainedValue().take(piece)
      })
    return try withUnsafePointer(to: &sink, body)
  }

  private func take(_ piece: nh_bytes) -> nh_status {
    guard UInt64(bytes.count) + piece.len <= UInt64(Self.limit) else { return NH_RESOURCE_EXHAUSTED }
    bytes.append(contentsOf: UnsafeBufferPointer(start: piece.ptr, count: Int(piece.len)))
    return NH_OK
  }
}

extension UnsafePointer<nh_sink> {
  package func write(_ bytes: [UInt8]) -> nh_status {
    bytes.lend { pointee.write(pointee.ctx, $0) }
  }
}
