public import NodeValues

/// One thing in a value that its schema refuses.
public struct SchemaFault: Error, Sendable, Equatable {
  public enum Step: Sendable, Equatable {
    case key(String)
    case index(Int)
  }

  public enum Problem: Sendable, Equatable {
    /// The value at the path is not what it should be.
    case value(expected: String)
    /// The object at the path lacks a member.
    case missing(String, expected: String)
    /// The object at the path has a member that is not known.
    case unknown(String, known: [String])
  }

  public var path: [Step]
  public var problem: Problem
  /// The value must not be shown.
  public var isSecret = false

  /// A JSON pointer to the value, also to one that is missing.
  public var pointer: String {
    var path = path
    switch problem {
    case .missing(let name, _), .unknown(let name, _): path.append(.key(name))
    case .value: break
    }
    return path.map {
      switch $0 {
      case .key(let name): "/" + pointerStep(name)
      case .index(let index): "/\(index)"
      }
    }.joined()
  }

  /// What is wrong, in words, about a value that stands in no file.
  public func description(of value: JSON) -> String {
    switch problem {
    case .missing(let name, let expected): return "`\(name)` is missing; expected \(expected)"
    case .unknown(let name, let known):
      if let near = nearestWord(to: name, among: known) {
        return "there is no setting `\(name)`; did you mean `\(near)`?"
      }
      let others = known.isEmpty ? "none is known" : "known are " + known.joined(separator: ", ")
      return "there is no setting `\(name)`; \(others)"
    case .value(let expected):
      return "expected \(expected), got \(isSecret ? "something else" : Self.found(value.at(path) ?? .null))"
    }
  }

  /// Short values as they are, long ones by their kind.
  private static func found(_ value: JSON) -> String {
    let text = value.description
    return text.utf8.count <= 40 ? text : value.kind
  }
}

extension JSON {
  func at(_ path: [SchemaFault.Step]) -> JSON? {
    var value = self
    for step in path {
      let inner: JSON?
      switch step {
      case .key(let name): inner = value[name]
      case .index(let index): inner = value[index]
      }
      guard let inner else { return nil }
      value = inner
    }
    return value
  }
}
