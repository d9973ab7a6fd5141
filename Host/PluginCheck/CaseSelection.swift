import NodeSchema

/// What `--only` asks for: groups, cases, and parts of cases.
package struct CaseSelection: Sendable {
  package struct Problem: Error, Sendable {
    package var message: String
  }

  /// A case, with the one part that is wanted of it.
  typealias Wanted = (check: CheckCase, part: Int?)

  let wanted: [Wanted]
  /// Whether the user named what to run: then nothing stands in its way.
  let isExplicit: Bool

  /// Each word is a group, `lifecycle`, a case, `lifecycle.two-instances`, or a part of one,
  /// `lifecycle.nth-call-fails:7`. None is everything.
  package init(_ words: [String]) throws(Problem) {
    isExplicit = !words.isEmpty
    var wanted: [Wanted] = words.isEmpty ? CheckCatalogue.cases.map { ($0, nil) } : []
    for word in words { wanted += try Self.find(word) }
    self.wanted = wanted
  }

  private static func find(_ word: String) throws(Problem) -> [Wanted] {
    if let group = CheckGroup(rawValue: word) {
      return CheckCatalogue.cases.filter { $0.group == group }.map { ($0, nil) }
    }
    let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let check = CheckCatalogue.find(String(parts[0])) else {
      let names = CheckGroup.allCases.map(\.rawValue) + CheckCatalogue.cases.map(\.id)
      let hint = nearestWord(to: String(parts[0]), among: names).map { "; did you mean `\($0)`?" } ?? ""
      throw Problem(message: "there is no case or group `\(parts[0])`\(hint); --list shows all")
    }
    guard parts.count == 2 else { return [(check, nil)] }
    guard let part = Int(parts[1]), part >= 0 else {
      throw Problem(message: "`\(parts[1])` is no part of \(check.id); parts are numbers, as in \(check.id):7")
    }
    return [(check, part)]
  }
}
