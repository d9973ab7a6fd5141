/// Reads the bytes as a data set of every format, and those that are text as rows too. Must never trap, read past the
/// end or take much memory.
package func fuzzDataSets(_ bytes: [UInt8]) {
  if let file = try? NpzReader(bytes[...]) {
    for name in file.names.prefix(8) { use(try? file.array(name)) }
  }
  use(try? NumberArray(npy: bytes[...]))
  use(try? NumberArray(idx: bytes[...]))
  if let table = try? CsvReader(bytes[...]) {
    precondition(table.numbers.count == table.rows * table.columns.count, "rows of other lengths")
    if let last = table.columns.last { _ = try? table.dataSet(label: last, scale: nil) }
  }
}

private func use(_ array: NumberArray?) {
  guard let array else { return }
  precondition(array.shape.reduce(1, *) == array.numbers.count, "a shape that is not the numbers'")
  // A shape with a zero in it holds nothing, however large its other sizes are.
  let labels = [Int32](repeating: 0, count: min(array.shape.first ?? 0, array.numbers.count))
  if let set = try? array.dataSet(labels, scale: nil) {
    precondition(set.samples.count == set.count * set.shape.features, "samples of another shape")
  }
  _ = try? array.labels()
}
