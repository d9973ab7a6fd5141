/// The image sink's scenarios, and what is broken about it for trial.
package enum Images {
  package static let build = RoleBuild(
    "images", modules: [.init("ImagesCore", "Plugins/images/Core")], entry: "Plugins/images/Entry",
    links: ["CImages"], headers: ["Plugins/images/Codec/include"],
    libraries: ["vips", "gobject-2.0", "glib-2.0", "crypto"])
  package static let everything = RoleTrial(build, "Tests/Simulation/images.sim") {
    [KeptImages(minutes: 3), AnsweredInLease()]
  }
  /// The same images come and go, and the leaders with them.
  package static let failovers = RoleTrial(
    build,
    """
    deployment images/node.yaml
    nodes 3
    minutes 1
    faults crashes,partitions,loss
    clients 6 pause 10ms..200ms timeout 3s
      put /images \(gif)/{1..8}
      put /images \(gif)/{unique}
      get /images/{answered:id}
      get /images/{answered:id}
      delete /images/{answered:id}
    """
  ) { [KeptImages(minutes: 1), AnsweredInLease()] }
  /// 8 × 6 pixels; what stands behind its end makes another image of it.
  private static let gif =
    "hex:4749463839610800060080000047704c5a5a5a21ff0b4e45545343415045322e300301"
    + "00000021f90405000000002c00000000080006000002068c8fa9cb7d05003b"
  package static let planted = [
    PlantedFault("EARLY_ANSWER", in: failovers, breaks: KeptImages.rule),
    PlantedFault("SEALED_IS_KEPT", in: failovers, breaks: KeptImages.rule),
    PlantedFault("ANYBODY_READS", in: failovers, breaks: KeptImages.rule),
    PlantedFault("FORGETS_REMOVALS", in: failovers, breaks: KeptImages.rule),
    PlantedFault("LATE_ANSWER", in: failovers, breaks: AnsweredInLease.rule),
  ]
}
