/// What was measured in a row of a metric from elsewhere, during one step.
public struct Measurement: Sendable, Equatable {
  public var value: Double?
  public var isGood = false
  public var badInRow: Int64 = 0
  public var errorsInRow: Int64 = 0
  public var lastError = ""

  public init() {}

  public mutating func note(isGood: Bool, value: Double?) {
    (self.isGood, self.value, errorsInRow, lastError) = (isGood, value, 0, "")
    badInRow = isGood ? 0 : badInRow + 1
  }

  public mutating func note(error: String) {
    errorsInRow += 1
    lastError = String(error.prefix(200))
  }
}
