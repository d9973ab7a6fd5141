/// Lets a few uploads come at a time, in slices, however many are open: what waits for the disk of all of them together
/// stays within bounds, and none waits for another's end.
final class Pacer {
  /// Each that comes may have a megabyte on its way to the disk.
  static let atATime = 8
  static let slice = 2 << 20
  /// So much of an upload comes without a turn: most images are smaller.
  static let unpaced = 256 << 10

  private struct Waiting {
    var bytes: Int
    var grant: (Int) -> Void
  }

  /// What is left of their slices.
  private var running: [UInt64: Int] = [:]
  private var waiting: [UInt64: Waiting] = [:]
  private var line: [UInt64] = []
  private var came: [UInt64: Int] = [:]

  /// An upload wants so much more; `grant` lets it come, now or when its turn is.
  func want(_ upload: UInt64, _ bytes: Int, _ grant: @escaping (Int) -> Void) {
    came[upload, default: 0] += bytes
    if came[upload]! <= Self.unpaced { return grant(bytes) }
    if let left = running[upload] {
      guard left <= 0, !line.isEmpty else {
        running[upload] = left - bytes
        return grant(bytes)
      }
      running[upload] = nil
    }
    if waiting[upload] == nil { line.append(upload) }
    waiting[upload] = Waiting(bytes: (waiting[upload]?.bytes ?? 0) + bytes, grant: grant)
    goOn()
  }

  func end(_ upload: UInt64) {
    (running[upload], waiting[upload], came[upload]) = (nil, nil, nil)
    line.removeAll { $0 == upload }
    goOn()
  }

  private func goOn() {
    while running.count < Self.atATime, !line.isEmpty {
      let next = line.removeFirst()
      guard let waiter = waiting.removeValue(forKey: next) else { continue }
      running[next] = Self.slice - waiter.bytes
      waiter.grant(waiter.bytes)
    }
  }
}
