import CSystem
import Glibc

/// Whether something that is done again and again leaves something behind.
enum Growth {
  /// The first rounds fill caches, which is no leak.
  private static let warmUp = 50
  /// Less than the smallest piece that malloc gives out, so that one leak a round is seen.
  private static let bytesPerRound = 16

  /// Throws if memory, descriptors or threads grow with each round.
  static func check(_ rounds: Int, _ what: String, _ round: () throws -> Void) throws {
    for _ in 0..<warmUp { try round() }
    let before = ProcessState(), limit = rounds * bytesPerRound
    var grown = try heapGrowth(rounds, round)
    // A table that doubles is no leak: what leaks does so each time.
    if grown >= limit { grown = min(grown, try heapGrowth(rounds, round)) }
    let after = ProcessState()
    for aspect in [ProcessState.Aspect.descriptors, .threads] {
      let changes = after.changes(since: before, aspect)
      guard changes.count < rounds / 2 else {
        throw CaseFailure("\(rounds) \(what) leave \(changes.count) \(aspect) behind; one of them: \(changes[0])")
      }
    }
    guard grown < limit else {
      throw CaseFailure("\(rounds) \(what) leave \(grown) bytes behind, \(grown / rounds) each")
    }
  }

  /// Negative if the rounds gave back more than they took.
  private static func heapGrowth(_ rounds: Int, _ round: () throws -> Void) throws -> Int {
    let before = csystem_heap_in_use()
    for _ in 0..<rounds { try round() }
    return Int(bitPattern: UInt(csystem_heap_in_use() &- before))
  }
}
