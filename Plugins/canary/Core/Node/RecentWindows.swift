internal import NodeKit

/// A minute of this node's seconds.
struct RecentWindows {
  private static let length = 60
  private var windows: [(versions: [String: Tally], mirror: MirrorTally)] = []
  private var next = 0

  mutating func add(_ window: [String: Tally], mirror: MirrorTally = MirrorTally()) {
    if windows.count < Self.length {
      windows.append((window, mirror))
    } else {
      windows[next] = (window, mirror)
    }
    next = (next + 1) % Self.length
  }

  /// Another one is asked from now on.
  mutating func forgetMirror() {
    for place in windows.indices { windows[place].mirror = MirrorTally() }
  }

  var sum: [String: Tally] {
    var sum: [String: Tally] = [:]
    for window in windows { for (id, tally) in window.versions { sum[id, default: Tally()] += tally } }
    return sum
  }

  var all: Tally { sum.values.reduce(into: Tally()) { $0 += $1 } }
  var mirror: MirrorTally { windows.reduce(into: MirrorTally()) { $0 += $1.mirror } }
  var seconds: Int { windows.count }
}
