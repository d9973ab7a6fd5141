/// The name of a new role's project, in the spellings that its files need.
package struct ProjectName: Sendable, Equatable {
  /// A plugin's id has room for 39 bytes in its note.
  static let longest = 39

  /// The role's id and the library's name: `tea-counter`.
  package let name: String
  /// For types: `TeaCounter`.
  package var typeName: String {
    name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
  /// For functions, crates and files: `tea_counter`.
  package var identifier: String { name.split(separator: "-").joined(separator: "_") }

  package struct Refusal: Error, Sendable, Equatable {
    package var reason: String
    /// A name that would do, if one is near.
    package var suggestion: String?
  }

  package init(_ name: String) throws(Refusal) {
    let letters = Array(name.utf8)
    guard letters.count <= Self.longest else {
      throw Refusal(reason: "it has \(letters.count) letters, and a plugin's id has at most \(Self.longest)")
    }
    guard let first = letters.first, Self.isLetter(first) else {
      throw Refusal(reason: "it must begin with a small letter", suggestion: Self.repaired(name))
    }
    guard letters.allSatisfy({ Self.isLetter($0) || Self.isDigit($0) || $0 == Self.dash }) else {
      throw Refusal(reason: "it may have small letters, digits and -", suggestion: Self.repaired(name))
    }
    guard letters.last != Self.dash, !name.contains("--") else {
      throw Refusal(reason: "each - must stand between two words", suggestion: Self.repaired(name))
    }
    self.name = name
  }

  private static let dash = UInt8(ascii: "-")
  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  /// `TeaCounter_2` is probably meant to be `tea-counter-2`.
  private static func repaired(_ name: String) -> String? {
    var words: [String] = [""]
    var before: Character = " "
    for character in name {
      let small = character.lowercased()
      let isPart = small.utf8.allSatisfy { isLetter($0) || isDigit($0) }
      if !isPart || (character.isUppercase && before.isLowercase) { words.append("") }
      if isPart { words[words.count - 1] += small }
      before = character
    }
    let text = words.filter { !$0.isEmpty }.joined(separator: "-")
    return text == name ? nil : (try? ProjectName(text))?.name
  }

  /// The text of a template with this name in place of the template's own.
  package func applied(to template: String, sdk: String) -> String {
    let spellings = [
      ("sample-role", name), ("SampleRole", typeName), ("sample_role", identifier), ("@SDK@", sdk),
    ]
    return spellings.reduce(template) { Self.replace($1.0, by: $1.1, in: $0) }
  }

  private static func replace(_ old: String, by new: String, in text: String) -> String {
    let letters = Array(text.utf8), wanted = Array(old.utf8)
    var result: [UInt8] = []
    result.reserveCapacity(letters.count)
    var place = 0
    while place < letters.count {
      if letters[place] == wanted[0], letters[place...].starts(with: wanted) {
        result += new.utf8
        place += wanted.count
      } else {
        result.append(letters[place])
        place += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
