/// The canary router's scenarios, and what is broken about it for trial.
package enum Canary {
  package static let build = RoleBuild(
    "canary", modules: [.init("CanaryCore", "Plugins/canary/Core")], entry: "Plugins/canary/Entry")
  package static let everything = RoleTrial(build, "Tests/Simulation/canary.sim") { [RoutingAgrees()] }
  /// States change all the time, and nodes lose their power and their links.
  package static let changes = RoleTrial(
    build,
    """
    deployment canary/node.yaml
    nodes 3
    minutes 2
    faults crashes,partitions,loss
    clients 4 pause 50ms..600ms timeout 2s
      call canary.set {"sticky":{"member":"user-{unique}"}}
      get /routing/state
    always one digest per version in canary.changed
    always rising version in canary.changed
    """
  ) { [RoutingAgrees()] }
  /// The same, seen from inside only.
  private static let changesUnseen = RoleTrial(
    build,
    """
    deployment canary/node.yaml
    nodes 3
    minutes 2
    faults crashes,partitions,loss
    clients 4 pause 50ms..600ms timeout 2s
      call canary.set {"sticky":{"member":"user-{unique}"}}
    always one digest per version in canary.changed
    """)
  package static let planted = [
    PlantedFault("SERVES_PREPARED", in: changesUnseen, breaks: "one digest per version in canary.changed"),
    PlantedFault("NO_VERSION_CHECK", in: changes, breaks: "one digest per version in canary.changed"),
    PlantedFault("FORGETS", in: changes, breaks: RoutingAgrees.rises),
  ]
}
