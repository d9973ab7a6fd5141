internal import NodeKit

/// What was counted of requests that were sent to the mirror too.
public struct MirrorTally: Sendable, Equatable {
  var copies = Tally()
  /// The answers of the versions to the same requests, as far as both were answered.
  var originals = Tally()
  /// Copies that were answered with another status, and those that took longer by half.
  var differing: Int64 = 0
  var slower: Int64 = 0

  var isEmpty: Bool { self == MirrorTally() }

  static func += (left: inout MirrorTally, right: MirrorTally) {
    left.copies += right.copies
    left.originals += right.originals
    left.differing += right.differing
    left.slower += right.slower
  }

  var json: JSON {
    [
      "copies": copies.json, "originals": originals.json, "differing": .int(differing), "slower": .int(slower),
    ]
  }

  init() {}

  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["copies", "originals", "differing", "slower"])
    copies = try Tally(fields["copies"] ?? .null, at: "\(place)/copies")
    originals = try Tally(fields["originals"] ?? .null, at: "\(place)/originals")
    differing = try fields.integer("differing", 0...Tally.most)
    slower = try fields.integer("slower", 0...Tally.most)
  }

  /// As a forward table counts them.
  init(counted counts: JSON) {
    copies = Tally(counted: counts)
    originals.latencies = Tally.latencies(counts["original_latency_us"])
    originals.requests = originals.latencies.reduce(0, +)
    differing = counts["differing"]?.int ?? 0
    slower = counts["slower"]?.int ?? 0
  }
}

extension Tally {
  /// Of an upstream, as a forward table counts it. Only requests that are over count: those under way may still be bad.
  init(counted counts: JSON) {
    func number(_ json: JSON?) -> Int64 { json?.int ?? 0 }
    let answers = (counts["answers"]?.object?.members ?? []).reduce(0) { $0 + number($1.value) }
    failures = number(counts["failures"])
    requests = answers + max(0, failures - number(counts["answers"]?["5xx"]))
    latencies = Self.latencies(counts["latency_us"])
  }

  /// From a histogram with bounds of its own.
  static func latencies(_ histogram: JSON?) -> [Int64] {
    let bounds = histogram?["bounds"]?.array ?? [], buckets = histogram?["counts"]?.array ?? []
    var latencies = [Int64](repeating: 0, count: LatencyBounds.count)
    for (place, count) in buckets.enumerated() {
      let bound = place < bounds.count ? bounds[place].int ?? 0 : .max
      latencies[LatencyBounds.bucket(bound)] += count.int ?? 0
    }
    return latencies
  }
}
