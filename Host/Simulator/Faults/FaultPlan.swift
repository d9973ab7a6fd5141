import HostRuntime

/// All faults of a run, made up from its seed before it begins: so a run can be repeated with fewer.
package struct FaultPlan: Sendable, Equatable {
  package var faults: [Fault]

  package init(_ faults: [Fault] = []) { self.faults = faults }

  /// The last fault has ended by then; the rest of the run is calm.
  package var calmFrom: Int64 { faults.map(\.end).max() ?? 0 }

  /// From one fault to the next.
  package static let usualSpacing: ClosedRange<Int64> = 500_000_000...8_000_000_000

  /// Makes up faults between `begin` and `end`.
  package init(
    kinds: Set<FaultKind>, roles: [[String]], from begin: Int64, until end: Int64,
    spacing: ClosedRange<Int64> = usualSpacing, seed: UInt64
  ) {
    faults = []
    var dice = SeededNumbers(seed: seed ^ 0xFA17_0000_0000_0003)
    let kinds = FaultKind.allCases.filter(kinds.contains)
    guard !kinds.isEmpty, !roles.isEmpty else { return }
    var time = begin
    while true {
      time += Int64.random(in: spacing, using: &dice)
      guard time < end else { return }
      let kind = kinds[Int.random(in: 0..<kinds.count, using: &dice)]
      guard var fault = Self.fault(kind, roles, at: time, until: end, &dice) else { continue }
      // In whole microseconds, as they are written.
      fault.start -= fault.start % 1_000
      fault.end = fault.change.isMoment ? fault.start : fault.end - fault.end % 1_000
      faults.append(fault)
    }
  }

  private static func fault(
    _ kind: FaultKind, _ roles: [[String]], at time: Int64, until end: Int64, _ dice: inout SeededNumbers
  ) -> Fault? {
    let node = Int.random(in: 0..<roles.count, using: &dice)
    let long = min(end, time + Int64.random(in: 1_000_000_000...20_000_000_000, using: &dice))
    switch kind {
    case .loss: return Fault(.breakingLinks(chance: Double.random(in: 0.0005...0.02, using: &dice)), time, long)
    case .delay: return Fault(.slowNetwork(factor: Int64.random(in: 5...500, using: &dice)), time, long)
    case .partitions: return partition(roles.count, time, long, &dice)
    case .crashes:
      let back = min(end, time + Int64.random(in: 50_000_000...8_000_000_000, using: &dice))
      if roles.count > 1, Int.random(in: 0..<3, using: &dice) == 0 {
        return Fault(.blackout(nodes: some(of: roles.count, atLeast: 2, atMost: roles.count, &dice)), time, back)
      }
      return Fault(.crash(node: node), time, back)
    case .disks:
      switch Int.random(in: 0..<5, using: &dice) {
      case 0: return Fault(.fullDisk(node: node), time, long)
      case 1: return Fault(.failingSync(node: node), time, time)
      default: return Fault(.slowDisk(node: node), time, long)
      }
    case .clocks:
      if Bool.random(using: &dice) {
        return Fault(
          .clockJump(node: node, by: Int64.random(in: -60_000_000_000...60_000_000_000, using: &dice)), time, time)
      }
      return Fault(.drift(node: node, by: Double.random(in: -0.001...0.001, using: &dice)), time, long)
    case .slow:
      return Fault(.slowNode(node: node, by: Int64.random(in: 1_000_000...300_000_000, using: &dice)), time, long)
    case .swaps:
      guard let role = roles[node].randomElement(using: &dice) else { return nil }
      return Fault(.swap(node: node, role: role), time, time)
    case .reloads: return Fault(.reload(node: node), time, time)
    case .duplicates: return Fault(.duplicates(chance: Double.random(in: 0.01...0.3, using: &dice)), time, long)
    case .reordering: return Fault(.reordering(chance: Double.random(in: 0.01...0.3, using: &dice)), time, long)
    }
  }

  private static func partition(_ count: Int, _ time: Int64, _ end: Int64, _ dice: inout SeededNumbers) -> Fault? {
    guard count > 1 else { return nil }
    if Int.random(in: 0..<3, using: &dice) == 0 {
      let from = Int.random(in: 0..<count, using: &dice)
      let to = (from + Int.random(in: 1..<count, using: &dice)) % count
      return Fault(.oneWay(from: from, to: to), time, end)
    }
    return Fault(.partition(nodes: some(of: count, atLeast: 1, atMost: max(1, count / 2), &dice)), time, end)
  }

  private static func some(of count: Int, atLeast: Int, atMost: Int, _ dice: inout SeededNumbers) -> [Int] {
    (0..<count).shuffled(using: &dice).prefix(Int.random(in: atLeast...atMost, using: &dice)).sorted()
  }
}
