import Simulator

/// A history as a drawing: a line for each client, in which each operation spans its columns, of a second each.
///
///     w1 begins where its letter stands and ends at the `]` behind it; `w1 ...` without one is never answered.
///
///     "[w1   ]   [r1 ]"
extension History {
  init(_ lines: String...) { self.init(lines) }

  init(_ lines: [String]) {
    self.init()
    var events: [(column: Int, isEnd: Bool, client: Int, text: String)] = []
    for (client, line) in lines.enumerated() {
      let letters = Array(line)
      for column in letters.indices where letters[column] == "[" {
        let text = String(letters[(column + 1)...].prefix { !" ]".contains($0) })
        let behind = letters[(column + 1)...].firstIndex { "[]".contains($0) }
        events.append((column, false, client, text))
        if let behind, letters[behind] == "]" { events.append((behind, true, client, text)) }
      }
    }
    var open: [Int: Int] = [:]
    // Of what is in one column, ends come last, so that those operations are at the same time.
    for event in events.sorted(by: { ($0.column, $0.isEnd ? 1 : 0) < ($1.column, $1.isEnd ? 1 : 0) }) {
      let isRead = event.text.hasPrefix("r"), value = String(event.text.dropFirst())
      if event.isEnd {
        end(open[event.client]!, answer: isRead ? value : nil, at: Int64(event.column) * 1_000_000_000)
      } else {
        open[event.client] = begin(
          event.client, isRead ? .read : .write(value), at: Int64(event.column) * 1_000_000_000)
      }
    }
  }
}
