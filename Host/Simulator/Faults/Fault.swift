/// One thing that goes wrong, from when until when. A list of them can be made shorter and tried again.
package struct Fault: Sendable, Equatable {
  package enum Change: Sendable, Equatable {
    /// The process ends; the same node starts again at the fault's end.
    case crash(node: Int)
    /// These lose their power at one moment, and start again at different ones.
    case blackout(nodes: [Int])
    /// These hear nothing from the others, nor the others from them.
    case partition(nodes: [Int])
    /// Nothing gets from one to the other.
    case oneWay(from: Int, to: Int)
    case slowNetwork(factor: Int64)
    case breakingLinks(chance: Double)
    case duplicates(chance: Double)
    case reordering(chance: Double)
    case slowDisk(node: Int)
    case fullDisk(node: Int)
    case failingSync(node: Int)
    case drift(node: Int, by: Double)
    case clockJump(node: Int, by: Int64)
    case slowNode(node: Int, by: Int64)
    case swap(node: Int, role: String)
    case reload(node: Int)
  }

  package var change: Change
  package var start: Int64
  package var end: Int64

  package init(_ change: Change, _ start: Int64, _ end: Int64) {
    (self.change, self.start, self.end) = (change, start, end)
  }
}

extension Fault {
  /// In words, for traces and reports.
  func words(_ names: [String]) -> String {
    func name(_ node: Int) -> String { names[node] }
    return switch change {
    case .crash(let node): "\(name(node)) crashes"
    case .blackout(let nodes): "\(nodes.map(name).joined(separator: ", ")) lose their power"
    case .partition(let nodes): "\(nodes.map(name).joined(separator: ", ")) cut off from the others"
    case .oneWay(let from, let to): "nothing gets from \(name(from)) to \(name(to))"
    case .slowNetwork(let factor): "the network is \(factor) times slower"
    case .breakingLinks: "links break"
    case .duplicates: "messages arrive twice"
    case .reordering: "messages overtake others"
    case .slowDisk(let node): "\(name(node))'s disk is slow"
    case .fullDisk(let node): "\(name(node))'s disk is full"
    case .failingSync(let node): "the next sync of \(name(node))'s disk fails"
    case .drift(let node, let by): "\(name(node))'s clocks run \(by > 0 ? "fast" : "slow") by \(Int(abs(by) * 1e6)) ppm"
    case .clockJump(let node, let by): "\(name(node))'s wall clock jumps by \(by / 1_000_000) ms"
    case .slowNode(let node, let by): "\(name(node)) takes \(by / 1_000_000) ms longer for everything"
    case .swap(let node, let role): "\(role) is swapped on \(name(node))"
    case .reload(let node): "\(name(node)) reads its manifest again"
    }
  }
}

extension Fault.Change {
  /// The kind that it is of.
  var kind: FaultKind {
    switch self {
    case .crash, .blackout: .crashes
    case .partition, .oneWay: .partitions
    case .slowNetwork: .delay
    case .breakingLinks: .loss
    case .duplicates: .duplicates
    case .reordering: .reordering
    case .slowDisk, .fullDisk, .failingSync: .disks
    case .drift, .clockJump: .clocks
    case .slowNode: .slow
    case .swap: .swaps
    case .reload: .reloads
    }
  }
}
