internal import NodeValues

/// Numbers from a file, with the shape that it gives them.
package struct NumberArray: Sendable, Equatable {
  package var shape: [Int]
  package var numbers: [Float]
  /// Bytes are pixels, from 0 to 255.
  package var areBytes: Bool

  package init(shape: [Int], numbers: [Float], areBytes: Bool) {
    (self.shape, self.numbers, self.areBytes) = (shape, numbers, areBytes)
  }

  /// Of one file. A network's input is smaller by far.
  static let limit = 1 << 30
  private static let rankLimit = 8

  /// How many numbers a shape from outside means.
  static func count(_ shape: [Int]) throws(RoleError) -> Int {
    guard shape.count <= rankLimit else { throw damaged("\(shape.count) dimensions; at most \(rankLimit) are read") }
    var count = 1
    for size in shape {
      // With a zero among them the other sizes are bounded, too: they are a sample's.
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: max(1, size))
      guard size >= 0, !isTooLarge, product <= limit else {
        throw damaged("more than \(limit) numbers; split it into several")
      }
      count = product
    }
    return shape.contains(0) ? 0 : count
  }

  /// As classes, which are whole numbers from 0 on.
  func labels() throws(RoleError) -> [Int32] {
    var labels: [Int32] = []
    labels.reserveCapacity(numbers.count)
    for (place, number) in numbers.enumerated() {
      guard let label = Int32(exactly: number), label >= 0 else {
        throw RoleError(.invalidArgument, "label \(place) is \(number); classes are whole numbers from 0 on")
      }
      labels.append(label)
    }
    return labels
  }

  /// With labels it is a data set: rows, images, or images of several channels.
  func dataSet(_ labels: [Int32], scale: Float?) throws(RoleError) -> DataSet {
    let sizes = shape.dropFirst()
    guard (1...3).contains(sizes.count), sizes.allSatisfy({ $0 > 0 }) else {
      throw RoleError(
        .invalidArgument,
        "samples of shape \(shape); give them as [count, features], [count, rows, columns] or [count, channels, rows, "
          + "columns]")
    }
    let (first, rest) = (sizes.first!, Array(sizes.dropFirst()))
    let sample =
      rest.isEmpty
      ? SampleShape(first) : rest.count == 1 ? SampleShape(1, first, rest[0]) : SampleShape(first, rest[0], rest[1])
    let factor = scale ?? (areBytes ? 1 / 255 : 1)
    let scaled = factor == 1 ? numbers : numbers.map { $0 * factor }
    guard scaled.allSatisfy(\.isFinite) else {
      throw RoleError(.invalidArgument, "a sample holds a number that is not finite; clean the data first")
    }
    return try DataSet(shape: sample, samples: scaled, labels: labels)
  }
}

/// The types of numbers in files.
enum NumberType {
  case unsigned(Int)
  case signed(Int)
  case float(Int)

  var size: Int {
    switch self {
    case .unsigned(let size), .signed(let size), .float(let size): size
    }
  }

  var isByte: Bool {
    if case .unsigned(1) = self { return true }
    return false
  }

  /// As many numbers as there are whole ones in the bytes.
  func numbers(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> [Float] {
    switch self {
    case .unsigned(1): bytes.map { Float($0) }
    case .signed(1): bytes.map { Float(Int8(bitPattern: $0)) }
    case .unsigned(2): Self.read(bytes, UInt16.self, isBigEndian) { Float($0) }
    case .signed(2): Self.read(bytes, UInt16.self, isBigEndian) { Float(Int16(bitPattern: $0)) }
    case .unsigned(4): Self.read(bytes, UInt32.self, isBigEndian) { Float($0) }
    case .signed(4): Self.read(bytes, UInt32.self, isBigEndian) { Float(Int32(bitPattern: $0)) }
    case .unsigned: Self.read(bytes, UInt64.self, isBigEndian) { Float($0) }
    case .signed: Self.read(bytes, UInt64.self, isBigEndian) { Float(Int64(bitPattern: $0)) }
    case .float(4): Self.read(bytes, UInt32.self, isBigEndian) { Float(bitPattern: $0) }
    case .float: Self.read(bytes, UInt64.self, isBigEndian) { Float(Double(bitPattern: $0)) }
    }
  }

  private static func read<Word: FixedWidthInteger>(
    _ bytes: ArraySlice<UInt8>, _ type: Word.Type, _ isBigEndian: Bool, _ number: (Word) -> Float
  ) -> [Float] {
    bytes.withUnsafeBytes { raw in
      (0..<raw.count / MemoryLayout<Word>.size).map { place in
        let word = raw.loadUnaligned(fromByteOffset: place * MemoryLayout<Word>.size, as: Word.self)
        return number(isBigEndian ? Word(bigEndian: word) : Word(littleEndian: word))
      }
    }
  }
}
