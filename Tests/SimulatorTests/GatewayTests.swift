import Glibc
import HostRuntime
import Testing

@testable import Simulator

/// Worlds of discovery gateways and their clients.
@Suite struct GatewayTests {
  @Test func oneGatewayKeepsItsWordWhateverHappens() throws {
    let simulation = try GatewayPlugin("gateway").simulation(minutes: 1.5)
    for seed in 1...2 as ClosedRange<UInt64> {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
    }
  }

  @Test func threeGatewaysKeepTheirWordWhateverHappens() throws {
    let simulation = try GatewayPlugin("gateways").simulation(minutes: 1.2)
    let watch = GatewaysAgree()
    let outcome = simulation.run(1, watchers: [watch])
    #expect(outcome.failure == nil, "\(outcome.failure!)")
    #expect(watch.looked > 100 && outcome.plan.faults.count > 5)
  }

  /// By the first or second seed, but for one that takes a rare meeting of faults: only a long run looks for that.
  @Test(arguments: GatewayPlugin.faults) func plantedFaultsAreFound(_ fault: String) throws {
    let isRare = fault == "everybody_expires"
    if isRare && getenv("NODEHOST_LONG_TESTS") == nil { return }
    let simulation = try GatewayPlugin("gateways", fault: fault).simulation(minutes: 2)
    let found = (1...20 as ClosedRange<UInt64>).first { simulation.run($0).failure != nil }
    #expect(found != nil, "not found within 20 seeds")
  }
}
