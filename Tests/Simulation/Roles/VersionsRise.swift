import HostRuntime
package import Simulator

/// An invariant of the register: the version that a replica has on its disk for a key never becomes lower.
package final class VersionsRise: WorldWatcher {
  package static let rule = "versions rise"

  private var commits: [Int: Int] = [:]
  private var known: [Int: [[UInt8]: UInt64]] = [:]
  package private(set) var looked = 0

  package init() {}

  package func worldMoved(_ world: World) {
    for node in world.nodes where node.commits != commits[node.number] ?? 0 {
      commits[node.number] = node.commits
      looked += 1
      for entry in node.stored(of: "register").entries(in: StoreRange()) {
        let version = Self.number(of: entry.value)
        if let before = known[node.number]?[entry.key], version < before {
          world.fail(Self.rule, "\(node.name) goes back from \(before) to \(version)")
        }
        known[node.number, default: [:]][entry.key] = version
      }
    }
  }

  /// The first of the numbers that make a version.
  private static func number(of value: [UInt8]) -> UInt64 {
    value.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
  }
}
