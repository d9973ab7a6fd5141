/// What the simulator must find. Only builds that tests make for themselves have one of the switches; in what ships
/// each question is answered when it is compiled.
enum PlantedFault {
  /// Each gateway says by itself who is the first, and forgets it when it starts anew.
  case ownBootstrap
  /// A registration is acknowledged before it is agreed on.
  case earlyAnswer
  /// Every gateway lets nodes expire by its own clock.
  case everybodyExpires
  /// A leader of an older term is taken.
  case olderTerm
  /// A watcher that comes back goes on one change too late.
  case lateWatcher
}

@inline(__always) func isPlanted(_ fault: PlantedFault) -> Bool {
  #if BROKEN_OWN_BOOTSTRAP
    fault == .ownBootstrap
  #elseif BROKEN_EARLY_ANSWER
    fault == .earlyAnswer
  #elseif BROKEN_EVERYBODY_EXPIRES
    fault == .everybodyExpires
  #elseif BROKEN_OLDER_TERM
    fault == .olderTerm
  #elseif BROKEN_LATE_WATCHER
    fault == .lateWatcher
  #else
    false
  #endif
}
