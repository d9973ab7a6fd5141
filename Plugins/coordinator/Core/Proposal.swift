internal import NodeKit

/// What somebody wants done on several nodes, or on none of them.
struct Proposal: Sendable, Equatable {
  /// What is wanted of a node: the same object for all nodes of which the same is wanted.
  struct Part: Sendable, Equatable {
    var node: Int
    var shares: [Share]
  }
  enum Need: String { case all, majority }
  enum Wait: String { case decided, applied }

  static let changesLimit = 1_000
  static let keyLimit = 512
  static let sizeLimit = 1 << 20

  /// Given by the proposer; nil: the coordinator's.
  var id: String?
  var need = Need.all
  var wait = Wait.decided
  var timeoutMilliseconds: Int64?
  /// By node.
  var parts: [Part] = []

  /// - Parameter nodes: all that take part in transactions, in order.
  init(_ text: String, nodes: [Int]) throws(RoleError) {
    guard text.utf8.count <= Self.sizeLimit else { throw Self.wrong("it is larger than \(Self.sizeLimit) bytes", "") }
    let json: JSON
    do { json = try JSON(parsing: text) } catch { throw Self.wrong("it is not JSON: \(error)", "") }
    guard let object = json.object else { throw Self.wrong("it is \(json.kind), not an object", "") }
    var changes: [JSON] = []
    for member in object.members {
      switch member.key {
      case "id": id = try Self.id(member.value)
      case "changes":
        guard let list = member.value.array else { throw Self.wrong("expected a list", "/changes") }
        changes = list
      case "need": need = try Self.word(member.value, "/need", ["all", "majority"])
      case "wait": wait = try Self.word(member.value, "/wait", ["decided", "applied"])
      case "timeout_ms":
        guard let number = member.value.int, (1...86_400_000).contains(number) else {
          throw Self.wrong("expected milliseconds from 1 to 86400000", "/timeout_ms")
        }
        timeoutMilliseconds = number
      default:
        throw Self.wrong("there is no such member; there are id, changes, need, timeout_ms, wait", "/\(member.key)")
      }
    }
    guard (1...Self.changesLimit).contains(changes.count) else {
      throw Self.wrong("a transaction has 1 to \(Self.changesLimit) changes, not \(changes.count)", "/changes")
    }
    try gather(changes, nodes)
  }

  private static func wrong(_ words: String, _ place: String) -> RoleError {
    RoleError(.invalidArgument, "the proposal: \(words)", at: place)
  }

  private static func word<Word: RawRepresentable>(
    _ json: JSON, _ place: String, _ words: [String]
  ) throws(RoleError) -> Word where Word.RawValue == String {
    guard let text = json.string, let word = Word(rawValue: text) else {
      throw wrong("expected \(words.joined(separator: " or "))", place)
    }
    return word
  }

  private static func id(_ json: JSON) throws(RoleError) -> String {
    guard let text = json.string, isName(text) else {
      throw wrong("an id is 1 to 64 letters, digits, and . _ -", "/id")
    }
    return text
  }

  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  // MARK: Changes by node

  private struct Change {
    var resource: String
    var key: String
    /// `{"key": …, "change": …}`
    var text: String
    /// Nil: all.
    var nodes: [Int]?
  }

  private mutating func gather(_ list: [JSON], _ all: [Int]) throws(RoleError) {
    var changes: [Change] = []
    for (index, json) in list.enumerated() { changes.append(try Self.change(json, "/changes/\(index)", all)) }
    // Most want the same of all nodes: then it is put together once.
    if changes.allSatisfy({ $0.nodes == nil }) {
      let shares = Self.shares(changes)
      parts = all.map { Part(node: $0, shares: shares) }
      return
    }
    parts = all.compactMap { node in
      let shares = Self.shares(changes.filter { $0.nodes?.contains(node) ?? true })
      return shares.isEmpty ? nil : Part(node: node, shares: shares)
    }
  }

  private static func change(_ json: JSON, _ place: String, _ all: [Int]) throws(RoleError) -> Change {
    guard let object = json.object else { throw wrong("expected an object", place) }
    var resource: String?, key: String?, change: JSON?, nodes: [Int]?
    for member in object.members {
      switch member.key {
      case "resource": resource = member.value.string
      case "key": key = member.value.string
      case "change": change = member.value
      case "nodes": nodes = try self.nodes(member.value, "\(place)/nodes", all)
      default: throw wrong("there is no such member; there are resource, key, nodes, change", "\(place)/\(member.key)")
      }
    }
    guard let resource, (1...255).contains(resource.utf8.count) else {
      throw wrong("`resource` names the role whose key is to change", place)
    }
    guard let key, (1...keyLimit).contains(key.utf8.count) else {
      throw wrong("`key` is text of 1 to \(keyLimit) bytes", place)
    }
    guard let change else { throw wrong("`change` says what is to become of the key", place) }
    var text = JSONWriter()
    text.raw("{\"key\":")
    text.string(key)
    text.raw(",\"change\":")
    text.value(change)
    text.raw("}")
    return Change(resource: resource, key: key, text: text.text, nodes: nodes)
  }

  private static func nodes(_ json: JSON, _ place: String, _ all: [Int]) throws(RoleError) -> [Int] {
    guard let list = json.array, !list.isEmpty else { throw wrong("expected a list of node ids", place) }
    var nodes: [Int] = []
    for element in list {
      guard let node = element.int.map({ Int($0) }), all.contains(node) else {
        throw wrong("\(element) is no node that takes part; there are \(all)", place)
      }
      nodes.append(node)
    }
    return nodes
  }

  private static func shares(_ changes: [Change]) -> [Share] {
    if changes.count == 1 {
      return [Share(resource: changes[0].resource, keys: [changes[0].key], texts: [changes[0].text])]
    }
    var resources: [String] = []
    for change in changes where !resources.contains(change.resource) { resources.append(change.resource) }
    return resources.map { resource in
      let own = changes.filter { $0.resource == resource }
      return Share(resource: resource, keys: own.map(\.key), texts: own.map(\.text))
    }
  }
}

extension Share {
  fileprivate init(resource: String, keys: [String], texts: [String]) {
    self.init(resource: resource, keys: keys, changes: "[\(texts.joined(separator: ","))]")
  }
}
