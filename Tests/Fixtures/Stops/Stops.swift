import Glibc

/// The process is gone at the step of a protocol that is written in the file that NODEHOST_STOPS names; or, where the
/// file says `hold STEP`, the role stands still there: the file gets `.held` behind its name, and the role goes on when
/// that is gone. Linked into builds of roles for tests alone.
package func stopIfWanted(at step: String) {
  guard let path = getenv("NODEHOST_STOPS"), let file = fopen(path, "r") else { return }
  defer { fclose(file) }
  var room = [CChar](repeating: 0, count: 64)
  guard fgets(&room, Int32(room.count), file) != nil else { return }
  if strcmp(room, "hold \(step)") == 0 { return hold(String(cString: path)) }
  guard strcmp(room, step) == 0 else { return }
  kill(getpid(), SIGKILL)
  // Not one step further.
  while true { pause() }
}

private func hold(_ path: String) {
  guard rename(path, "\(path).held") == 0 else { return }
  while access("\(path).held", F_OK) == 0 { usleep(1_000) }
}
