import HostCore
import NodeValues

/// What a case works on: one plugin's file, the seed, and the part that is wanted.
package final class CaseSubject: @unchecked Sendable {
  /// As the user named it.
  let path: String
  /// A private copy, which nobody rewrites meanwhile; the path itself if it could not be copied.
  let copy: String
  let mayUnload: Bool
  let seed: UInt64
  /// The one part that is wanted; nil for all.
  let part: Int?
  /// The configuration that the user gave.
  let givenConfig: JSON?
  /// Told which part begins, so that a crash can be laid to it.
  var announce: (Int, String) -> Void = { _, _ in }
  private(set) var currentPart: Int?

  init(path: String, copy: String, mayUnload: Bool, seed: UInt64, part: Int?, givenConfig: JSON?) {
    self.path = path
    self.copy = copy
    self.mayUnload = mayUnload
    self.seed = seed
    self.part = part
    self.givenConfig = givenConfig
  }

  /// Says that a part begins; false if it is not wanted.
  func begins(_ part: Int, _ what: @autoclosure () -> String = "") -> Bool {
    guard self.part == nil || self.part == part else { return false }
    currentPart = part
    announce(part, what())
    return true
  }

  /// The same for parts of which each builds on those before: none is left out but those after the wanted one.
  func reaches(_ part: Int, _ what: @autoclosure () -> String = "") -> Bool {
    guard self.part.map({ part <= $0 }) ?? true else { return false }
    currentPart = part
    announce(part, what())
    return true
  }

  /// Says what the part at hand is about, once that is known.
  func isDoing(_ what: String) {
    if let currentPart { announce(currentPart, what) }
  }
}

/// The form in which a subject goes to the process of a case.
extension CaseSubject {
  var json: JSON {
    [
      "path": .string(path), "copy": .string(copy), "may_unload": .bool(mayUnload), "seed": .string(String(seed)),
      "part": part.map { JSON($0) } ?? .null, "config": givenConfig ?? .null,
    ]
  }

  convenience init?(_ json: JSON) {
    guard let path = json["path"]?.string, let copy = json["copy"]?.string, let mayUnload = json["may_unload"]?.bool,
      let seed = json["seed"]?.string.flatMap({ UInt64($0) })
    else { return nil }
    self.init(
      path: path, copy: copy, mayUnload: mayUnload, seed: seed, part: json["part"]?.int.map { Int($0) },
      givenConfig: json["config"].flatMap { $0.object == nil ? Optional.none : $0 })
  }
}
