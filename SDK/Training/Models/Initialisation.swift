/// The parameters that a model begins with. Uniform numbers and a square root are exact, so they are the same bits on
/// each machine, which a normal distribution's logarithms would not be.
extension ModelDescription {
  /// He and others, "Delving deep into rectifiers" (2015), section 2.2; Glorot and Bengio, "Understanding the
  /// difficulty of training deep feedforward neural networks" (2010), section 4.2.
  func fill(_ parameters: UnsafeMutableBufferPointer<Float>, _ tensors: [ParameterTensor], seed: UInt64) {
    for (index, tensor) in tensors.enumerated() where tensor.shape.count >= 2 && tensor.isWeight {
      let outputs = tensor.shape[0], place = tensor.shape.dropFirst(2).reduce(1, *)
      let reaching = tensor.count / outputs
      let weighed = initialisation == .he ? Float(reaching) : Float(reaching + outputs * place)
      let bound = (6 / weighed).squareRoot()
      var numbers = SeededNumbers(seed: seed, stream: UInt64(index))
      for at in tensor.range { parameters[at] = (2 * numbers.fraction() - 1) * bound }
    }
  }
}
