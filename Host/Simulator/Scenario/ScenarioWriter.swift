/// Scenarios as text: what is written reads as the same scenario again.
extension Scenario {
  package var text: String {
    var lines = ["deployment \(deployment)"]
    if let nodes { lines.append("nodes \(nodes)") }
    if let neighbours { lines.append("neighbours \(neighbours)") }
    lines.append("minutes \(minutes)")
    if let seed { lines.append("seed \(seed)") }
    if let operations { lines.append("operations \(operations)") }
    let kinds = FaultKind.allCases.filter(faults.contains).map(\.rawValue)
    lines.append("faults \(kinds.isEmpty ? "none" : kinds.joined(separator: ","))")
    for plan in clients {
      let pause = "\(TimeText.text(plan.pause.lowerBound))..\(TimeText.text(plan.pause.upperBound))"
      lines.append("clients \(plan.count) pause \(pause) timeout \(TimeText.text(plan.timeout))")
      lines += plan.requests.map { "  \($0.text)" }
    }
    for step in steps { lines.append("at \(step.words.joined(separator: " "))") }
    lines += rules.map(\.text)
    return lines.joined(separator: "\n") + "\n"
  }
}

extension ClientPlan.Request {
  var text: String {
    guard let listener else { return (["call", "\(role).\(method)"] + words).joined(separator: " ") }
    return ([method.lowercased(), words[0], "on", listener] + words.dropFirst().filter { !$0.isEmpty })
      .joined(separator: " ")
  }
}

extension Rule {
  var text: String {
    switch self {
    case .linearizable(let read, let write): "always linearizable \(read) \(write)"
    case .one(let field, let key, let topic): "always one \(field) per \(key) in \(topic)"
    case .rising(let field, let topic): "always rising \(field) in \(topic)"
    case .running(let within): "within \(TimeText.text(within)) running"
    case .same(let role, let method, let within): "within \(TimeText.text(within)) same \(role).\(method)"
    }
  }
}
