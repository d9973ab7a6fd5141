import HostCore
import NodeValues

/// How a case ended.
package enum Verdict: String, Sendable, CaseIterable {
  case passed, failed, crashed, hung, skipped

  package var isBad: Bool { self == .failed || self == .crashed || self == .hung }
}

/// A case with how it ended.
package struct CaseResult: Sendable {
  package var check: CheckCase
  package var verdict: Verdict
  package var milliseconds: Int64
  /// Of a passed case, what is worth knowing; of a skipped one, why.
  package var note: String
  package var failure: CaseFailure?
  /// The command that runs it alone, as it was run.
  package var command: String

  init(_ check: CheckCase, _ ending: CaseEnding, milliseconds: Int64, command: String) {
    self.check = check
    self.milliseconds = milliseconds
    self.command = command
    note = ""
    switch ending {
    case .passed(let note):
      verdict = .passed
      self.note = note
    case .skipped(let reason):
      verdict = .skipped
      note = reason
    case .failed(let failure): (verdict, self.failure) = (.failed, failure)
    case .crashed(let failure): (verdict, self.failure) = (.crashed, failure)
    case .hung(let failure): (verdict, self.failure) = (.hung, failure)
    }
    if failure?.expected == "" { failure?.expected = check.promise }
    if failure?.remedy == "" { failure?.remedy = check.remedy }
  }
}

/// What running a case came to, before anybody asks which case it was.
enum CaseEnding: Sendable {
  case passed(String)
  case skipped(String)
  case failed(CaseFailure)
  case crashed(CaseFailure)
  case hung(CaseFailure)

  /// Runs a case here, in this process.
  static func of(_ check: CheckCase, _ subject: CaseSubject) -> CaseEnding {
    do {
      return .passed(try check.body(subject))
    } catch let skip as CaseSkip {
      return .skipped(skip.reason)
    } catch var failure as CaseFailure {
      failure.part = failure.part ?? subject.currentPart
      return .failed(failure)
    } catch let problem as PluginProblem {
      return .failed(CaseFailure(problem.found, remedy: problem.remedy, part: subject.currentPart))
    } catch let failure as RoleFailure {
      return .failed(CaseFailure("\(failure)", part: subject.currentPart))
    } catch {
      return .failed(CaseFailure("\(error)", part: subject.currentPart))
    }
  }
}

/// The form in which an ending comes back from the process of a case.
extension CaseEnding {
  var json: JSON {
    switch self {
    case .passed(let note): ["passed": .string(note)]
    case .skipped(let reason): ["skipped": .string(reason)]
    case .failed(let failure), .crashed(let failure), .hung(let failure):
      [
        "failed": .string(failure.found), "expected": .string(failure.expected), "remedy": .string(failure.remedy),
        "part": failure.part.map { JSON($0) } ?? .null,
      ]
    }
  }

  init?(_ json: JSON) {
    if let note = json["passed"]?.string {
      self = .passed(note)
    } else if let reason = json["skipped"]?.string {
      self = .skipped(reason)
    } else if let found = json["failed"]?.string {
      self = .failed(
        CaseFailure(
          found, expected: json["expected"]?.string ?? "", remedy: json["remedy"]?.string ?? "",
          part: json["part"]?.int.map { Int($0) }))
    } else {
      return nil
    }
  }
}
