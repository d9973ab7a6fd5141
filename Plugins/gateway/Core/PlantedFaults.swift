/// What the simulator must find. Never in what ships: only the tests' own build of these sources has the switch, and in
/// all others each question is answered when it is compiled.
enum PlantedFault: String, CaseIterable {
  /// Each gateway says by itself who is the first, and forgets it when it starts anew.
  case ownBootstrap = "own_bootstrap"
  /// A registration is acknowledged before it is agreed on.
  case earlyAnswer = "early_answer"
  /// Every gateway lets nodes expire by its own clock.
  case everybodyExpires = "everybody_expires"
  /// A leader of an older term is taken.
  case olderTerm = "older_term"
  /// A watcher that comes back goes on one change too late.
  case lateWatcher = "late_watcher"
}

#if PLANTED_FAULTS
  nonisolated(unsafe) var plantedFault: PlantedFault?
  func isPlanted(_ fault: PlantedFault) -> Bool { plantedFault == fault }
#else
  @inline(__always) func isPlanted(_ fault: PlantedFault) -> Bool { false }
#endif
