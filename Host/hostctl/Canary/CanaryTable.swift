import HostCore
import NodeValues

/// How a rollout goes, for people: a bar for each version, what its requests do, and what is waited for.
enum CanaryTable {
  private static let barWidth = 24

  static func text(_ status: JSON, width: Int?, style: Style) -> String {
    var table = Table([
      .init("VERSION"), .init("SHARE"), .init("REQ/S", rightAligned: true),
      .init("ERRORS", rightAligned: true), .init("P50", rightAligned: true), .init("P95", rightAligned: true),
      .init("P99", rightAligned: true), .init("UPSTREAM", shrinks: true),
    ])
    for version in status.list("versions") {
      let id = version.text("id"), share = version["share"]?.double ?? 0
      let requests = version["requests"]?.double ?? 0, failures = version["failures"]?.double ?? 0
      let rate = requests > 0 ? failures / requests : 0
      let isCanary = id == status["canary"]?.string
      table.add([
        .init(id + (id == status.text("stable") ? " *" : ""), isCanary ? .yellow : nil),
        .init("\(bar(share)) \(percent(share))", isCanary ? .yellow : .green),
        .init(number(version["per_second"]?.double)),
        .init(requests == 0 ? "-" : percent(rate * 100), rate > 0.01 ? .red : nil),
        .init(milliseconds(version["p50_ms"])), .init(milliseconds(version["p95_ms"])),
        .init(milliseconds(version["p99_ms"])), .init(version.text("url")),
      ])
    }
    var text = table.text(width: width, style: style)
    text += mirror(status["mirror"] ?? .null, style)
    text += rollout(status, style)
    let nodes = status.list("nodes").map { node -> String in
      let version = node["version"]?.int.map { "\($0)" } ?? "?"
      return "\(TextLayout.harmless(node.text("name"))) \(node["up"]?.bool == true ? version : "down")"
    }
    text += "state \(status.text("version")) on: \(nodes.joined(separator: ", "))\n"
    if status["stale"]?.bool == true {
      text += style.paint("this node may be behind: it has not heard from a majority", .yellow) + "\n"
    }
    if let problem = status["problem"]?.string { text += style.paint(TextLayout.harmless(problem), .red) + "\n" }
    if status["frozen"]?.bool == true { text += "frozen: nothing begins and no share grows now\n" }
    return text
  }

  /// How the copies of the last minute did, beside the originals.
  private static func mirror(_ mirror: JSON, _ style: Style) -> String {
    guard mirror != .null else { return "" }
    var text = "mirror \(TextLayout.harmless(mirror.text("url"))): \(percent(mirror["percent"]?.double)) copied, "
    let requests = mirror["requests"]?.double ?? 0, compared = mirror["compared"]?.double ?? 0
    text += "\(number(requests)) in the last minute"
    guard compared > 0 else { return text + "\n" }
    let differing = mirror["differing"]?.double ?? 0, share = differing / compared * 100
    let words = "\(number(differing)) of \(number(compared)) with another status (\(percent(share)))"
    text += ", \(share > 1 ? style.paint(words, .red) : words), \(number(mirror["slower"]?.double)) slower by half\n"
    let times = ["p50", "p95", "p99"].map { name in
      let copy = milliseconds(mirror["copies"]?["\(name)_ms"]), own = milliseconds(mirror["originals"]?["\(name)_ms"])
      return "\(name) \(copy), original \(own)"
    }
    return text + "  \(times.joined(separator: "; "))\n"
  }

  private static func rollout(_ status: JSON, _ style: Style) -> String {
    guard let rollout = status["rollout"], rollout != .null else {
      let last = status["last"]?["decision"] ?? .null
      guard !last.text("kind").isEmpty, last.text("kind") != "initial" else { return "no rollout is under way\n" }
      let words = "last: \(last.text("kind")), \(TextLayout.harmless(last.text("why")))"
      return style.paint(words, last.text("kind") == "rollback" ? .red : .faint) + "\n"
    }
    let steps = rollout.list("steps").compactMap(\.double), step = Int(rollout["step"]?.int ?? 1)
    let elapsed = HumanUnits.duration(milliseconds: rollout["elapsed_ms"]?.int ?? 0)
    let every = HumanUnits.duration(milliseconds: rollout["every_ms"]?.int ?? 0)
    var text = "rollout of \(TextLayout.harmless(rollout.text("canary"))): "
    text += steps.enumerated().map { place, share in
      place + 1 == step ? style.paint("[\(percent(share))]", .yellow) : percent(share)
    }.joined(separator: " → ")
    text += ", \(rollout.text("phase")), \(elapsed) of \(every)\n"
    for metric in rollout.list("metrics") {
      text += "  \(TextLayout.harmless(metric.text("metric"))): \(finding(metric))\n"
    }
    return text + "  \(TextLayout.harmless(rollout.text("verdict")))\n"
  }

  /// Proportions are told in per cent, and what other servers say as it is.
  private static func finding(_ metric: JSON) -> String {
    if let broken = metric["broken"]?.string { return TextLayout.harmless(broken) }
    guard let value = metric["canary"]?.double else {
      return TextLayout.harmless(metric["missing"]?.string ?? "no data")
    }
    guard let needed = metric["evidence_needed"]?.double else { return number(value) }
    var text = percent(value * 100)
    if let baseline = metric["baseline"]?.double { text += ", baseline \(percent(baseline * 100))" }
    let parts = [("limit", "evidence_limit"), ("baseline", "evidence_baseline")].compactMap { name, key in
      metric[key]?.double.map { "\(number(max(0, $0))) worse than the \(name)" }
    }
    text += "; evidence \(parts.joined(separator: ", ")), \(number(needed)) is proof"
    if let missing = metric["missing"]?.string { text += "; \(TextLayout.harmless(missing))" }
    return text
  }

  /// For logs: one line for what has changed.
  static func line(_ status: JSON) -> String {
    let shares = status.list("versions").filter { ($0["share"]?.double ?? 0) > 0 }.map {
      "\($0.text("id")) \(percent($0["share"]?.double))"
    }
    var line = "state \(status.text("version")): \(shares.joined(separator: ", "))"
    if let rollout = status["rollout"], rollout != .null {
      line += "; step \(rollout.text("step")) of \(rollout.list("steps").count), \(rollout.text("phase"))"
    } else if let decision = status["last"]?["decision"] {
      line += "; \(decision.text("kind")): \(decision.text("why"))"
    }
    return TextLayout.harmless(line)
  }

  private static func bar(_ share: Double) -> String {
    let filled = Int((share / 100 * Double(barWidth)).rounded())
    // A share that is there is seen, however small.
    let shown = share > 0 ? max(1, filled) : 0
    return String(repeating: "█", count: shown) + String(repeating: "·", count: barWidth - shown)
  }

  static func percent(_ share: Double?) -> String { share.map { "\(number($0)) %" } ?? "-" }

  private static func milliseconds(_ json: JSON?) -> String { json?.double.map { "\(number($0)) ms" } ?? "-" }

  /// At most three digits behind the point, fewer for large numbers.
  private static func number(_ number: Double?) -> String {
    guard let number, number.isFinite else { return "-" }
    let factor = abs(number) >= 100 ? 1.0 : abs(number) >= 1 ? 100 : 1_000
    return JSON.double((number * factor).rounded() / factor).description
  }
}
