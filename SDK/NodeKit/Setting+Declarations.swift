// The ways to declare a setting. Each comes twice, with a default and without.

extension SettingForm where Value: SettingValue {
  init(_ doc: String) {
    self.init(
      doc: doc, isOptional: Value.isOptional, schema: Value.schema, decode: Value.init(setting:at:),
      encode: \.setting, hidesDefault: Value.self == Secret.self)
  }
}

extension Setting where Value: SettingValue {
  public init(wrappedValue: Value, _ doc: String) { self.init(wrappedValue, SettingForm(doc)) }
  public init(_ doc: String) { self.init(Self.absent, SettingForm(doc)) }

  /// An optional without a default is nil, all else is missing until the manifest gives it.
  fileprivate static var absent: Value? { Value.isOptional ? try? Value(setting: .null, at: "") : nil }
}

// MARK: Numbers in a range

extension SettingForm where Value: SettingNumber {
  init(_ doc: String, in range: ClosedRange<Value>) {
    self.init(doc)
    limits = [("minimum", range.lowerBound.number), ("maximum", range.upperBound.number)]
    fault = {
      range.contains($0) ? nil : "\($0.number) is not from \(range.lowerBound.number) to \(range.upperBound.number)"
    }
  }
}

extension Setting where Value: SettingNumber {
  public init(wrappedValue: Value, _ doc: String, in range: ClosedRange<Value>) {
    self.init(wrappedValue, SettingForm(doc, in: range))
  }
  public init(_ doc: String, in range: ClosedRange<Value>) { self.init(nil, SettingForm(doc, in: range)) }
}

extension Setting {
  /// A number that may be missing.
  public init<Number: SettingNumber>(_ doc: String, in range: ClosedRange<Number>) where Value == Number? {
    var form = SettingForm<Number?>(doc)
    let number = SettingForm<Number>(doc, in: range)
    form.limits = number.limits
    form.fault = { $0.flatMap(number.fault) }
    self.init(.some(nil), form)
  }

  public init<Number: SettingNumber>(wrappedValue: Number?, _ doc: String, in range: ClosedRange<Number>)
  where Value == Number? {
    self.init(doc, in: range)
    self.wrappedValue = wrappedValue
  }
}

// MARK: Text

extension SettingForm where Value == String {
  init(_ doc: String, length: ClosedRange<Int>?, pattern: String?, choices: [String]?) {
    self.init(doc)
    if let length { limits += [("minLength", JSON(length.lowerBound)), ("maxLength", JSON(length.upperBound))] }
    if let pattern { limits.append(("pattern", .string(pattern))) }
    if let choices { limits.append(("enum", .array(choices.map { .string($0) }))) }
    fault = { text in
      if let length, !length.contains(text.unicodeScalars.count) {
        return "\"\(text)\" is not \(length.lowerBound) to \(length.upperBound) characters long"
      }
      if let choices, !choices.contains(text) { return "\"\(text)\" is none of \(choices.joined(separator: ", "))" }
      return nil
    }
  }
}

extension Setting where Value == String {
  /// - Parameters:
  ///   - length: in Unicode scalars.
  ///   - pattern: a regular expression as in JSON Schema; the host checks it before the role is made.
  ///   - choices: all that is allowed. For a fixed set an enum is better.
  public init(
    wrappedValue: String, _ doc: String, length: ClosedRange<Int>? = nil, pattern: String? = nil,
    choices: [String]? = nil
  ) {
    self.init(wrappedValue, SettingForm(doc, length: length, pattern: pattern, choices: choices))
  }
  public init(
    _ doc: String, length: ClosedRange<Int>? = nil, pattern: String? = nil, choices: [String]? = nil
  ) {
    self.init(nil, SettingForm(doc, length: length, pattern: pattern, choices: choices))
  }
}

// MARK: Lists

extension SettingForm {
  init<Element: SettingValue>(_ doc: String, count: ClosedRange<Int>) where Value == [Element] {
    self.init(doc)
    limits = [("minItems", JSON(count.lowerBound)), ("maxItems", JSON(count.upperBound))]
    fault = { count.contains($0.count) ? nil : "\($0.count) items are not \(count.lowerBound) to \(count.upperBound)" }
  }
}

extension Setting {
  public init<Element: SettingValue>(wrappedValue: [Element], _ doc: String, count: ClosedRange<Int>)
  where Value == [Element] {
    self.init(wrappedValue, SettingForm(doc, count: count))
  }
  public init<Element: SettingValue>(_ doc: String, count: ClosedRange<Int>) where Value == [Element] {
    self.init(nil, SettingForm(doc, count: count))
  }
}

// MARK: Durations

/// The unit in which a manifest gives a duration; the last word of the setting's name.
public enum SettingUnit: String, Sendable {
  case milliseconds = "ms"
  case seconds

  fileprivate var nanoseconds: Int64 { self == .seconds ? 1_000_000_000 : 1_000_000 }
}

extension SettingForm where Value == Duration {
  init(_ doc: String, in range: ClosedRange<Duration>?, unit: SettingUnit) {
    func number(_ duration: Duration) -> JSON {
      let (whole, rest) = duration.nanoseconds.quotientAndRemainder(dividingBy: unit.nanoseconds)
      return rest == 0 ? .int(whole) : .double(Double(duration.nanoseconds) / Double(unit.nanoseconds))
    }
    self.init(
      doc: doc, suffix: unit.rawValue, schema: { JSONObject([("type", "number")]) },
      decode: { setting, place in
        let count = try Double(setting: setting, at: place)
        guard abs(count) < 9e18 / Double(unit.nanoseconds) else {
          throw RoleError(.invalidArgument, "\(setting) \(unit.rawValue) is too long", at: place)
        }
        return .nanoseconds(Int64((count * Double(unit.nanoseconds)).rounded()))
      }, encode: number)
    guard let range else { return }
    limits = [("minimum", number(range.lowerBound)), ("maximum", number(range.upperBound))]
    fault = {
      range.contains($0)
        ? nil : "\(number($0)) is not from \(number(range.lowerBound)) to \(number(range.upperBound))"
    }
  }
}

extension Setting where Value == Duration {
  /// `@Setting("…", unit: .seconds) var tick = Duration.seconds(10)` is `tick_seconds: 10` in the manifest.
  public init(wrappedValue: Duration, _ doc: String, in range: ClosedRange<Duration>? = nil, unit: SettingUnit) {
    self.init(wrappedValue, SettingForm(doc, in: range, unit: unit))
  }
  public init(_ doc: String, in range: ClosedRange<Duration>? = nil, unit: SettingUnit) {
    self.init(nil, SettingForm(doc, in: range, unit: unit))
  }
}
