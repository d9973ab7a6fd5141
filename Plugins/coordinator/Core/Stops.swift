#if BROKEN_STOPS
  internal import Stops

  /// For tests with real processes, which end at the step that they are told to.
  func stop(at step: String) { stopIfWanted(at: step) }
#endif
