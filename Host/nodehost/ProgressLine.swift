import Glibc
import HostCore

/// One line on a terminal that is written over again and again.
final class ProgressLine {
  private let isShown: Bool

  init(isShown: Bool) { self.isShown = isShown && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

  func show(_ text: String) {
    guard isShown else { return }
    Console.complain("\r\u{1B}[K" + TextLayout.clip(TextLayout.harmless(text), to: Console.width - 1))
  }

  func clear() { if isShown { Console.complain("\r\u{1B}[K") } }
}
