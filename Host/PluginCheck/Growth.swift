import CSystem
import Glibc

/// Whether something that is done again and again leaves something behind.
enum Growth {
  /// The first rounds fill caches, which is no leak.
  private static let warmUp = 50
  /// Less than the smallest piece that malloc gives out, so that one leak a round is seen.
  private static let bytesPerRound: UInt64 = 16

  /// Throws if memory, descriptors or threads grow with each round.
  static func check(_ rounds: Int, _ what: String, _ round: () throws -> Void) throws {
    for _ in 0..<warmUp { try round() }
    let before = ProcessState(), heap = csystem_heap_in_use()
    for _ in 0..<rounds { try round() }
    let grown = csystem_heap_in_use() &- heap
    let after = ProcessState()
    for aspect in [ProcessState.Aspect.descriptors, .threads] {
      let changes = after.changes(since: before, aspect)
      guard changes.count < rounds / 2 else {
        throw CaseFailure("\(rounds) \(what) leave \(changes.count) \(aspect) behind; one of them: \(changes[0])")
      }
    }
    guard grown < UInt64(rounds) * bytesPerRound || grown > UInt64(Int64.max) else {
      throw CaseFailure("\(rounds) \(what) leave \(grown) bytes behind, \(grown / UInt64(rounds)) each")
    }
  }
}
