import Glibc

/// Keeps a second node off a state folder while this process lives, also when it ends by kill -9.
struct StateLock: ~Copyable {
  /// Process ids are shorter.
  private static let contentLimit = 32

  private let descriptor: Int32

  struct Problem: Error {
    var text: String
  }

  init(_ folder: String) throws(Problem) {
    let path = "\(folder)/node.lock"
    let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard opened >= 0 else {
      throw Problem(text: "cannot write into the state folder: \(path): \(systemError()); see node.state")
    }
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      let isTaken = errno == EWOULDBLOCK
      let reason = systemError()
      let owner = String(decoding: readAll(opened, limit: Self.contentLimit) ?? [], as: UTF8.self)
      close(opened)
      throw Problem(
        text: isTaken
          ? "another node\(owner.isEmpty ? "" : ", process \(owner),") runs on the state folder \(folder); "
            + "stop it, or use --instance"
          : "cannot lock \(path): \(reason); see node.state")
    }
    // For the message above only; the lock itself is the kernel's.
    if ftruncate(opened, 0) == 0 { _ = writeAll(opened, Array(String(getpid()).utf8)) }
    descriptor = opened
  }

  deinit { close(descriptor) }
}
