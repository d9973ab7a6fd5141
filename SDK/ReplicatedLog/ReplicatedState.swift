/// What the entries of a ``ReplicatedLog`` make: the role's own data, which is the same on all members that have applied
/// the same entries. So ``apply(_:at:)`` depends on nothing but the entries: no clock, no random numbers, no
/// configuration, no order of a `Dictionary` or `Set`. Whoever proposes an entry puts such things into it.
public protocol ReplicatedState: AnyObject {
  /// Does what the entry says. The answer goes to whoever proposed it, on his member; the same on all.
  func apply(_ entry: [UInt8], at index: UInt64) -> [UInt8]
  /// All of it, at most 32 MiB.
  func snapshot() -> [UInt8]
  /// Becomes what ``snapshot()`` gave, here or on another member; what was before is gone.
  func restore(_ snapshot: [UInt8], at index: UInt64) throws
}

/// What a member is at the moment.
public enum Standing: Sendable, Equatable {
  /// It decides the order, and the others follow.
  case leader(term: UInt64)
  /// Nil: it knows of no leader.
  case follower(of: Int?, term: UInt64)
  /// It has missed a leader and wants to be one.
  case candidate(term: UInt64)
}
