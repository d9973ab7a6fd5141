/// Faults as scenarios say them. What is written reads as the same fault again.
extension Fault {
  package struct Problem: Error {
    package var message: String
  }

  package static let forms = """
    crash NODE | blackout NODE... | partition NODE... | cut NODE NODE | slow-network FACTOR | \
    break-links CHANCE | duplicate CHANCE | reorder CHANCE | slow-disk NODE | full-disk NODE | \
    fail-sync NODE | drift NODE PPM | jump NODE TIME | slow NODE TIME | swap NODE ROLE | reload NODE
    """

  /// `words` are those behind `at`: the time, the fault, and perhaps `for` and how long it lasts.
  package init(_ words: [String], nodes: [String]) throws(Problem) {
    var words = words
    var lasts: Int64 = 5_000_000_000
    if words.count > 2, words[words.count - 2] == "for" {
      lasts = try Self.time(words.removeLast())
      words.removeLast()
    }
    guard words.count >= 3 else { throw Problem(message: "at TIME FAULT [for TIME]; faults are: \(Self.forms)") }
    let start = try Self.time(words[0])
    let change = try Change(words[1], Array(words[2...]), nodes)
    self.init(change, start, change.isMoment ? start : start + lasts)
  }

  fileprivate static func time(_ word: String) throws(Problem) -> Int64 {
    if word.hasPrefix("-"), let time = TimeText.nanoseconds(String(word.dropFirst())) { return -time }
    guard let time = TimeText.nanoseconds(word) else {
      throw Problem(message: "`\(word)` is no time; write 200ms, 5s or 1.5m")
    }
    return time
  }

  package func text(nodes: [String]) -> String {
    let lasts = change.isMoment ? "" : " for \(TimeText.text(end - start))"
    return "at \(TimeText.text(start)) \(change.text(nodes))\(lasts)"
  }
}

extension Fault.Change {
  /// It does not last.
  var isMoment: Bool {
    switch self {
    case .failingSync, .clockJump, .swap, .reload: true
    default: false
    }
  }

  fileprivate init(_ name: String, _ words: [String], _ nodes: [String]) throws(Fault.Problem) {
    func node(_ place: Int) throws(Fault.Problem) -> Int {
      guard place < words.count else { throw Fault.Problem(message: "`\(name)` wants more: \(Fault.forms)") }
      guard let node = nodes.firstIndex(of: words[place]) else {
        throw Fault.Problem(
          message: "there is no node `\(words[place])`; there are \(nodes.prefix(20).joined(separator: ", "))")
      }
      return node
    }
    func number(_ place: Int) throws(Fault.Problem) -> Double {
      guard place < words.count, let number = Double(words[place]) else {
        throw Fault.Problem(message: "`\(name)` wants a number: \(Fault.forms)")
      }
      return number
    }
    switch name {
    case "crash": self = .crash(node: try node(0))
    case "partition", "blackout":
      var some: [Int] = []
      for place in words.indices { some.append(try node(place)) }
      self = name == "blackout" ? .blackout(nodes: some.sorted()) : .partition(nodes: some.sorted())
    case "cut": self = .oneWay(from: try node(0), to: try node(1))
    case "slow-network": self = .slowNetwork(factor: Int64(try number(0)))
    case "break-links": self = .breakingLinks(chance: try number(0))
    case "duplicate": self = .duplicates(chance: try number(0))
    case "reorder": self = .reordering(chance: try number(0))
    case "slow-disk": self = .slowDisk(node: try node(0))
    case "full-disk": self = .fullDisk(node: try node(0))
    case "fail-sync": self = .failingSync(node: try node(0))
    case "drift": self = .drift(node: try node(0), by: try number(1) / 1e6)
    case "jump": self = .clockJump(node: try node(0), by: try Fault.time(words.count > 1 ? words[1] : ""))
    case "slow": self = .slowNode(node: try node(0), by: try Fault.time(words.count > 1 ? words[1] : ""))
    case "swap":
      guard words.count == 2 else { throw Fault.Problem(message: "swap NODE ROLE") }
      self = .swap(node: try node(0), role: words[1])
    case "reload": self = .reload(node: try node(0))
    default: throw Fault.Problem(message: "there is no fault `\(name)`; there are: \(Fault.forms)")
    }
  }

  fileprivate func text(_ nodes: [String]) -> String {
    func time(_ by: Int64) -> String { by < 0 ? "-\(TimeText.text(-by))" : TimeText.text(by) }
    return switch self {
    case .crash(let node): "crash \(nodes[node])"
    case .blackout(let some): "blackout \(some.map { nodes[$0] }.joined(separator: " "))"
    case .partition(let some): "partition \(some.map { nodes[$0] }.joined(separator: " "))"
    case .oneWay(let from, let to): "cut \(nodes[from]) \(nodes[to])"
    case .slowNetwork(let factor): "slow-network \(factor)"
    case .breakingLinks(let chance): "break-links \(chance)"
    case .duplicates(let chance): "duplicate \(chance)"
    case .reordering(let chance): "reorder \(chance)"
    case .slowDisk(let node): "slow-disk \(nodes[node])"
    case .fullDisk(let node): "full-disk \(nodes[node])"
    case .failingSync(let node): "fail-sync \(nodes[node])"
    case .drift(let node, let by): "drift \(nodes[node]) \(by * 1e6)"
    case .clockJump(let node, let by): "jump \(nodes[node]) \(time(by))"
    case .slowNode(let node, let by): "slow \(nodes[node]) \(time(by))"
    case .swap(let node, let role): "swap \(nodes[node]) \(role)"
    case .reload(let node): "reload \(nodes[node])"
    }
  }
}
