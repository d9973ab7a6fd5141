import NodeKit

/// Counts, and says so from time to time.
@main
final class SampleRole: Role, Stateful {
  struct Config: RoleConfig {
    @Setting("What is counted.", length: 1...40) var what = "visits"
    @Setting("Seconds between two reports.", in: 1...3600) var reportSeconds = 5
  }

  static let about = About("sample-role", version: "0.1.0", "Counts, and reports from time to time.")
  static let methods = [Method("add(amount)", "Counts, and answers with the sum.", add)]
  static let needs: [Need] = [.timer]
  /// Count it up when `save` writes something that an older `load` cannot read.
  static let stateVersion = 1

  private let context: RoleContext
  private let config: Config
  private var sum = 0

  init(_ context: RoleContext, _ config: Config) {
    self.context = context
    self.config = config
  }

  func start() throws {
    try context.timer.every(.seconds(config.reportSeconds)) { [self] in context.log.info("\(sum) \(config.what)") }
  }

  func add(_ amount: Int) throws -> Int {
    guard amount > 0 else { throw RoleError(.invalidArgument, "amount is \(amount); count upwards, from 1") }
    let (next, overflow) = sum.addingReportingOverflow(amount)
    if overflow { throw RoleError(.outOfRange, "the sum does not fit 64 bits") }
    sum = next
    return sum
  }

  // What the next build of the role takes over.

  func save() -> String { "\(sum)" }

  func load(_ state: String, version: Int) throws {
    guard version == Self.stateVersion, let number = Int(state) else {
      throw RoleError(.invalidArgument, "the state of version \(version) is no sum: \"\(state)\"")
    }
    sum = number
  }
}
