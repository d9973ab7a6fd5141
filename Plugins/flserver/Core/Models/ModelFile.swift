internal import NodeKit

/// A model or an update on the disk: a safetensors file of floats, all of them one after the other behind its header.
struct ModelFile: Equatable {
  /// Of numbers, far from where counting bytes ends.
  static let countLimit: Int64 = 1 << 40

  var object: String
  /// Where the first number is.
  var start: Int
  /// Of numbers.
  var count: Int
  /// Of a model: what trainers can compare sooner than the SHA-256; empty if nobody has made it.
  var tree = ""

  var bytes: Int { start + 4 * count }
}
