/// The learning server's scenarios, with trainers whose models are accounts, and what is broken about it for trial.
package enum Learning {
  package static let build = RoleBuild(
    "flserver", modules: [.init("LearningCore", "Plugins/flserver/Core")], entry: "Plugins/flserver/Entry",
    links: [
      "TrainerWire", "CSha256", "ProtoFields", "Tensors", "CTensors", "Training", "CTraining", "CPictures", "Privacy",
      "CPrivacy", "SecureSum", "CSecureSum",
    ],
    headers: ["SDK/CSha256/include", "SDK/CTensors/include", "SDK/CTraining/include", "SDK/CZstd"],
    libraries: ["zstd", "z", "crypto"])

  package static let everything = RoleTrial(build, "Tests/Simulation/learning.sim") { [LedgerBalances()] }
  /// A thousand of them.
  package static let crowd = RoleTrial(build, "Tests/Simulation/learning-crowd.sim") {
    [LedgerBalances(updatesPerStep: 10)]
  }
  /// The server loses its power again and again.
  package static let crashes = RoleTrial(
    build,
    """
    deployment learning
    minutes 1
    faults crashes,loss
    always one broken per run in trainees.verdict
    """
  ) { [LedgerBalances()] }
  /// Rounds with all trainers, until the session has ended; `faults` are lines of a scenario.
  package static func rounds(_ faults: String) -> RoleTrial {
    RoleTrial(build, "deployment learning-rounds\nminutes 1\n\(faults)") { [LedgerBalances(updatesPerStep: nil)] }
  }
  private static let verdict = "one broken per run in trainees.verdict"

  package static let planted = [
    PlantedFault("LOSES_UPDATES", in: crashes, breaks: LedgerBalances.rule),
    PlantedFault("COUNTS_TWICE", in: crashes, breaks: LedgerBalances.rule, verdict),
    // Goes on with the model before the last.
    PlantedFault("RESUMES_OLDER", in: crashes, breaks: verdict),
  ]
}
