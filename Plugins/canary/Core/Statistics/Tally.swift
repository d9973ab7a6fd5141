internal import NodeKit

/// What was counted of one version's requests.
public struct Tally: Sendable, Equatable {
  public var requests: Int64 = 0
  /// Not answered, or with a 5xx.
  public var failures: Int64 = 0
  /// By ``LatencyBounds``; of answers, so of fewer than all requests.
  public var latencies: [Int64] = []

  /// More is not taken from other nodes, so that the sum of what many say is a number.
  static let most: Int64 = 1 << 48

  public init() {}

  public mutating func note(isGood: Bool, microseconds: Int64?) {
    requests += 1
    if !isGood { failures += 1 }
    guard let microseconds else { return }
    if latencies.isEmpty { latencies = [Int64](repeating: 0, count: LatencyBounds.count) }
    latencies[LatencyBounds.bucket(microseconds)] += 1
  }

  static func += (left: inout Tally, right: Tally) {
    left.requests += right.requests
    left.failures += right.failures
    if left.latencies.isEmpty {
      left.latencies = right.latencies
    } else {
      for (place, count) in right.latencies.enumerated() { left.latencies[place] += count }
    }
  }

  /// What may be bad, and what of it was.
  public func count(_ bad: Metric.Bad) -> (all: Int64, bad: Int64) {
    switch bad {
    case .failed: return (requests, min(failures, requests))
    case .slower(let limit):
      let last = LatencyBounds.bucket(limit)
      let good = latencies.prefix(last + 1).reduce(0, +), slow = latencies.dropFirst(last + 1).reduce(0, +)
      return (good + slow, slow)
    }
  }

  public var errorRate: Double { requests == 0 ? 0 : Double(min(failures, requests)) / Double(requests) }

  /// The time within which this part of all answers came, in ms; nil if there were none. Inside of a bucket they are
  /// taken to lie evenly.
  public func percentile(_ part: Double) -> Double? {
    let all = latencies.reduce(0, +)
    guard all > 0 else { return nil }
    let rank = part * Double(all)
    var before: Int64 = 0
    for (place, count) in latencies.enumerated() where count > 0 {
      if Double(before + count) >= rank {
        let low = place == 0 ? 0 : Double(LatencyBounds.microseconds[place - 1])
        let high = place < LatencyBounds.microseconds.count ? Double(LatencyBounds.microseconds[place]) : low
        return (low + (high - low) * max(0, rank - Double(before)) / Double(count)) / 1_000
      }
      before += count
    }
    return Double(LatencyBounds.microseconds.last!) / 1_000
  }

  var json: JSON {
    [
      "requests": .int(requests), "failures": .int(failures),
      "latencies": .array(latencies.isEmpty ? [] : latencies.map { .int($0) }),
    ]
  }

  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["requests", "failures", "latencies"])
    requests = try fields.integer("requests", 0...Self.most)
    failures = try fields.integer("failures", 0...Self.most)
    latencies = try fields.list("latencies", most: LatencyBounds.count).map {
      guard let count = $0.int, (0...Self.most).contains(count) else {
        throw fields.fault("latencies", "expected counts")
      }
      return count
    }
    guard latencies.isEmpty || latencies.count == LatencyBounds.count else {
      throw fields.fault("latencies", "expected \(LatencyBounds.count) counts, or none")
    }
  }
}
