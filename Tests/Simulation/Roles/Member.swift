/// The role `member` with a gateway, and what can be wrong with it.
package enum Member {
  package static let build = RoleBuild(
    "member", modules: [.init("MemberCore", "Plugins/member/Core")], entry: "Plugins/member/Entry",
    links: ["ProtoFields"])

  package static let names = ["m1", "m2", "m3", "m4"]
  package static let trial = RoleTrial(build, "Tests/Simulation/members.sim") {
    [MembersAgree(minutes: 2, members: names)]
  }

  /// With three gateways.
  package static let gates = RoleTrial(build, "Tests/Simulation/gates.sim") {
    [MembersAgree(minutes: 2, members: Array(names.prefix(3)))]
  }

  /// Swapped, and then killed.
  package static let swaps = RoleTrial(build, "Tests/Simulation/member-swaps.sim") {
    [MembersAgree(minutes: 1.5, members: names)]
  }

  package static let planted = [
    PlantedFault("FORGETS_TO_REGISTER", in: trial, breaks: MembersAgree.agreement),
    PlantedFault("RESUMES_TOO_LATE", in: trial, breaks: MembersAgree.agreement),
    PlantedFault("FORGETS_UNWRITTEN", in: swaps, breaks: MembersAgree.agreement),
  ]
}
