package import NodeValues

/// Rows of numbers with commas between them; a first line that is not all numbers names the columns.
package struct CsvReader {
  package let columns: [String]
  /// One row after the other.
  package let numbers: [Float]
  package let rows: Int

  private static let columnLimit = 1 << 20

  package init(_ bytes: ArraySlice<UInt8>) throws(RoleError) {
    var numbers: [Float] = [], columns: [String] = [], width = 0, line = 0, rows = 0
    var rest = bytes
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      var text = rest[rest.startIndex..<end]
      rest = rest[min(end + 1, rest.endIndex)...]
      line += 1
      if text.last == UInt8(ascii: "\r") { text.removeLast() }
      if text.isEmpty { continue }
      let before = numbers.count
      if let fault = Self.append(text, to: &numbers) {
        guard line == 1 else {
          throw RoleError(.invalidArgument, "column \(fault) is no number", at: "line \(line)")
        }
        numbers.removeSubrange(before...)
        columns = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map(Self.name)
        width = columns.count
        continue
      }
      if width == 0 { width = numbers.count - before }
      guard numbers.count - before == width else {
        throw RoleError(
          .invalidArgument, "\(numbers.count - before) columns where there are \(width) above", at: "line \(line)")
      }
      guard numbers.count <= NumberArray.limit, width <= Self.columnLimit else {
        throw RoleError(
          .resourceExhausted, "more than \(NumberArray.limit) numbers; split the file", at: "line \(line)")
      }
      rows += 1
    }
    guard rows > 0 else { throw RoleError(.invalidArgument, "there is no row of numbers") }
    (self.numbers, self.rows) = (numbers, rows)
    self.columns = columns.isEmpty ? (0..<width).map { "\($0)" } : columns
  }

  private static func name(_ field: ArraySlice<UInt8>) -> String {
    String(decoding: field.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: " ") }, as: UTF8.self)
  }

  /// The number of the first field that is none, from 1; nil if all are.
  private static func append(_ line: ArraySlice<UInt8>, to numbers: inout [Float]) -> Int? {
    var rest = line, column = 1
    while true {
      let end = rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.endIndex
      guard let number = DecimalNumber.float(rest[rest.startIndex..<end]) else { return column }
      numbers.append(number)
      guard end < rest.endIndex else { return nil }
      rest = rest[(end + 1)...]
      column += 1
    }
  }

  /// A data set whose labels are in a column, which is named or, without names, numbered from 0.
  func dataSet(label: String, scale: Float?) throws(RoleError) -> DataSet {
    let (samples, classes) = try table(label: label)
    return try samples.dataSet(classes, scale: scale)
  }

  /// The same, as numbers.
  func table(label: String) throws(RoleError) -> (NumberArray, [Int32]) {
    guard let place = columns.firstIndex(of: label) else {
      let known = columns.prefix(20).joined(separator: ", ")
      throw RoleError(.notFound, "there is no column `\(label)`; there are \(known)\(columns.count > 20 ? " …" : "")")
    }
    guard columns.count > 1 else { throw RoleError(.invalidArgument, "there is no column beside the label's") }
    var samples: [Float] = [], labels: [Float] = []
    samples.reserveCapacity(numbers.count - rows)
    for row in 0..<rows {
      let start = row * columns.count
      labels.append(numbers[start + place])
      samples += numbers[start..<start + place]
      samples += numbers[(start + place + 1)..<(start + columns.count)]
    }
    let classes = try NumberArray(shape: [rows], numbers: labels, areBytes: false).labels()
    return (NumberArray(shape: [rows, columns.count - 1], numbers: samples, areBytes: false), classes)
  }
}

/// Numbers as people and programs write them: the common ones without the detour through a string.
enum DecimalNumber {
  private static let powers: [Double] = (0...22).map { (0..<$0).reduce(1.0) { power, _ in power * 10 } }
  private static let lengthLimit = 64

  static func float(_ text: ArraySlice<UInt8>) -> Float? {
    var digits = text
    while digits.first == UInt8(ascii: " ") { digits.removeFirst() }
    while digits.last == UInt8(ascii: " ") { digits.removeLast() }
    guard !digits.isEmpty, digits.count <= lengthLimit else { return nil }
    if let simple = simple(digits) { return simple }
    return Float(String(decoding: digits, as: UTF8.self))
  }

  /// Up to 15 digits with a point among them: both whole number and power of ten are exact, so one division is.
  private static func simple(_ text: ArraySlice<UInt8>) -> Float? {
    var whole: UInt64 = 0, count = 0, behind: Int?
    let isNegative = text.first == UInt8(ascii: "-")
    for byte in isNegative ? text.dropFirst() : text {
      if byte == UInt8(ascii: "."), behind == nil {
        behind = 0
      } else if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), count < 15 {
        whole = whole * 10 + UInt64(byte - UInt8(ascii: "0"))
        count += 1
        if let places = behind { behind = places + 1 }
      } else {
        return nil
      }
    }
    guard count > 0 else { return nil }
    let value = Float(Double(whole) / powers[behind ?? 0])
    return isNegative ? -value : value
  }
}
