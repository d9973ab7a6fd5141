internal import CZstd

/// Bytes made smaller by zstd, with the length of the whole in front as zstd writes it.
public enum Compression {
  /// - Parameter level: 1 is fast; 3 is zstd's own choice.
  public static func compress(_ bytes: [UInt8], level: Int = 1) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { room, filled in
      let size = ZSTD_compress(room.baseAddress, room.count, bytes, bytes.count, Int32(level))
      precondition(ZSTD_isError(size) == 0, "zstd has room enough and fails")
      filled = size
    }
  }

  /// - Parameter limit: the most bytes that it may become; so many are never asked for on the word of a sender.
  public static func expand(_ bytes: [UInt8], limit: Int) throws(TensorError) -> [UInt8] {
    let size = ZSTD_getFrameContentSize(bytes, bytes.count)
    guard size < UInt64.max - 1 else { throw TensorError("what is compressed does not say how long it was") }
    guard size <= UInt64(limit) else {
      throw TensorError("what is compressed has \(size) bytes; \(limit) are the most")
    }
    var problem: String?
    let whole = [UInt8](unsafeUninitializedCapacity: Int(size)) { room, filled in
      let found = ZSTD_decompress(room.baseAddress, room.count, bytes, bytes.count)
      if ZSTD_isError(found) != 0 { problem = String(cString: ZSTD_getErrorName(found)) }
      filled = problem == nil ? found : 0
    }
    if let problem { throw TensorError("what is compressed cannot be read: \(problem)") }
    guard whole.count == Int(size) else { throw TensorError("what is compressed is shorter than it says") }
    return whole
  }
}
