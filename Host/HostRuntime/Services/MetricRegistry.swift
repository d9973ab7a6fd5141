import NodeValues
import Synchronization

/// One series of numbers. Written by its role's loop, read by whoever collects: each number is an
/// atomic of its own, so that neither waits.
final class MetricSeries: Sendable {
  let labels: [(name: String, value: String)]
  /// A counter's or gauge's value, or the sum of a histogram, as the bits of a double.
  private let value = Atomic<UInt64>(0)
  private let buckets: [Bucket]
  /// Each adds to the value; see `part`.
  private let parts = Mutex<[MetricSeries]>([])
  let bounds: [Double]

  private final class Bucket: Sendable {
    let count = Atomic<UInt64>(0)
  }

  init(labels: [(name: String, value: String)], bounds: [Double]) {
    self.labels = labels
    self.bounds = bounds
    buckets = (0...bounds.count).map { _ in Bucket() }
  }

  // One writer: a load and a store are enough, and cheaper than a compare-and-swap.
  func add(_ amount: Double) { set(own + amount) }
  /// For the host's own counts of what several loops do.
  func addFromAnyThread(_ amount: Double) {
    var seen = value.load(ordering: .relaxed)
    while true {
      let sum = (Double(bitPattern: seen) + amount).bitPattern
      let (done, found) = value.compareExchange(expected: seen, desired: sum, ordering: .relaxed)
      if done { return }
      seen = found
    }
  }
  func set(_ number: Double) { value.store(number.bitPattern, ordering: .relaxed) }
  private var own: Double { Double(bitPattern: value.load(ordering: .relaxed)) }
  func read() -> Double { parts.withLock { $0 }.reduce(own) { $0 + $1.own } }

  /// A part of a counter for one writer more: where several count at every turn, a number of their own costs each of
  /// them less than one that moves from core to core.
  func part() -> MetricSeries {
    let part = MetricSeries(labels: [], bounds: [])
    parts.withLock { $0.append(part) }
    return part
  }

  func observe(_ number: Double) {
    var place = 0
    while place < bounds.count, number > bounds[place] { place += 1 }
    buckets[place].count.add(1, ordering: .relaxed)
    add(number)
  }

  /// How many observations were at most each bound, then all of them.
  func cumulativeCounts() -> [UInt64] {
    var sum: UInt64 = 0
    return buckets.map { bucket in
      sum += bucket.count.load(ordering: .relaxed)
      return sum
    }
  }
}

/// All metrics of a node by name. Series outlive the role that made them, so that counts go on after
/// a restart or a swap.
package final class MetricRegistry: Sendable {
  enum Kind: String, Sendable {
    case counter, gauge, histogram
  }

  private struct Family {
    var kind: Kind
    var help: String
    var series: [MetricSeries] = []
  }

  private let families = Mutex<[String: Family]>([:])

  /// Names that begin so are the host's own.
  static let reservedPrefix = "nodehost_"

  /// The series of a name with these labels, made if need be; nil if the name is another kind's.
  func series(_ kind: Kind, _ name: String, help: String, labels: [(name: String, value: String)], bounds: [Double])
    -> MetricSeries?
  {
    families.withLock { families in
      var family = families[name] ?? Family(kind: kind, help: help)
      guard family.kind == kind else { return nil }
      if let present = family.series.first(where: { $0.labels.elementsEqual(labels, by: ==) }) { return present }
      let series = MetricSeries(labels: labels, bounds: bounds)
      family.series.append(series)
      families[name] = family
      return series
    }
  }

  static func isName(_ name: String) -> Bool {
    func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A || byte == 0x5F }
    func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    guard let first = name.utf8.first, isLetter(first), name.utf8.count <= 128 else { return false }
    return name.utf8.allSatisfy { isLetter($0) || isDigit($0) }
  }

  /// Prometheus' text form.
  func text() -> String {
    var text = ""
    for (name, family) in sorted() {
      if !family.help.isEmpty { text += "# HELP \(name) \(Self.escaped(family.help, quote: false))\n" }
      text += "# TYPE \(name) \(family.kind.rawValue)\n"
      for sample in family.series.flatMap({ Self.samples(of: $0, name, family.kind) }) {
        let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, quote: true))\"" }
        text += "\(sample.name){\(labels.joined(separator: ","))} \(JSON.double(sample.value))\n"
      }
    }
    return text
  }

  func json() -> JSON {
    .array(
      sorted().map { name, family in
        let samples = family.series.flatMap { Self.samples(of: $0, name, family.kind) }
        return [
          "name": .string(name), "kind": .string(family.kind.rawValue), "help": .string(family.help),
          "samples": .array(
            samples.map { sample in
              let labels = JSONObject(sample.labels.map { ($0.name, .string($0.value)) })
              return ["name": .string(sample.name), "labels": .object(labels), "value": .double(sample.value)]
            }),
        ]
      })
  }

  private func sorted() -> [(String, Family)] {
    families.withLock { families in families.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }

  private typealias Sample = (name: String, labels: [(name: String, value: String)], value: Double)

  private static func samples(of series: MetricSeries, _ name: String, _ kind: Kind) -> [Sample] {
    guard kind == .histogram else { return [(name, series.labels, series.read())] }
    let counts = series.cumulativeCounts()
    let bounds = series.bounds.map { JSON.double($0).description } + ["+Inf"]
    return zip(bounds, counts).map { ("\(name)_bucket", series.labels + [("le", $0)], Double($1)) } + [
      ("\(name)_sum", series.labels, series.read()), ("\(name)_count", series.labels, Double(counts.last ?? 0)),
    ]
  }

  private static func escaped(_ text: String, quote: Bool) -> String {
    var out = ""
    // By scalars: CR LF is one character, and would begin a line of its own.
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\"" where quote: out += "\\\""
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
