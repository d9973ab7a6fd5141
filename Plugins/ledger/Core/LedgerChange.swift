internal import NodeKit

/// What a transaction wants of a key: one of
///
///     {"set": VALUE}
///     {"add": NUMBER, "min": NUMBER, "max": NUMBER}      min and max may be left out
///     {"delete": true}
///     {"check": true}                                    changes nothing
///
/// each of them perhaps only `"if": {"version": N}`, `{"value": VALUE}` or `{"absent": true}`.
struct LedgerChange: Equatable {
  enum Action: Equatable {
    case set(JSON)
    case add(JSON, least: JSON?, most: JSON?)
    case delete
    case check
  }
  enum Condition: Equatable {
    case version(Int64)
    case value(JSON)
    case absent
  }

  var key: String
  var action = Action.check
  var conditions: [Condition] = []

  init(key: String, _ json: JSON) throws {
    self.key = key
    func wrong(_ words: String) -> RoleError { RoleError(.invalidArgument, "the change of \(key): \(words)", at: key) }
    guard let object = json.object else { throw wrong("expected an object, got \(json.kind)") }
    var actions: [Action] = [], least: JSON?, most: JSON?
    for member in object.members {
      switch member.key {
      case "set": actions.append(.set(member.value))
      case "add": actions.append(.add(member.value, least: nil, most: nil))
      case "delete" where member.value == true: actions.append(.delete)
      case "check" where member.value == true: actions.append(.check)
      case "min": least = member.value
      case "max": most = member.value
      case "if": conditions = try Self.conditions(member.value, wrong)
      case "delete", "check": throw wrong("`\(member.key)` is true or left out")
      default: throw wrong("there is no `\(member.key)`; there are set, add, delete, check, min, max, if")
      }
    }
    guard actions.count == 1 else { throw wrong("it says one of set, add, delete and check") }
    action = actions[0]
    guard case .add(let amount, _, _) = action else {
      guard least == nil, most == nil else { throw wrong("`min` and `max` belong to `add`") }
      return
    }
    for number in [amount, least, most] {
      if let number, number.double == nil { throw wrong("\(number) is no number") }
    }
    action = .add(amount, least: least, most: most)
  }

  private static func conditions(_ json: JSON, _ wrong: (String) -> RoleError) throws -> [Condition] {
    guard let object = json.object, !object.members.isEmpty else { throw wrong("`if` is an object that is not empty") }
    return try object.members.map { member in
      switch member.key {
      case "version":
        guard let version = member.value.int, version >= 0 else { throw wrong("a version is a whole number from 0 on") }
        return .version(version)
      case "value": return .value(member.value)
      case "absent" where member.value == true: return .absent
      default: throw wrong("`if` knows version, value, and absent (true)")
      }
    }
  }

  static func list(_ json: JSON) throws -> [LedgerChange] {
    guard let list = json.array, !list.isEmpty else { throw RoleError(.invalidArgument, "`changes` is no list") }
    return try list.map { element in
      guard let key = element["key"]?.string, let change = element["change"] else {
        throw RoleError(.invalidArgument, "each of `changes` has a `key` and a `change`")
      }
      return try LedgerChange(key: key, change)
    }
  }

  // MARK: What becomes of the key

  /// Nil if the key is gone, or was never there.
  func result(of entry: LedgerEntry?) throws -> JSON? {
    for condition in conditions { try check(condition, entry) }
    switch action {
    case .set(let value): return value
    case .delete: return nil
    case .check: return entry?.value
    case .add(let amount, let least, let most):
      let sum = try Self.sum(entry?.value ?? 0, amount, key)
      if let least, Self.isLess(sum, least) { throw refusal("would be \(sum), which is below \(least)") }
      if let most, Self.isLess(most, sum) { throw refusal("would be \(sum), which is above \(most)") }
      return sum
    }
  }

  private func refusal(_ words: String) -> RoleError { RoleError(.failedPrecondition, "\(key) \(words)") }

  private func check(_ condition: Condition, _ entry: LedgerEntry?) throws {
    switch condition {
    case .version(let version):
      let found = entry?.version ?? 0
      guard found == version else { throw refusal("has version \(found), not \(version)") }
    case .value(let value):
      guard entry?.value == value else { throw refusal("is \(entry?.value?.description ?? "absent"), not \(value)") }
    case .absent: guard entry == nil else { throw refusal("is there already") }
    }
  }

  /// Whole as long as both are.
  private static func sum(_ value: JSON, _ amount: JSON, _ key: String) throws -> JSON {
    if let value = value.int, let amount = amount.int {
      let (sum, isTooLarge) = value.addingReportingOverflow(amount)
      guard !isTooLarge else { throw RoleError(.failedPrecondition, "\(key) would leave the range of whole numbers") }
      return .int(sum)
    }
    guard let value = value.double, let amount = amount.double else {
      throw RoleError(.failedPrecondition, "\(key) is \(value.kind), so nothing can be added to it", at: key)
    }
    return .double(value + amount)
  }

  private static func isLess(_ left: JSON, _ right: JSON) -> Bool {
    if let left = left.int, let right = right.int { return left < right }
    return (left.double ?? 0) < (right.double ?? 0)
  }
}
