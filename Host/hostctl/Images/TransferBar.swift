import Glibc
import HostCore

/// A bar on the terminal with how much has gone, how fast, and how long it still takes.
final class TransferBar {
  private static let drawEveryNanoseconds: Int64 = 100_000_000
  private static let cells = 24

  private let name: String
  private let total: UInt64
  private let isShown: Bool
  private let began = System.monotonic
  private var drawnAt: Int64 = 0
  /// Where this attempt went on from: the rate is that of what was sent since.
  private var start: UInt64 = 0

  init(_ name: String, total: UInt64, isShown: Bool) {
    (self.name, self.total) = (name, total)
    self.isShown = isShown && isatty(STDERR_FILENO) == 1
  }

  func show(_ done: UInt64, note: String = "") {
    let now = System.monotonic
    guard isShown, !note.isEmpty || now - drawnAt > Self.drawEveryNanoseconds else { return }
    drawnAt = now
    let filled = total == 0 ? 0 : Int(done * UInt64(Self.cells) / total)
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.cells - filled)
    let text = "\(name) \(bar) \(total == 0 ? 0 : done * 100 / total) % \(note.isEmpty ? rate(done, now) : note)"
    Output.complain("\r\u{1B}[K" + TextLayout.clip(text, to: (Output.width ?? TextLayout.usualWidth) - 1))
  }

  private func rate(_ done: UInt64, _ now: Int64) -> String {
    let seconds = Double(now - began) / 1e9
    guard seconds > 0.2, done > 0 else { return "" }
    let rate = Double(done) / seconds
    let left = HumanUnits.duration(milliseconds: Int64(Double(total - min(done, total)) / rate * 1000))
    return "\(HumanUnits.bytes(UInt64(rate)))/s, \(left) left"
  }

  func clear() { if isShown { Output.complain("\r\u{1B}[K") } }
}
