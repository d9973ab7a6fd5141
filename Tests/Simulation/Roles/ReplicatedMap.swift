/// A map on SDK/ReplicatedLog, and what is broken about the log for trial; Raft.swift says what each switch does. Two
/// more need messages that outlive the link that they came by, which no world has: PaperTests finds those.
package enum ReplicatedMap {
  package static let build = RoleBuild(
    "replicated-map", modules: [.init("ReplicatedLog", "SDK/ReplicatedLog")], entry: "Tests/Fixtures/ReplicatedMap")
  package static let linearizable = "linearizable replicated-map.read replicated-map.write"
  package static let agreed = "one digest per index in replicated-map.applied"

  package static func busy(nodes: Int) -> RoleTrial {
    RoleTrial(
      build,
      """
      deployment replicated-map.yaml
      nodes \(nodes)
      minutes 1
      faults all
      clients 4 pause 20ms..300ms timeout 2s
        call replicated-map.write k{1..2} {unique}
        call replicated-map.read k{1..2}
      within 15s running
      always \(linearizable)
      always \(agreed)
      always one leader per term in replicated-map.leads
      """)
  }
  /// What was acknowledged and not synced is lost only if members lose their power within one sync.
  package static let powerCuts = RoleTrial(build, "Tests/Simulation/replicated-map-cuts.sim")

  package static let planted = [
    PlantedFault("EARLY_ANSWER", in: busy(nodes: 3), breaks: linearizable, agreed, within: 60),
    PlantedFault("UNSYNCED_ANSWER", in: powerCuts, breaks: linearizable, agreed, within: 60),
    PlantedFault("STALE_READ", in: busy(nodes: 3), breaks: linearizable, agreed),
    PlantedFault("APPLIES_TWICE", in: busy(nodes: 3), breaks: agreed),
  ]
}
