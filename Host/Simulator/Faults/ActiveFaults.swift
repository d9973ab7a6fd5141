/// The faults that last at a moment. Several of one kind may overlap; what they do ends with the last.
struct ActiveFaults {
  private(set) var list: [Fault] = []

  mutating func begin(_ fault: Fault) { if fault.end > fault.start { list.append(fault) } }

  mutating func end(_ fault: Fault) { if let place = list.firstIndex(of: fault) { list.remove(at: place) } }

  func keepsDown(_ node: Int) -> Bool {
    list.contains {
      switch $0.change {
      case .crash(let other): other == node
      case .blackout(let nodes): nodes.contains(node)
      default: false
      }
    }
  }

  /// Nothing gets from the first of each pair to the second.
  func cuts(among count: Int) -> [(from: Int, to: Int)] {
    var cuts: [(from: Int, to: Int)] = []
    for fault in list {
      switch fault.change {
      case .oneWay(let from, let to): cuts.append((from, to))
      case .partition(let some):
        for one in some {
          for other in 0..<count where !some.contains(other) { cuts += [(one, other), (other, one)] }
        }
      default: break
      }
    }
    return cuts
  }

  /// How much longer a node takes for everything.
  func slowness(of node: Int) -> Int64 {
    list.reduce(0) { most, fault in
      if case .slowNode(node, let by) = fault.change { max(most, by) } else { most }
    }
  }
}
