import CSystem
import Glibc
import HostCore

/// This program once more, for something that Ctrl-C may end by itself.
enum ChildProcess {
  /// Nil if a signal ended it.
  static func run(_ words: [String]) throws(CommandFailure) -> ExitCode? {
    var attributes = posix_spawnattr_t(), usual = sigset_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    sigemptyset(&usual)
    sigaddset(&usual, SIGINT)
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    let before = signal(SIGINT, SIG_IGN)
    defer { signal(SIGINT, before) }

    var arguments = words.map { strdup($0) }
    defer { for argument in arguments { free(argument) } }
    arguments.append(nil)
    var child: pid_t = 0
    let code = posix_spawn(&child, "/proc/self/exe", nil, &attributes, arguments, csystem_environment())
    guard code == 0 else { throw CommandFailure("cannot start \(words[0])", System.message(code)) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    // As WIFEXITED and WEXITSTATUS have it, which are macros.
    guard status & 0x7F == 0 else { return nil }
    return ExitCode(rawValue: status >> 8 & 0xFF) ?? .failure
  }
}
