/// A point on the node's monotonic clock, which never goes back and starts anywhere; virtual in a simulation.
public struct Moment: InstantProtocol, Sendable {
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public func advanced(by duration: Duration) -> Moment {
    Moment(nanoseconds: nanoseconds.addingReportingOverflow(duration.nanoseconds).partialValue)
  }

  public func duration(to other: Moment) -> Duration { .nanoseconds(other.nanoseconds - nanoseconds) }

  public static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension Duration {
  /// In whole nanoseconds, held within what 64 bits can say: 292 years.
  package var nanoseconds: Int64 {
    Int64(clamping: attoseconds / 1_000_000_000)
  }
}
