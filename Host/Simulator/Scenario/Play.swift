import HostCore
import HostRuntime

/// A scenario whose deployment has been read, ready to be played.
package struct Play: Sendable {
  package internal(set) var scenario: Scenario
  package let deployment: Deployment
  /// The faults that the scenario names itself.
  let steps: [Fault]

  package init(_ scenario: Scenario) throws(Deployment.Problem) {
    self.scenario = scenario
    var deployment = try Deployment(scenario.deployment)
    if let nodes = scenario.nodes { deployment.resize(to: nodes, neighbours: scenario.neighbours) }
    let names = deployment.names
    var steps: [Fault] = []
    for step in scenario.steps {
      do throws(Fault.Problem) { steps.append(try Fault(step.words, nodes: names)) } catch {
        throw Deployment.Problem(text: "line \(step.line): \(error.message)")
      }
    }
    // A rule that a run is too short for would never be looked at.
    let last = steps.map(\.end).max() ?? 0
    if let within = scenario.rules.compactMap(\.within).max(), last + within > scenario.duration {
      let behind = last > 0 ? " behind the last fault that is named, at \(TimeText.text(last))," : ""
      let words = "the runs end before `within \(TimeText.text(within))`\(behind) is looked at; give them more minutes"
      throw Deployment.Problem(text: words)
    }
    self.steps = steps
    self.deployment = deployment
  }

  /// All that goes wrong with this seed. The run is free of faults until `begin`, and for `calm` at its end.
  func plan(
    _ seed: UInt64, from begin: Int64, calm: Int64, spacing: ClosedRange<Int64> = FaultPlan.usualSpacing
  ) -> FaultPlan {
    let roles = deployment.plans.map { $0.manifest.roles.map(\.name) }
    // What must hold some time after the last fault is looked at before the run ends.
    let calm = max(calm, (scenario.rules.compactMap(\.within).max() ?? 0) + 1_000_000_000)
    let end = max(begin, min(scenario.duration - calm, scenario.duration * 4 / 5))
    var plan = FaultPlan(
      kinds: scenario.faults, roles: roles, from: begin, until: end, spacing: spacing, seed: seed)
    plan.faults += steps
    plan.faults.sort { $0.start < $1.start }
    return plan
  }
}
