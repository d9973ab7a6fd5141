import SimulatedRoles
import Testing

@testable import Simulator

/// Members and gateways in worlds where everything goes wrong; the broken builds are among the planted faults.
@Suite(.serialized) struct MemberTests {
  @Test(arguments: [(Member.trial, 4, 2.0), (Member.gates, 3, 2), (Member.swaps, 4, 1.5)])
  func membersKnowWhatTheGatewaysKnow(_ trial: RoleTrial, _ members: Int, _ minutes: Double) throws {
    let simulation = try trial.simulation()
    for seed in 1...2 as ClosedRange<UInt64> {
      let watcher = MembersAgree(minutes: minutes, members: Array(Member.names.prefix(members)))
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.agreed == 1 && watcher.looked > 10 && outcome.plan.faults.count > 5, "\(outcome)")
    }
  }
}
