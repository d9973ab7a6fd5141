internal import NodeKit

/// A minute of this node's seconds.
struct RecentWindows {
  private static let length = 60
  private var windows: [[String: Tally]] = []
  private var next = 0

  mutating func add(_ window: [String: Tally]) {
    if windows.count < Self.length {
      windows.append(window)
    } else {
      windows[next] = window
    }
    next = (next + 1) % Self.length
  }

  var sum: [String: Tally] {
    var sum: [String: Tally] = [:]
    for window in windows { for (id, tally) in window { sum[id, default: Tally()] += tally } }
    return sum
  }

  var all: Tally { sum.values.reduce(into: Tally()) { $0 += $1 } }
  var seconds: Int { windows.count }
}
