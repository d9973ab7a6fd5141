internal import CNodeABI

/// Where each function of the tables may be called, read from the brackets in the headers themselves.
package struct Contract: Sendable {
  private var brackets: [String: String] = [:]

  package init() {
    var next = nh_first_described()
    while next.pointee.name.pointee != 0 {
      let table = String(cString: next.pointee.name)
      for index in 0..<Int(next.pointee.member_count) {
        let member = next.pointee.members[index]
        brackets[table + "." + String(cString: member.name)] = String(cString: member.where)
      }
      next += 1
    }
  }

  /// The bracket of `function` if it does not hold, else nil.
  package func breach(of function: String, words: Set<String>) -> String? {
    guard let bracket = brackets[function], !bracket.isEmpty else { return "no such function" }
    var predicate = Predicate(bracket, words)
    return predicate.holds() ? nil : bracket
  }
}

/// Evaluates "loop & (starting | running)".
struct Predicate {
  private let tokens: [Substring]
  private let words: Set<String>
  private var position = 0

  init(_ text: String, _ words: Set<String>) {
    var spaced = ""
    for letter in text { spaced += "&|!()".contains(letter) ? " \(letter) " : String(letter) }
    tokens = spaced.split(separator: " ")
    self.words = words
  }

  mutating func holds() -> Bool { either() }

  private mutating func take(_ token: Substring) -> Bool {
    guard position < tokens.count, tokens[position] == token else { return false }
    position += 1
    return true
  }

  private mutating func either() -> Bool {
    var result = both()
    while take("|") {
      let right = both()
      result = result || right
    }
    return result
  }

  private mutating func both() -> Bool {
    var result = one()
    while take("&") {
      let right = one()
      result = result && right
    }
    return result
  }

  private mutating func one() -> Bool {
    if take("!") { return !one() }
    if take("(") {
      let result = either()
      _ = take(")")
      return result
    }
    guard position < tokens.count else { return false }
    defer { position += 1 }
    return words.contains(String(tokens[position]))
  }
}
