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
  /// The same, as those see it who ask.
  private static let served = RoleTrial(
    build,
    """
    deployment canary/node.yaml
    nodes 3
    minutes 2
    faults crashes,partitions,loss
    clients 4 pause 50ms..600ms timeout 2s
      call canary.set {"sticky":{"member":"user-{unique}"}}
      get /routing/state
    """
  ) { [RoutingAgrees()] }
  package static let planted = [
    // What was prepared and then not committed is gone when its node starts anew.
    PlantedFault("SERVES_PREPARED", in: served, breaks: RoutingAgrees.rises),
    PlantedFault("NO_VERSION_CHECK", in: changes, breaks: "one digest per version in canary.changed"),
    PlantedFault("FORGETS", in: changes, breaks: RoutingAgrees.rises),
  ]
}
