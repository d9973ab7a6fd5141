import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds in which nodes keep images.
@Suite(.serialized) struct ImagesWorldTests {
  private static let seeds: UInt64 = getenv("NODEHOST_LONG_TESTS") == nil ? 3 : 100

  @Test func imagesAreKeptWhateverHappens() throws {
    let simulation = try Images.everything.simulation()
    for seed in 1...Self.seeds {
      let kept = KeptImages(minutes: 3), leases = AnsweredInLease()
      let outcome = simulation.run(seed, watchers: [kept, leases])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(kept.stored > 20 && kept.given > 10 && kept.removed > 0, "\(kept.stored) \(kept.given) \(kept.removed)")
      #expect(leases.looked > 10 && outcome.plan.faults.count > 3)
    }
  }
}
