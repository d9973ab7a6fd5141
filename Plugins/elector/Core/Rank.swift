/// Who goes first: the higher priority, and of two with the same the higher id.
public struct Rank: Comparable, Sendable {
  public var priority: Int32
  public var id: Int

  public init(priority: Int32 = 0, id: Int) { (self.priority, self.id) = (priority, id) }

  public static func < (left: Rank, right: Rank) -> Bool { (left.priority, left.id) < (right.priority, right.id) }
}
