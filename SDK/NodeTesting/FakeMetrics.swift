internal import CNodeABI

/// What a role counted under one name and one set of labels.
public struct MetricSample: Sendable, Equatable {
  public enum Kind: String, Sendable { case counter, gauge, histogram }
  public var kind: Kind
  public var help: String
  /// Of a counter or gauge.
  public var value = 0.0
  /// Of a histogram, in order.
  public var observations: [Double] = []
}

struct MetricRegistry {
  static let seriesLimit = 1_024

  /// The handle of a series is its place here plus one.
  private var series: [(key: String, sample: MetricSample)] = []

  subscript(key: String) -> MetricSample? { series.first { $0.key == key }?.sample }

  static func key(_ name: String, _ labels: [(String, String)]) -> String {
    let list = labels.sorted { $0.0 < $1.0 }.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
    return list.isEmpty ? name : "\(name){\(list)}"
  }

  mutating func handle(_ key: String, _ sample: MetricSample) -> nh_handle {
    if let place = series.firstIndex(where: { $0.key == key }) {
      return series[place].sample.kind == sample.kind ? nh_handle(place + 1) : 0
    }
    guard series.count < Self.seriesLimit else { return 0 }
    series.append((key, sample))
    return nh_handle(series.count)
  }

  /// What is wrong, or empty.
  mutating func count(_ action: String, _ handle: nh_handle, _ number: Double) -> String {
    guard handle > 0, handle <= series.count else { return "there was never a handle \(handle)" }
    let kind = series[Int(handle) - 1].sample.kind
    switch (action, kind) {
    case ("add", .counter) where number < 0: return "a counter never falls, and this adds \(number)"
    case ("add", .counter), ("add", .gauge): series[Int(handle) - 1].sample.value += number
    case ("set", .gauge): series[Int(handle) - 1].sample.value = number
    case ("observe", .histogram): series[Int(handle) - 1].sample.observations.append(number)
    default: return "a \(kind.rawValue) has no \(action)"
    }
    return ""
  }
}

extension FakeHost {
  /// What the role counted: `host.metric("requests_total", labels: ["code": "200"])`.
  public func metric(_ name: String, labels: KeyValuePairs<String, String> = [:]) -> MetricSample? {
    metrics[MetricRegistry.key(name, labels.map { ($0.key, $0.value) })]
  }

  func metric(_ kind: MetricSample.Kind, _ name: String, _ help: String, _ labels: nh_pair_list) -> nh_handle {
    guard permits("nh_metrics_service.\(kind.rawValue)"), Self.isMetricName(name) else { return 0 }
    let pairs = UnsafeBufferPointer(start: labels.items, count: Int(labels.count))
    let key = MetricRegistry.key(name, pairs.map { (String($0.name), String($0.value)) })
    return metrics.handle(key, MetricSample(kind: kind, help: help))
  }

  func count(_ action: String, _ handle: nh_handle, _ number: Double) {
    guard allows("nh_metrics_service.\(action)") else { return }
    let fault = metrics.count(action, handle, number)
    if !fault.isEmpty { breach("nh_metrics_service.\(action): \(fault)") }
  }

  private static func isMetricName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return name.utf8.allSatisfy { letter in
      (0x61...0x7A).contains(letter) || (0x41...0x5A).contains(letter) || (0x30...0x3A).contains(letter)
        || letter == 0x5F
    }
  }
}
