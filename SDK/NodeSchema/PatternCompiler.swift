/// Reads a regular expression into the steps of a ``Pattern``.
struct PatternCompiler {
  /// `{1000}{1000}` must not fill the memory.
  static let stepLimit = 20_000
  static let nestingLimit = 50

  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var nesting = 0

  static func compile(_ text: String) throws(PatternProblem) -> [Pattern.Step] {
    var compiler = Self(scalars: Array(text.unicodeScalars))
    let steps = try compiler.alternatives()
    if compiler.peek != nil { throw compiler.problem("`)` closes nothing") }
    return steps + [.match]
  }

  private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

  private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek == scalar else { return false }
    position += 1
    return true
  }

  private mutating func next(_ what: String) throws(PatternProblem) -> Unicode.Scalar {
    guard let scalar = peek else { throw problem("it ends before \(what)") }
    position += 1
    return scalar
  }

  private func problem(_ text: String) -> PatternProblem {
    PatternProblem(description: "\(text) (at character \(position + 1))")
  }

  // Steps are relative: every target counts from the step itself's fragment start, so that a fragment can be moved by
  // adding where it lands.

  private mutating func alternatives() throws(PatternProblem) -> [Pattern.Step] {
    var steps = try sequence()
    while take("|") {
      let other = try sequence()
      let first = Self.moved(steps, by: 1)
      let end = first.count + 1 + other.count + 1
      steps = [.fork(1, first.count + 2)] + first + [.jump(end)] + Self.moved(other, by: first.count + 2)
      try checkSize(steps)
    }
    return steps
  }

  private mutating func sequence() throws(PatternProblem) -> [Pattern.Step] {
    var steps: [Pattern.Step] = []
    while let scalar = peek, scalar != "|", scalar != ")" {
      let term = try quantified(try self.term())
      steps += Self.moved(term, by: steps.count)
      try checkSize(steps)
    }
    return steps
  }

  private func checkSize(_ steps: [Pattern.Step]) throws(PatternProblem) {
    if steps.count > Self.stepLimit { throw problem("it is too large once its repetitions are written out") }
  }

  private mutating func term() throws(PatternProblem) -> [Pattern.Step] {
    let scalar = try next("a character")
    switch scalar {
    case "^": return [.textStart]
    case "$": return [.textEnd]
    case ".": return [.character(.anyButLineEnd)]
    case "[": return [.character(try brackets())]
    case "(": return try group()
    case "*", "+", "?": throw problem("`\(scalar)` repeats nothing")
    case "\\":
      if take("b") { return [.wordEdge(true)] }
      if take("B") { return [.wordEdge(false)] }
      return [.character(try escape())]
    default: return [.character(.one(scalar))]
    }
  }

  private mutating func group() throws(PatternProblem) -> [Pattern.Step] {
    if take("?") {
      // (?:…) and (?<name>…): nobody asks what a group matched.
      if take("<"), let first = peek, first != "=", first != "!" {
        while try next("the end of a group's name") != ">" {}
      } else if !take(":") {
        throw problem("look-around is not understood here")
      }
    }
    nesting += 1
    guard nesting <= Self.nestingLimit else { throw problem("groups nest more than \(Self.nestingLimit) deep") }
    let steps = try alternatives()
    guard take(")") else { throw problem("a group is not closed") }
    nesting -= 1
    return steps
  }

  // MARK: Repetition

  private mutating func quantified(_ term: [Pattern.Step]) throws(PatternProblem) -> [Pattern.Step] {
    let least: Int, most: Int?
    if take("*") {
      (least, most) = (0, nil)
    } else if take("+") {
      (least, most) = (1, nil)
    } else if take("?") {
      (least, most) = (0, 1)
    } else if let counts = try counts() {
      (least, most) = counts
    } else {
      return term
    }
    // Whether it takes as little as it can makes no difference to whether it matches.
    _ = take("?")
    return try repeated(term, least, most)
  }

  private func repeated(_ term: [Pattern.Step], _ least: Int, _ most: Int?) throws(PatternProblem) -> [Pattern.Step] {
    let copies = most.map { max($0, 1) } ?? max(least, 1)
    guard copies <= Self.stepLimit, (term.count + 2) * copies <= Self.stepLimit else {
      throw problem("it is too large once its repetitions are written out")
    }
    var steps: [Pattern.Step] = []
    for _ in 0..<least { steps += Self.moved(term, by: steps.count) }
    if let most {
      for _ in least..<most {
        let body = Self.moved(term, by: steps.count + 1)
        steps += [.fork(steps.count + 1, steps.count + 1 + body.count)] + body
      }
    } else {
      let start = steps.count
      steps += [.fork(start + 1, start + term.count + 2)] + Self.moved(term, by: start + 1) + [.jump(start)]
    }
    return steps
  }

  /// `{3}`, `{3,}`, `{3,5}`; anything else in braces is text, as in ECMA-262.
  private mutating func counts() throws(PatternProblem) -> (Int, Int?)? {
    let start = position
    guard take("{"), let least = number() else {
      position = start
      return nil
    }
    var most: Int? = least
    if take(",") { most = number() }
    guard take("}") else {
      position = start
      return nil
    }
    if let most, most < least { throw problem("{\(least),\(most)} counts backwards") }
    return (least, most)
  }

  private mutating func number() -> Int? {
    var digits = ""
    while let scalar = peek, ("0"..."9").contains(scalar), digits.utf8.count < 9 {
      digits.unicodeScalars.append(scalar)
      position += 1
    }
    return Int(digits)
  }

  // MARK: Characters

  private mutating func brackets() throws(PatternProblem) -> CharacterSet {
    let isInverted = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while !take("]") {
      let first = try bracketItem()
      guard peek == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
        ranges += first.plainRanges
        continue
      }
      position += 1
      let last = try bracketItem()
      guard let from = first.single, let to = last.single else {
        throw problem("a range needs a character at each end")
      }
      guard from <= to else { throw problem("a range runs backwards") }
      ranges.append(from...to)
    }
    return CharacterSet(ranges: ranges, isInverted: isInverted)
  }

  private mutating func bracketItem() throws(PatternProblem) -> CharacterSet {
    let scalar = try next("`]`")
    if scalar != "\\" { return .one(scalar) }
    if take("b") { return .one("\u{8}") }
    return try escape()
  }

  private mutating func escape() throws(PatternProblem) -> CharacterSet {
    let scalar = try next("the escaped character")
    switch scalar {
    case "d": return .digit
    case "D": return .digit.inverted
    case "w": return .word
    case "W": return .word.inverted
    case "s": return .space
    case "S": return .space.inverted
    case "t": return .one("\t")
    case "n": return .one("\n")
    case "r": return .one("\r")
    case "f": return .one("\u{C}")
    case "v": return .one("\u{B}")
    case "0": return .one("\0")
    case "x": return .one(try hexadecimal(digits: 2))
    case "u": return .one(try unicode())
    case "1"..."9", "k": throw problem("back-references are not understood here")
    case "p", "P": throw problem("\\p{…} is not understood here")
    case "a"..."z", "A"..."Z": throw problem("`\\\(scalar)` means nothing")
    default: return .one(scalar)
    }
  }

  /// `\u0041`, `\u{1F600}`, or a surrogate pair.
  private mutating func unicode() throws(PatternProblem) -> Unicode.Scalar {
    if take("{") {
      var digits = ""
      while !take("}") { digits.unicodeScalars.append(try next("`}`")) }
      guard let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) else {
        throw problem("\\u{\(digits)} is no character")
      }
      return scalar
    }
    let first = try hexadecimalValue(digits: 4)
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, take("\\"), take("u") else { throw problem("half a surrogate pair is no character") }
    let second = try hexadecimalValue(digits: 4)
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw problem("half a surrogate pair is no character") }
    return scalar
  }

  private mutating func hexadecimal(digits: Int) throws(PatternProblem) -> Unicode.Scalar {
    Unicode.Scalar(UInt8(try hexadecimalValue(digits: digits)))
  }

  private mutating func hexadecimalValue(digits: Int) throws(PatternProblem) -> UInt32 {
    var text = ""
    for _ in 0..<digits { text.unicodeScalars.append(try next("\(digits) hexadecimal digits")) }
    guard let value = UInt32(text, radix: 16), text.utf8.first != UInt8(ascii: "+") else {
      throw problem("\(text) is no hexadecimal number")
    }
    return value
  }

  private static func moved(_ steps: [Pattern.Step], by distance: Int) -> [Pattern.Step] {
    steps.map {
      switch $0 {
      case .fork(let first, let second): .fork(first + distance, second + distance)
      case .jump(let target): .jump(target + distance)
      default: $0
      }
    }
  }
}

extension CharacterSet {
  /// The only character in the set.
  fileprivate var single: UInt32? {
    guard ranges.count == 1, !isInverted, ranges[0].lowerBound == ranges[0].upperBound else { return nil }
    return ranges[0].lowerBound
  }
}
