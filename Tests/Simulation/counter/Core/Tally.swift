/// Counts, and tells of a count only when it is on the disk: so what is told never falls, whatever crashes.
public struct Tally {
  public enum Step: Sendable, Equatable {
    case store(Int)
    case tell(Int)
  }

  private var count: Int

  /// `stored` is what the disk has.
  public init(stored: Int) { count = stored }

  /// What to do for one more, one after the other.
  public mutating func add() -> [Step] {
    count += 1
    #if BROKEN_TELLS_EARLY
      return [.tell(count), .store(count)]
    #else
      return [.store(count), .tell(count)]
    #endif
  }
}
