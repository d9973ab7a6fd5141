import Glibc
import HostCore

/// Standard output and error of the commands that print and end.
enum Console {
  static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
  static let style = Style(terminal: isatty(STDOUT_FILENO) == 1, environment: environment)

  static var width: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return TextLayout.usualWidth }
    return Int(size.ws_col)
  }

  /// A reader that went away, as `head` does, has had enough: that is a success.
  static func write(_ text: String) { write(text, to: STDOUT_FILENO) }
  static func complain(_ text: String) { write(text, to: STDERR_FILENO) }

  @discardableResult
  static func show(_ text: String) -> ExitCode {
    write(text)
    return .success
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      if count < 0 { exit(errno == EPIPE ? ExitCode.success.rawValue : ExitCode.failure.rawValue) }
      rest = rest.dropFirst(count)
    }
  }
}
