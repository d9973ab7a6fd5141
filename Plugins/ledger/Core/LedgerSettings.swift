public import NodeKit

public struct LedgerSettings: RoleConfig {
  @Setting("More keys are not kept; a transaction that adds one is refused.", in: 1...100_000_000)
  public var keysLimit = 1_000_000
  @Setting("The most bytes of a value, as JSON.", in: 1...1_048_576)
  public var valueBytes = 65_536

  public init() {}
}
