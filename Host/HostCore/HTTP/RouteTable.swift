/// Where requests go, by path and method. A word is more exact than a {name}, and that more than {the rest*}; among
/// those that fit, the most exact from the left wins.
package struct RouteTable<Target: Sendable>: Sendable {
  /// A place in the tree of segments.
  private struct Node: Sendable {
    var words: [(word: [UInt8], node: Int)] = []
    var any: Int?
    var here = Leaf()
    var rest = Leaf()
  }

  private struct Leaf: Sendable {
    /// An empty method stands for any.
    var targets: [(method: [UInt8], names: [String], target: Target)] = []
  }

  package enum Match {
    case found(Target, captures: [(name: String, value: MessageHead.Part)])
    /// The path exists, for these methods.
    case wrongMethod([String])
    case nothing
  }

  private var nodes = [Node()]

  package init() {}

  package var isEmpty: Bool { nodes.count == 1 && nodes[0].here.targets.isEmpty && nodes[0].rest.targets.isEmpty }

  /// False if there is a target for the same method at the same place already.
  package mutating func insert(method: String, _ pattern: RoutePattern, _ target: Target) -> Bool {
    var at = 0
    var takesRest = false
    for segment in pattern.segments {
      switch segment {
      case .word(let word): at = child(of: at, word)
      case .any: at = anyChild(of: at)
      case .rest: takesRest = true
      }
    }
    let method = Array(method.utf8)
    let place = takesRest ? \Node.rest : \Node.here
    guard !nodes[at][keyPath: place].targets.contains(where: { $0.method == method }) else { return false }
    nodes[at][keyPath: place].targets.append((method, pattern.names, target))
    return true
  }

  private mutating func child(of at: Int, _ word: [UInt8]) -> Int {
    if let known = nodes[at].words.first(where: { $0.word == word }) { return known.node }
    nodes.append(Node())
    nodes[at].words.append((word, nodes.count - 1))
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
    var search = Search(head: head, method: head.method)
    let start = Int(head.path.start), end = start + Int(head.path.count)
    guard start < end, head.text[start] == UInt8(ascii: "/") else { return .nothing }
    if let (leaf, index) = walk(0, start + 1, end, &search) {
      let target = leaf.targets[index]
      if target.names.isEmpty { return .found(target.target, captures: []) }
      return .found(target.target, captures: Array(zip(target.names, search.caught)).map { ($0.0, $0.1) })
    }
    return search.allowed.isEmpty ? .nothing : .wrongMethod(search.allowed)
  }

  private struct Search {
    let head: MessageHead
    let method: MessageHead.Part
    var caught: [MessageHead.Part] = []
    var allowed: [String] = []
  }

  /// The leaf for the path from `start`, where a segment begins; `end + 1` if there is none left.
  private func walk(_ at: Int, _ start: Int, _ end: Int, _ search: inout Search) -> (Leaf, Int)? {
    if start > end { return choose(nodes[at].here, &search) }
    let text = search.head.text
    var next = start
    while next < end, text[next] != UInt8(ascii: "/") { next += 1 }
    let segment = UnsafeBufferPointer(start: text + start, count: next - start)
    for (word, node) in nodes[at].words where word.count == segment.count && word.elementsEqual(segment) {
      if let found = walk(node, next + 1, end, &search) { return found }
    }
    if let any = nodes[at].any, next > start {
      search.caught.append(MessageHead.Part(start, next - start))
      if let found = walk(any, next + 1, end, &search) { return found }
      search.caught.removeLast()
    }
    guard !nodes[at].rest.targets.isEmpty else { return nil }
    guard let (leaf, index) = choose(nodes[at].rest, &search) else { return nil }
    // A prefix catches nothing, and needs no memory for it.
    if !leaf.targets[index].names.isEmpty { search.caught.append(MessageHead.Part(start, end - start)) }
    return (leaf, index)
  }

  /// The target of the request's own method, else of any, else for HEAD that of GET.
  private func choose(_ leaf: Leaf, _ search: inout Search) -> (Leaf, Int)? {
    guard !leaf.targets.isEmpty else { return nil }
    let method = search.head.bytes(search.method)
    var any: Int?
    var get: Int?
    for (index, target) in leaf.targets.enumerated() {
      if target.method.elementsEqual(method) { return (leaf, index) }
      if target.method.isEmpty { any = index }
      if target.method.elementsEqual("GET".utf8) { get = index }
    }
    if let any { return (leaf, any) }
    if let get, method.elementsEqual("HEAD".utf8) { return (leaf, get) }
    search.allowed += leaf.targets.map { String(decoding: $0.method, as: UTF8.self) }
    return nil
  }
}
