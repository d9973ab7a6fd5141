import Glibc

/// The process is gone at the step of a protocol that is written in the file that NODEHOST_STOPS names. Linked into
/// builds of roles for tests alone.
package func stopIfWanted(at step: String) {
  guard let path = getenv("NODEHOST_STOPS"), let file = fopen(path, "r") else { return }
  defer { fclose(file) }
  var room = [CChar](repeating: 0, count: 64)
  guard fgets(&room, Int32(room.count), file) != nil, strcmp(room, step) == 0 else { return }
  kill(getpid(), SIGKILL)
  // Not one step further.
  while true { pause() }
}
