/// The smallest role in Swift that can be broken; what a shipped role brings looks like this.
package enum Counter {
  package static let build = RoleBuild(
    "counter", modules: [.init("CounterCore", "Tests/Simulation/counter/Core")],
    entry: "Tests/Simulation/counter/Entry")
  package static let powerCuts = RoleTrial(build, "Tests/Simulation/counter.sim")
  package static let planted = [
    PlantedFault("TELLS_EARLY", in: powerCuts, breaks: "rising count in counter.counted")
  ]
}
