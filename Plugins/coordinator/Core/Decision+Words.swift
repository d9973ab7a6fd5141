internal import NodeKit

// Decisions for those who read them: programs and people.

extension Decision {
  /// The answer to a proposal, in JSON. Written as it stands, since there is one for each transaction.
  func answer(applyTook: UInt32?) -> String {
    var text = JSONWriter()
    text.raw("{\"txid\":")
    text.string(id)
    text.raw(outcome == .commit ? ",\"outcome\":\"COMMIT\"" : ",\"outcome\":\"ABORT\"")
    if !reason.isEmpty {
      text.raw(",\"reason\":")
      text.string(reason)
    }
    text.raw(",\"votes\":{")
    for (place, vote) in votes.enumerated() {
      text.raw(place == 0 ? "\"" : ",\"")
      text.number(vote.node)
      text.raw("\":")
      text.string(vote.vote.words)
    }
    text.raw("},\"us\":{\"prepare\":")
    text.number(prepareTook)
    text.raw(",\"decide\":")
    text.number(decideTook)
    if let applyTook {
      text.raw(",\"apply\":")
      text.number(applyTook)
    }
    text.raw("}}")
    return text.text
  }

  var fields: JSONObject {
    var object = JSONObject([("txid", .string(id)), ("outcome", .string(outcome.word))])
    if !reason.isEmpty { object["reason"] = .string(reason) }
    object["began_ms"] = .int(began)
    object["votes"] = .object(JSONObject(votes.map { ("\($0.node)", .string($0.vote.words)) }))
    object["us"] = ["prepare": JSON(prepareTook), "decide": JSON(decideTook)]
    return object
  }

  /// "2PC: COMMIT 1.7.42 (yes: 1, 2, 3; prepared in 0.8 ms, decided in 0.4 ms)"
  var line: String {
    let times = "prepared in \(Self.milliseconds(prepareTook)), decided in \(Self.milliseconds(decideTook))"
    guard outcome == .commit else { return "2PC: ABORT \(id): \(reason) (\(grouped); \(times))" }
    return "2PC: COMMIT \(id) (\(grouped); \(times))"
  }

  private var grouped: String {
    var groups: [(word: String, nodes: [String])] = []
    for vote in votes {
      let word = if case .no = vote.vote { "no" } else { vote.vote.words }
      if let place = groups.firstIndex(where: { $0.word == word }) {
        groups[place].nodes.append("\(vote.node)")
      } else {
        groups.append((word, ["\(vote.node)"]))
      }
    }
    return groups.map { "\($0.word): \($0.nodes.joined(separator: ", "))" }.joined(separator: "; ")
  }

  private static func milliseconds(_ microseconds: UInt32) -> String {
    "\(microseconds / 1000).\(microseconds % 1000 / 100) ms"
  }
}

extension PastTransaction {
  func fields(_ id: String) -> JSONObject {
    var object = decision?.fields ?? JSONObject([("txid", .string(id)), ("outcome", "REFUSED")])
    object["ended_ms"] = .int(at)
    if let heuristic {
      object["heuristic"] = [
        "outcome": .string(heuristic.outcome.word), "why": .string(heuristic.why), "at_ms": .int(heuristic.at),
      ]
    }
    if isDamaged { object["heuristic_damage"] = true }
    return object
  }
}
