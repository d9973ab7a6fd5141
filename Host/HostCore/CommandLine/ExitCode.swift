/// What a shell sees of how a command ended. Both executables end with one of these.
package enum ExitCode: Int32, Sendable, CaseIterable {
  case success = 0
  /// It was understood, and failed; or the answer is no, as with `hostctl health`.
  case failure = 1
  /// It was not understood: EX_USAGE of sysexits.h.
  case usage = 64
}
