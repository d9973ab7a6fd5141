/// What the cases are about.
package enum CheckGroup: String, CaseIterable, Sendable {
  case `static`, open, negotiation, lifecycle, configuration, state, threads, swap, faults
}

/// One thing that every plugin must do or leave alone.
package struct CheckCase: Sendable {
  /// Cases of one stage run before those of the next.
  enum Stage: Int, Sendable, Comparable {
    /// Reads the file.
    case file
    /// Opens the library.
    case opening
    /// Runs a role from its creation to its end.
    case life
    case rest

    static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
  }

  /// Long enough for a busy machine and a slow plugin; a case of the shipped roles takes a hundredth of it.
  static let usualLimitMilliseconds: Int64 = 20_000

  package var group: CheckGroup
  package var name: String
  /// What holds for a good plugin, as a sentence without its full stop.
  package var promise: String
  /// What to do if a plugin crashes or hangs here; a case that finds a fault may know better.
  var remedy: String
  package var limitMilliseconds = Self.usualLimitMilliseconds
  var stage = Stage.rest
  /// Later stages make no sense if it goes wrong, and are skipped.
  var isGate = false
  /// Returns what is worth saying about a plugin that passes; throws a CaseFailure or a CaseSkip.
  var body: @Sendable (CaseSubject) throws -> String

  init(
    _ group: CheckGroup, _ name: String, _ promise: String, remedy: String, stage: Stage = .rest,
    isGate: Bool = false, body: @escaping @Sendable (CaseSubject) throws -> String
  ) {
    self.group = group
    self.name = name
    self.promise = promise
    self.remedy = remedy
    self.stage = stage
    self.isGate = isGate
    self.body = body
  }

  package var id: String { "\(group.rawValue).\(name)" }
}

/// What a case found wrong.
package struct CaseFailure: Error, Sendable, Equatable {
  package var found: String
  /// Empty: the case's promise.
  package var expected: String
  /// Empty: the case's own.
  package var remedy: String
  /// Which of the case's many parts it was.
  package var part: Int?

  package init(_ found: String, expected: String = "", remedy: String = "", part: Int? = nil) {
    self.found = found
    self.expected = expected
    self.remedy = remedy
    self.part = part
  }
}

/// Why a case does not apply.
struct CaseSkip: Error {
  var reason: String

  init(_ reason: String) { self.reason = reason }
}
