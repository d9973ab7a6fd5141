/// The reference role: a register that three nodes keep together, and what can be wrong with it.
package enum Register {
  package static let build = RoleBuild("register", c: "Tests/Simulation/register.c")
  package static let linearizable = "linearizable register.read register.write"

  package static let busy = RoleTrial(build, "Tests/Simulation/busy.sim")
  /// What was acknowledged and not synced is lost only if most replicas lose their power within one sync.
  package static let powerCuts = RoleTrial(build, "Tests/Simulation/power-cuts.sim")
  package static let rising = RoleTrial(build, "Tests/Simulation/busy.sim") { [VersionsRise()] }

  package static let planted =
    ["SMALL_QUORUM", "OWN_TIMESTAMP", "FORGETS", "LATE_ANSWER"].map {
      PlantedFault($0, in: busy, breaks: linearizable)
    }
    + ["NO_WRITE_BACK", "ACK_BEFORE_SYNC"].map { PlantedFault($0, in: powerCuts, breaks: linearizable) }
    + [PlantedFault("FORGETS", in: rising, breaks: VersionsRise.rule, within: 40)]
}
