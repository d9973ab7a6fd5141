/// A tensor in the buffer of a network's parameters.
package struct ParameterTensor: Sendable, Equatable {
  /// As PyTorch calls it in a `Sequential` of the same layers, such as "0.weight" or "1.running_mean".
  package var name: String
  package var shape: [Int]
  /// In numbers, from the buffer's beginning.
  package var offset: Int
  package var count: Int
  /// Running statistics are sent and averaged like the others, but no optimiser changes them.
  package var isTrained: Bool
  /// The weight of a dense layer or a convolution, which is filled with random numbers at first.
  var isWeight: Bool

  package var range: Range<Int> { offset..<offset + count }
}
