package import HostCore

/// The report for people: a table for each plugin, and below each case that went wrong what to do about it.
extension PluginReport {
  package func text(width: Int?, style: Style) -> String {
    var table = Table([
      .init("GROUP"), .init("CASE"), .init("VERDICT"), .init("TIME", rightAligned: true), .init("NOTE", shrinks: true),
    ])
    for result in results {
      table.add([
        .init(result.check.group.rawValue), .init(result.check.name),
        .init(result.verdict.rawValue, result.verdict.colour),
        .init(HumanUnits.duration(milliseconds: result.milliseconds), .faint), .init(result.note, .faint),
      ])
    }
    let lines = table.text(width: width, style: style).split(separator: "\n", omittingEmptySubsequences: false)
    var text = style.paint(TextLayout.harmless(file), .bold) + "\n\(lines[0])\n"
    for (result, line) in zip(results, lines.dropFirst()) {
      text += line + "\n" + result.explanation(width: width, style: style)
    }
    return text + "\(TextLayout.harmless(file)): \(counts(style)) in "
      + "\(HumanUnits.duration(milliseconds: milliseconds)), seed \(seed)\n"
  }

  private func counts(_ style: Style) -> String {
    Verdict.allCases.filter { $0 == .passed || count($0) > 0 }
      .map { style.paint("\(count($0)) \($0.rawValue)", $0.colour) }.joined(separator: ", ")
  }
}

extension CaseResult {
  private static let indent = 12

  fileprivate func explanation(width: Int?, style: Style) -> String {
    guard let failure else { return "" }
    let width = max(40, width ?? TextLayout.usualWidth)
    var text = ""
    for (heading, words) in [
      ("found", failure.found), ("expected", failure.expected), ("remedy", failure.remedy),
    ] {
      let lines = TextLayout.wrap(TextLayout.harmless(words), width: width, indent: Self.indent)
      let first = style.paint(TextLayout.pad("  \(heading)", to: Self.indent), .bold)
      text += first + (lines.first ?? "").dropFirst(Self.indent) + "\n"
      for line in lines.dropFirst() { text += line + "\n" }
    }
    // In one piece, so that it can be copied.
    return text + style.paint(TextLayout.pad("  repeat", to: Self.indent), .bold) + command + "\n"
  }
}

extension Verdict {
  fileprivate var colour: Style.Colour {
    switch self {
    case .passed: .green
    case .failed, .crashed, .hung: .red
    case .skipped: .yellow
    }
  }
}
