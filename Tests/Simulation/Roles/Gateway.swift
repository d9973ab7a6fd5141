/// The discovery gateway's scenarios, with a crowd of clients, and what is broken about it for trial.
package enum Gateway {
  package static let build = RoleBuild(
    "gateway", modules: [.init("GatewayCore", "Plugins/gateway/Core")], entry: "Plugins/gateway/Entry",
    links: ["ProtoFields", "ReplicatedLog"])

  package static let alone = RoleTrial(build, "Tests/Simulation/gateway.sim", minutes: 1.5)
  package static let three = RoleTrial(build, "Tests/Simulation/gateways.sim", minutes: 2) { [GatewaysAgree()] }

  package static let planted = [
    PlantedFault("OWN_BOOTSTRAP", in: three, breaks: "one node per cluster in crowd.bootstrap"),
    PlantedFault("EARLY_ANSWER", in: three, breaks: verdict),
    PlantedFault("OLDER_TERM", in: three, breaks: verdict, "terms rise"),
    PlantedFault("LATE_WATCHER", in: three, breaks: verdict),
    PlantedFault("EVERYBODY_EXPIRES", in: three, breaks: verdict, within: 60, isRare: true),
  ]
  private static let verdict = "one broken per run in crowd.verdict"
}
