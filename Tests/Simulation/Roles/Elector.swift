/// The elector's scenarios, and what is broken about it for trial.
package enum Elector {
  package static let build = RoleBuild(
    "elector", modules: [.init("ElectorCore", "Plugins/elector/Core")], entry: "Plugins/elector/Entry")
  package static let everything = RoleTrial(build, "Tests/Simulation/elector.sim") { [OneLeaderAtATime()] }
  /// Only what the watcher sees counts.
  package static let leases = RoleTrial(
    build,
    "deployment elector/node.yaml\nnodes 5\nminutes 3\nfaults all\n"
      + "clients 1 pause 5s..40s timeout 2s\n  call elector.step_down {0..3}"
  ) {
    [OneLeaderAtATime()]
  }
  /// Terms come and go, and the power with them: what a node has not written down it does not know.
  package static let powerCuts = RoleTrial(
    build,
    """
    deployment elector/node.yaml
    nodes 3
    minutes 5
    faults crashes,disks
    clients 3 pause 100ms..1s timeout 1s
      call elector.step_down 0
    always rising term in leader.changed
    """)
  package static let planted = [
    PlantedFault("VOTE_NOT_STORED", in: powerCuts, breaks: "rising term in leader.changed"),
    PlantedFault("NO_PROMISE", in: leases, breaks: OneLeaderAtATime.rule),
    PlantedFault("LONG_LEASE", in: leases, breaks: OneLeaderAtATime.rule),
    PlantedFault("SMALL_MAJORITY", in: leases, breaks: OneLeaderAtATime.rule),
    PlantedFault("ONE_TRY", in: everything, breaks: "same elector.leader"),
  ]
}
