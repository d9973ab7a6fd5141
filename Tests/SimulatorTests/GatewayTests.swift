import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds of discovery gateways and their clients; the broken builds are among the planted faults.
@Suite struct GatewayTests {
  @Test func oneGatewayKeepsItsWordWhateverHappens() throws {
    let simulation = try Gateway.alone.simulation()
    for seed in 1...2 as ClosedRange<UInt64> {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
    }
  }

  @Test func threeGatewaysKeepTheirWordWhateverHappens() throws {
    let watch = GatewaysAgree()
    let outcome = try Gateway.three.simulation().run(1, watchers: [watch])
    #expect(outcome.failure == nil, "\(outcome.failure!)")
    #expect(watch.looked > 100 && outcome.plan.faults.count > 5)
  }
}
