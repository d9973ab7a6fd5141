/// What the fuzzer tries: an update of a small model in the form that the first byte says, as it comes from a client,
/// and the sum of what is taken. Stops the process on what should never be.
package func fuzzTensors(_ bytes: [UInt8]) {
  guard let layout = try? TensorLayout([("w", [4, 3]), ("b", [3]), ("s", [])]), let choice = bytes.first else { return }
  let form = fuzzedForms[Int(choice) % fuzzedForms.count], content = Array(bytes.dropFirst())
  let decoder = UpdateDecoder(layout, limit: 1 << 16), base = Weights(layout)
  if let file = try? Safetensors(content) {
    for entry in file.entries { file.withBytes(of: entry) { precondition($0.count == entry.count * entry.type.size) } }
    if let weights = try? Weights(file) { precondition(weights.layout.count <= content.count) }
  }
  guard let weights = try? decoder.decode(content, form, base: base) else { return }
  precondition(weights.largest.isFinite && weights.layout == layout)
  var sum = WeightedSum(count: layout.count, weightLimit: 100)
  guard (try? sum.add([.init(weights.buffer.base, weight: 7)])) != nil else { return }
  sum.mean(into: base.buffer.base)
  precondition(base.largest <= WeightedSum.valueLimit)
}

private let fuzzedForms = ["f32", "f16", "bf16", "int8", "f32+delta", "f16+top0.5", "int8+top0.2", "f32+zstd3"]
  .compactMap { try? UpdateForm($0) }
