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
    let (whole, part) = components
    let (product, overflow) = whole.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = product.addingReportingOverflow(part / 1_000_000_000)
    return overflow || carry ? (whole < 0 ? .min : .max) : sum
  }
}
