internal import NodeValues

/// The members of an object, each of which is taken once; what is left at the end is a mistake.
struct ModelFields {
  let place: String
  private var left: JSONObject
  private var known: [String] = []

  init(_ json: JSON, at place: String, _ expected: String) throws(RoleError) {
    guard let object = json.object else { throw wrong("expected \(expected), not \(json.kind)", place) }
    (self.place, left) = (place, object)
  }

  mutating func take(_ name: String) -> JSON? {
    known.append(name)
    defer { left[name] = nil }
    return left[name]
  }

  mutating func required(_ name: String, _ example: String) throws(RoleError) -> JSON {
    guard let value = take(name) else { throw wrong("\(name) is missing; write `\(example)`", place) }
    return value
  }

  mutating func number(_ name: String, _ range: ClosedRange<Int>, _ standard: Int?) throws(RoleError) -> Int {
    guard let value = take(name) else {
      guard let standard else { throw wrong("\(name) is missing; write `\(name): \(max(1, range.lowerBound))`", place) }
      return standard
    }
    return try whole(value, range, "\(place)/\(name)")
  }

  mutating func size(_ name: String) throws(RoleError) -> Int { try number(name, 1...(1 << 20), nil) }

  mutating func window(_ name: String, _ standard: Int? = nil) throws(RoleError) -> Int {
    try number(name, 1...11, standard)
  }

  mutating func fraction(_ name: String, _ standard: Float?, _ range: ClosedRange<Double>) throws(RoleError) -> Float {
    guard let value = take(name) else {
      guard let standard else { throw wrong("\(name) is missing; write `\(name): 0.5`", place) }
      return standard
    }
    guard let number = value.double, range.contains(number) else {
      throw wrong("expected a number from \(range.lowerBound) to \(range.upperBound)", "\(place)/\(name)")
    }
    return Float(number)
  }

  mutating func optionalNumber(_ name: String) throws(RoleError) -> Float? {
    guard let value = take(name) else { return nil }
    guard let number = value.double, number.isFinite else { throw wrong("expected a number", "\(place)/\(name)") }
    return Float(number)
  }

  mutating func text(_ name: String, _ standard: String?) throws(RoleError) -> String {
    guard let value = take(name) ?? standard.map({ .string($0) }) else {
      throw wrong("\(name) is missing; write `\(name): …`", place)
    }
    guard let text = value.string, !text.isEmpty else {
      throw wrong("expected text, not \(value.kind)", "\(place)/\(name)")
    }
    return text
  }

  /// Names, each of them once; none if left out.
  mutating func texts(_ name: String) throws(RoleError) -> [String] {
    guard let value = take(name) else { return [] }
    let texts = (value.array ?? []).compactMap(\.string)
    guard let items = value.array, texts.count == items.count, !texts.contains(""), Set(texts).count == texts.count
    else { throw wrong("expected a list of names, each once", "\(place)/\(name)") }
    return texts
  }

  mutating func truth(_ name: String, _ standard: Bool) throws(RoleError) -> Bool {
    guard let value = take(name) else { return standard }
    guard let truth = value.bool else { throw wrong("expected true or false, not \(value.kind)", "\(place)/\(name)") }
    return truth
  }

  mutating func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, _ standard: Choice
  ) throws(RoleError) -> Choice where Choice.RawValue == String {
    guard let value = take(name) else { return standard }
    guard let word = value.string, let choice = Choice(rawValue: word) else {
      let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw wrong("expected one of \(words)", "\(place)/\(name)")
    }
    return choice
  }

  func end() throws(RoleError) {
    guard let member = left.members.first else { return }
    let words = known.isEmpty ? "it has none" : "known are \(known.joined(separator: ", "))"
    throw wrong("there is no setting `\(member.key)`; \(words)", "\(place)/\(member.key)")
  }
}
