/// A regular expression of JSON Schema: ECMA-262 without look-around and back-references.
///
/// All ways through the pattern are followed at once, so that no pattern and no text makes matching slow: the time is
/// at most proportional to the length of the text times that of the pattern.
public struct Pattern: Sendable {
  enum Step: Sendable {
    case character(CharacterSet)
    case textStart
    case textEnd
    case wordEdge(Bool)
    /// Goes on at both.
    case fork(Int, Int)
    case jump(Int)
    case match
  }

  public let text: String
  private let steps: [Step]

  public init(_ text: String) throws(PatternProblem) {
    self.text = text
    steps = try PatternCompiler.compile(text)
  }

  /// Whether the pattern fits any part of a text, as JSON Schema has it: anchors are up to the pattern.
  public func matches(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    var current = Places(count: steps.count), next = Places(count: steps.count)
    for position in 0...scalars.count {
      // A match may begin anywhere.
      if follow(0, scalars, position, &current) { return true }
      guard position < scalars.count else { return false }
      next.removeAll()
      for place in current.list {
        guard case .character(let set) = steps[place], set.contains(scalars[position]) else { continue }
        if follow(place + 1, scalars, position + 1, &next) { return true }
      }
      swap(&current, &next)
    }
    return false
  }

  /// Adds every place that is reached without reading on; true if the end is.
  private func follow(_ start: Int, _ scalars: [Unicode.Scalar], _ position: Int, _ places: inout Places) -> Bool {
    var open = [start]
    while let place = open.popLast() {
      guard places.insert(place) else { continue }
      switch steps[place] {
      case .character: break
      case .match: return true
      case .jump(let target): open.append(target)
      case .fork(let first, let second): open += [second, first]
      case .textStart: if position == 0 { open.append(place + 1) }
      case .textEnd: if position == scalars.count { open.append(place + 1) }
      case .wordEdge(let wanted):
        let before = position > 0 && CharacterSet.word.contains(scalars[position - 1])
        let after = position < scalars.count && CharacterSet.word.contains(scalars[position])
        if (before != after) == wanted { open.append(place + 1) }
      }
    }
    return false
  }

  /// Places in the pattern, each at most once.
  private struct Places {
    private(set) var list: [Int] = []
    private var isIn: [Bool]

    init(count: Int) { isIn = [Bool](repeating: false, count: count) }

    mutating func insert(_ place: Int) -> Bool {
      guard !isIn[place] else { return false }
      isIn[place] = true
      list.append(place)
      return true
    }

    mutating func removeAll() {
      for place in list { isIn[place] = false }
      list.removeAll(keepingCapacity: true)
    }
  }
}

public struct PatternProblem: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String
}

/// What one place of a pattern accepts.
struct CharacterSet: Sendable {
  var ranges: [ClosedRange<UInt32>]
  var isInverted = false

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    ranges.contains { $0.contains(scalar.value) } != isInverted
  }

  /// The same with the inversion worked into the ranges, for use inside brackets.
  var plainRanges: [ClosedRange<UInt32>] {
    guard isInverted else { return ranges }
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = max(next, range.upperBound + 1)
    }
    return result + [next...0x10FFFF]
  }

  static func one(_ scalar: Unicode.Scalar) -> Self { Self(ranges: [scalar.value...scalar.value]) }
  static let digit = Self(ranges: [0x30...0x39])
  static let word = Self(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let space = Self(ranges: [
    0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
    0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ])
  static let anyButLineEnd = Self(ranges: [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029], isInverted: true)

  var inverted: Self { Self(ranges: ranges, isInverted: !isInverted) }
}
