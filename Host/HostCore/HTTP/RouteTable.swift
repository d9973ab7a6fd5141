/// Where requests go, by path and method. A word is more exact than a {name}, and that more than {the rest*}; among
/// those that fit, the most exact from the left wins.
///
/// Targets are numbers, so that the table is of one type and fast: who made it knows what they stand for.
package struct RouteTable: Sendable {
  /// Something that a pattern caught.
  package struct Capture: Sendable {
    package var name: String
    package var value: MessageHead.Part
  }

  package enum Match {
    case found(Int, captures: [Capture])
    /// The path exists, for these methods.
    case wrongMethod([String])
    case nothing
  }

  /// A place in the tree of segments.
  private struct Node: Sendable {
    var words: [Word] = []
    var any: Int?
    /// Places among the leaves.
    var here: [Int] = []
    var rest: [Int] = []
  }

  private struct Word: Sendable {
    var text: [UInt8]
    var node: Int
  }

  private struct Leaf: Sendable {
    /// Empty for any.
    var method: [UInt8]
    var names: [String]
    var target: Int
  }

  private var nodes = [Node()]
  private var leaves: [Leaf] = []

  package init() {}

  /// False if there is a target for the same method at the same place already.
  package mutating func insert(method: String, _ pattern: RoutePattern, _ target: Int) -> Bool {
    var at = 0
    var takesRest = false
    for segment in pattern.segments {
      switch segment {
      case .word(let word): at = child(of: at, word)
      case .any: at = anyChild(of: at)
      case .rest: takesRest = true
      }
    }
    let leaf = Leaf(method: Array(method.utf8), names: pattern.names, target: target)
    let place = takesRest ? \Node.rest : \Node.here
    guard !nodes[at][keyPath: place].contains(where: { leaves[$0].method == leaf.method }) else { return false }
    nodes[at][keyPath: place].append(leaves.count)
    leaves.append(leaf)
    return true
  }

  private mutating func child(of at: Int, _ word: [UInt8]) -> Int {
    if let known = nodes[at].words.first(where: { $0.text == word }) { return known.node }
    nodes.append(Node())
    nodes[at].words.append(Word(text: word, node: nodes.count - 1))
    return nodes.count - 1
  }

  private mutating func anyChild(of at: Int) -> Int {
    if let known = nodes[at].any { return known }
    nodes.append(Node())
    nodes[at].any = nodes.count - 1
    return nodes.count - 1
  }

  /// The target for what the head asks for.
  package func find(_ head: MessageHead) -> Match {
    let start = Int(head.path.start), end = start + Int(head.path.count)
    guard start < end, head.text[start] == UInt8(ascii: "/") else { return .nothing }
    var search = Search()
    guard let leaf = walk(0, start + 1, end, head, &search) else {
      return search.allowed.isEmpty ? .nothing : .wrongMethod(search.allowed)
    }
    guard !search.caught.isEmpty else { return .found(leaves[leaf].target, captures: []) }
    let names = leaves[leaf].names
    return .found(
      leaves[leaf].target, captures: names.indices.map { Capture(name: names[$0], value: search.caught[$0]) })
  }

  private struct Search {
    var caught: [MessageHead.Part] = []
    var allowed: [String] = []
  }

  // By places throughout: copying a node or a leaf would count the references in it up and down.

  /// The leaf for the path from `start`, where a segment begins; `end + 1` if there is none left.
  private func walk(_ at: Int, _ start: Int, _ end: Int, _ head: MessageHead, _ search: inout Search) -> Int? {
    if start > end { return choose(nodes[at].here, head, &search) }
    let text = head.text
    var next = start
    while next < end, text[next] != UInt8(ascii: "/") { next += 1 }
    for place in nodes[at].words.indices where equal(nodes[at].words[place].text, text + start, next - start) {
      if let found = walk(nodes[at].words[place].node, next + 1, end, head, &search) { return found }
    }
    if let any = nodes[at].any, next > start {
      search.caught.append(MessageHead.Part(start, next - start))
      if let found = walk(any, next + 1, end, head, &search) { return found }
      search.caught.removeLast()
    }
    guard !nodes[at].rest.isEmpty else { return nil }
    guard let found = choose(nodes[at].rest, head, &search) else { return nil }
    // A prefix catches nothing, and needs no memory for it.
    if !leaves[found].names.isEmpty { search.caught.append(MessageHead.Part(start, end - start)) }
    return found
  }

  @inline(__always)
  private func equal(_ word: borrowing [UInt8], _ text: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
    guard word.count == count else { return false }
    for place in 0..<count where word[place] != text[place] { return false }
    return true
  }

  /// The leaf of the request's own method, else of any, else for HEAD that of GET.
  private func choose(_ here: [Int], _ head: MessageHead, _ search: inout Search) -> Int? {
    let method = head.method
    var any: Int?
    var get: Int?
    for leaf in here {
      if equal(leaves[leaf].method, head.text + Int(method.start), Int(method.count)) { return leaf }
      if leaves[leaf].method.isEmpty { any = leaf }
      if leaves[leaf].method.elementsEqual("GET".utf8) { get = leaf }
    }
    if let any { return any }
    if let get, head.equals(method, "HEAD") { return get }
    search.allowed += here.map { String(decoding: leaves[$0].method, as: UTF8.self) }
    return nil
  }
}
