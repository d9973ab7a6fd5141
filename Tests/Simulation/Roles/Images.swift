/// The image sink's scenarios, and what is broken about it for trial.
package enum Images {
  package static let build = RoleBuild(
    "images", modules: [.init("ImagesCore", "Plugins/images/Core")], entry: "Plugins/images/Entry",
    links: ["CImages"], headers: ["Plugins/images/Codec/include"],
    libraries: ["vips", "gobject-2.0", "glib-2.0", "crypto"])
  package static let everything = RoleTrial(build, "Tests/Simulation/images.sim") {
    [KeptImages(minutes: 3), AnsweredInLease()]
  }
  package static let planted = [
    PlantedFault("EARLY_ANSWER", in: everything, breaks: KeptImages.rule),
    PlantedFault("ANYBODY_READS", in: everything, breaks: KeptImages.rule),
    PlantedFault("FORGETS_REMOVALS", in: everything, breaks: KeptImages.rule),
    PlantedFault("LATE_ANSWER", in: everything, breaks: AnsweredInLease.rule),
  ]
}
