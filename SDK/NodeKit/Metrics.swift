internal import CNodeABI

/// Counters, gauges and histograms, served in Prometheus' text form. Make a metric once, in `start`, and keep
/// it: using it is cheap, making it is not. A metric that the host does not take counts nothing, and says so in
/// the log.
public struct Metrics {
  let link: HostLink

  public typealias Labels = KeyValuePairs<String, String>

  /// A number that only grows; its name ends in `_total`.
  public func counter(_ name: String, _ help: String, labels: Labels = [:]) -> Counter {
    Counter(metric: metric(name, help, labels) { $0.pointee.counter($0.pointee.ctx, $1, $2, $3) })
  }

  /// A number that goes both ways.
  public func gauge(_ name: String, _ help: String, labels: Labels = [:]) -> Gauge {
    Gauge(metric: metric(name, help, labels) { $0.pointee.gauge($0.pointee.ctx, $1, $2, $3) })
  }

  /// Counts observations by size.
  /// - Parameter bounds: the upper bounds, rising, at most 64; none takes 16 that fit seconds.
  public func histogram(_ name: String, _ help: String, labels: Labels = [:], bounds: [Double] = []) -> Histogram {
    let values = bounds.map(\.value)
    return Histogram(
      metric: metric(name, help, labels) { service, name, help, labels in
        values.lend(as: values.map { _ in .double }) {
          service.pointee.histogram(service.pointee.ctx, name, help, labels, $0)
        }
      })
  }

  private func metric(
    _ name: String, _ help: String, _ labels: Labels,
    _ make: (UnsafePointer<nh_metrics_service>, nh_str, nh_str, nh_pair_list) -> nh_handle
  ) -> Metric {
    do {
      let service = try link.metricsService
      let handle = name.lend { name in
        help.lend { help in labels.map { ($0.key, $0.value) }.lend { make(service, name, help, $0) } }
      }
      guard handle != 0 else {
        throw RoleError(
          .resourceExhausted, "its name is no metric name or taken by another kind, or the limit is reached")
      }
      return Metric(link: link, service: service, handle: handle)
    } catch {
      link.report(error, from: "the metric \(name)")
      return Metric(link: link, service: nil, handle: 0)
    }
  }
}

struct Metric {
  let link: HostLink
  let service: UnsafePointer<nh_metrics_service>?
  let handle: nh_handle

  func use(_ body: (UnsafePointer<nh_metrics_service>) -> Void) {
    if let service, link.isServing { body(service) }
  }
}

public struct Counter {
  let metric: Metric
  /// Never a negative number.
  public func add(_ amount: Double = 1) { metric.use { $0.pointee.add($0.pointee.ctx, metric.handle, amount) } }
}

public struct Gauge {
  let metric: Metric
  public func set(_ value: Double) { metric.use { $0.pointee.set($0.pointee.ctx, metric.handle, value) } }
  public func add(_ amount: Double) { metric.use { $0.pointee.add($0.pointee.ctx, metric.handle, amount) } }
}

public struct Histogram {
  let metric: Metric
  public func observe(_ value: Double) { metric.use { $0.pointee.observe($0.pointee.ctx, metric.handle, value) } }
  /// In seconds, as Prometheus counts time.
  public func observe(_ duration: Duration) { observe(Double(duration.nanoseconds) / 1e9) }
}

extension [(String, String)] {
  /// Lends the pairs as C names and values, one inside the other.
  fileprivate func lend<R>(_ body: (nh_pair_list) -> R) -> R {
    lend(from: startIndex, []) { pairs in
      pairs.withUnsafeBufferPointer { body(nh_pair_list(items: $0.baseAddress, count: UInt64($0.count))) }
    }
  }

  private func lend<R>(from index: Int, _ done: [nh_pair], _ body: ([nh_pair]) -> R) -> R {
    guard index < endIndex else { return body(done) }
    return self[index].0.lend { name in
      self[index].1.lend { value in lend(from: index + 1, done + [nh_pair(name: name, value: value)], body) }
    }
  }
}
