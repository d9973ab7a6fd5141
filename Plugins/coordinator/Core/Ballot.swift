/// Who may decide: the coordinator of a term, in one life of its role. Of two coordinators the one of the lower ballot
/// is of the past, and what it still says is refused.
struct Ballot: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The elector's; 0 where one node always coordinates.
  var term: UInt64 = 0
  /// How often the coordinator's role has been started, which is on its disk before it says anything, and in the lowest
  /// 20 bits how often it has begun to coordinate since.
  var run: UInt64 = 0

  static func < (left: Ballot, right: Ballot) -> Bool { (left.term, left.run) < (right.term, right.run) }
  var description: String { "\(term).\(run >> 20).\(run & 0xFFFFF)" }
}
