package import NodeValues

/// The report for programs.
extension PluginReport {
  package var json: JSON {
    var counts = JSONObject()
    for verdict in Verdict.allCases { counts[verdict.rawValue] = JSON(count(verdict)) }
    return [
      "file": .string(file), "good": .bool(isGood), "seed": JSON(seed), "ms": JSON(milliseconds),
      "counts": .object(counts), "cases": .array(results.map(\.json)),
    ]
  }
}

extension CaseResult {
  fileprivate var json: JSON {
    var object = JSONObject([
      ("id", .string(check.id)), ("group", .string(check.group.rawValue)), ("name", .string(check.name)),
      ("verdict", .string(verdict.rawValue)), ("ms", JSON(milliseconds)), ("note", .string(note)),
    ])
    if let failure {
      object["part"] = failure.part.map { JSON($0) } ?? .null
      object["found"] = .string(failure.found)
      object["expected"] = .string(failure.expected)
      object["remedy"] = .string(failure.remedy)
    }
    object["repeat"] = .string(command)
    return .object(object)
  }
}
