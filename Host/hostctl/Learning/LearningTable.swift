import HostCore
import NodeValues

/// Sessions and trainers, for people.
enum LearningTable {
  private static let barWidth = 24

  static func sessions(_ sessions: [JSON]) -> Table {
    var table = Table([
      .init("SESSION"), .init("STATE", shrinks: true), .init("ROUND", rightAligned: true),
      .init("ACCURACY", rightAligned: true),
      .init("LOSS", rightAligned: true), .init("MODEL"), .init("DATA"), .init("AGGREGATOR"),
    ])
    for session in sessions {
      let end = session.text("end")
      table.add([
        .init(session.text("session_id")), .init(end.isEmpty ? session.text("state") : end, colour(session)),
        .init("\(session.text("round"))/\(session.text("rounds"))"), .init(percent(session["accuracy"])),
        .init(number(session["loss"])), .init(session.text("model")), .init(session.text("dataset")),
        .init(session.text("aggregator")),
      ])
    }
    return table
  }

  private static func colour(_ session: JSON) -> Style.Colour? {
    let end = session.text("end")
    if end.isEmpty { return .yellow }
    return end.hasPrefix("failed") ? .red : end.hasPrefix("stopped") ? nil : .green
  }

  static func trainers(_ trainers: [JSON]) -> Table {
    var table = Table([
      .init("TRAINER"), .init("NAME"), .init("DATA", shrinks: true), .init("ROUNDS", rightAligned: true),
      .init("FAILED", rightAligned: true), .init("TIME", rightAligned: true), .init("SENT", rightAligned: true),
      .init("GOT", rightAligned: true), .init("LOSS", rightAligned: true), .init("HARDWARE", shrinks: true),
    ])
    for trainer in trainers {
      let sets = trainer.list("data_sets").map { "\($0.text("id")) \($0.text("samples"))" }.joined(separator: ", ")
      let isThere = trainer["there"]?.bool == true, failures = trainer["failures"]?.int ?? 0
      let words = isThere ? (sets.isEmpty ? trainer.text("last_failure") : sets) : "away"
      table.add([
        .init(trainer.text("id"), isThere ? nil : .faint), .init(trainer.text("name")),
        .init(words, isThere && sets.isEmpty ? .red : nil), .init(trainer.text("successes")),
        .init("\(failures)", failures > 0 ? .yellow : nil),
        .init(trainer["seconds"]?.double.map { HumanUnits.duration(milliseconds: Int64($0 * 1000)) } ?? "-"),
        .init(bytes(trainer["bytes_sent"])), .init(bytes(trainer["bytes_received"])), .init(number(trainer["loss"])),
        .init(trainer.text("hardware")),
      ])
    }
    return table
  }

  static func status(_ status: JSON, width: Int?, style: Style) -> String {
    let round = status["round"]?.int ?? 0, rounds = max(1, status["rounds"]?.int ?? 1), end = status.text("end")
    let words = end.isEmpty ? status.text("state") : end
    var text = "session \(TextLayout.harmless(status.text("session_id"))): "
    text += style.paint(TextLayout.harmless(words), colour(status)) + "\n"
    text += "\(bar(Double(round) / Double(rounds))) round \(round) of \(rounds)"
    if status["loss"]?.double != nil { text += ", loss \(number(status["loss"]))" }
    if status["accuracy"]?.double != nil { text += ", accuracy \(percent(status["accuracy"]))" }
    text += "\n\(TextLayout.harmless(status.text("model"))) with \(status.text("parameters")) parameters on "
    text += "\(TextLayout.harmless(status.text("dataset"))), \(TextLayout.harmless(status.text("aggregator")))\n"
    if let lack = status["lack"]?.string { text += style.paint(TextLayout.harmless(lack), .yellow) + "\n" }
    guard !status.list("open").isEmpty else { return text }
    var table = Table([
      .init("TRAINS"), .init("ROUND", rightAligned: true), .init("PROGRESS"), .init("LOSS", rightAligned: true),
      .init("DEADLINE", rightAligned: true),
    ])
    for ticket in status.list("open") {
      table.add([
        .init(ticket.text("trainer")), .init("\((ticket["round"]?.int ?? 0) + 1)"),
        .init(bar(ticket["share"]?.double ?? 0)), .init(number(ticket["loss"])),
        .init(HumanUnits.duration(milliseconds: ticket["left_ms"]?.int ?? 0)),
      ])
    }
    text += table.text(width: width, style: style)
    if let waiting = status["waiting"]?.int, waiting > 0 { text += "\(waiting) have brought their update\n" }
    return text
  }

  /// For logs: one line for what has changed.
  static func line(_ status: JSON) -> String {
    let end = status.text("end")
    var line = "round \(status.text("round")) of \(status.text("rounds"))"
    if status["loss"]?.double != nil { line += ", loss \(number(status["loss"]))" }
    if status["accuracy"]?.double != nil { line += ", accuracy \(percent(status["accuracy"]))" }
    if let lack = status["lack"]?.string { line += ": \(lack)" }
    return TextLayout.harmless(end.isEmpty ? line : "\(line): \(end)")
  }

  static func bar(_ share: Double) -> String {
    let filled = Int((min(1, max(0, share)) * Double(barWidth)).rounded(.down))
    return String(repeating: "█", count: filled) + String(repeating: "░", count: barWidth - filled)
  }

  static func percent(_ json: JSON?) -> String { json?.double.map { "\(rounded($0 * 100, 2)) %" } ?? "-" }
  static func number(_ json: JSON?) -> String { json?.double.map { rounded($0, 4) } ?? "-" }
  private static func bytes(_ json: JSON?) -> String { HumanUnits.bytes(UInt64(clamping: json?.int ?? 0)) }

  static func rounded(_ number: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = (abs(number) * scale).rounded(), limit = 1e15
    guard whole < limit else { return "\(number)" }
    let text = "\(Int64(whole))", padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
    return (number < 0 && whole > 0 ? "-" : "") + padded.dropLast(digits)
      + (digits > 0 ? "." + padded.suffix(digits) : "")
  }
}
