import NodeKit

/// A model that is an account of how it was made: one number for each ticket. The update of a ticket adds 1 to its
/// number and leaves the others as they are, so a model of version v, of n updates a step, has n × v ones and else
/// zeroes. A number that is 2 was counted twice, and a one that a later model has not was lost.
struct Ledger {
  let header: [UInt8]
  private(set) var numbers: [Float]

  /// An empty one, as a safetensors file.
  init(count: Int) {
    var text = #"{"ledger":{"dtype":"F32","shape":[\#(count)],"data_offsets":[0,\#(4 * count)]}}"#
    while text.utf8.count % 8 != 0 { text += " " }
    header = Self.bytes(of: UInt64(text.utf8.count)) + Array(text.utf8)
    numbers = [Float](repeating: 0, count: count)
  }

  init?(_ file: [UInt8]) {
    guard file.count >= 8 else { return nil }
    let length = file.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
    guard length <= UInt64(file.count - 8), (file.count - 8 - Int(length)) % 4 == 0 else { return nil }
    let start = 8 + Int(length)
    header = Array(file[..<start])
    numbers = [Float](unsafeUninitializedCapacity: (file.count - start) / 4) { room, filled in
      filled = room.count
      UnsafeMutableRawBufferPointer(room).copyBytes(from: file[start...])
    }
  }

  var file: [UInt8] { header + numbers.withUnsafeBytes { Array($0) } }

  private static func bytes(of number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  /// False if it has no number of this ticket.
  mutating func count(_ ticket: UInt64) -> Bool {
    guard ticket < UInt64(numbers.count) else { return false }
    numbers[Int(ticket)] += 1
    return true
  }

  /// Something that follows from the seed, and in no two trainers is the same.
  mutating func add(noiseOf seed: UInt64) {
    var state = seed | 1
    for place in numbers.indices {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      numbers[place] += Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
  }

  /// What is wrong with a model of this version; nil: nothing.
  func fault(version: UInt64, updatesPerStep: Int) -> String? {
    if let place = numbers.firstIndex(where: { $0 != 0 && $0 != 1 }) {
      return "in version \(version) the update of ticket \(place) counts \(numbers[place]) times"
    }
    let ones = numbers.reduce(0, +)
    return ones == Float(version) * Float(updatesPerStep)
      ? nil : "version \(version) has \(ones) updates; \(updatesPerStep) make a step"
  }

  /// A ticket that this one has and another not.
  func ticket(missingIn later: Ledger) -> Int? {
    zip(numbers, later.numbers).enumerated().first { $1.0 > $1.1 }?.offset
  }
}
