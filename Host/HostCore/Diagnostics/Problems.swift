package import NodeValues

/// All that is wrong with a manifest, in the order of its text.
package struct ManifestProblems: Error, Sendable, Equatable, CustomStringConvertible {
  /// More than this many errors are not read before the first is repaired.
  package static let limit = 50

  package var diagnostics: [Diagnostic]
  /// How many more there are.
  package var omitted: Int

  package init(_ diagnostics: [Diagnostic], omitted: Int = 0) {
    self.diagnostics = diagnostics
    self.omitted = omitted
  }

  package init(_ log: FaultLog, in sources: Sources) {
    let faults = log.ordered
    diagnostics = faults.prefix(Self.limit).map(sources.diagnostic)
    omitted = max(0, faults.count - Self.limit)
  }

  package var description: String {
    var parts = diagnostics.map(\.description)
    if omitted > 0 { parts.append("and \(omitted) more") }
    return parts.joined(separator: "\n")
  }

  package var json: JSON { ["errors": .array(diagnostics.map(\.json)), "omitted": JSON(omitted)] }
}
