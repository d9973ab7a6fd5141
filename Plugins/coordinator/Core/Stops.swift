#if BROKEN_STOPS
  internal import Glibc

  /// For tests with real processes: the process is gone at the step of the protocol that is written in the file that
  /// COORDINATOR_STOPS names.
  func stop(at step: String) {
    guard let path = getenv("COORDINATOR_STOPS"), let file = fopen(path, "r") else { return }
    defer { fclose(file) }
    var room = [CChar](repeating: 0, count: 64)
    guard fgets(&room, Int32(room.count), file) != nil, strcmp(room, step) == 0 else { return }
    kill(getpid(), SIGKILL)
    // Not one step further.
    while true { pause() }
  }
#endif
