import CNodeABI
import CSystem
import HostCore
import NodeValues

/// nh_host, the timer, the random and the metrics service, as one role sees them.
extension RoleInstance {
  static let leastPeriod: Int64 = 1_000_000

  /// The instance that a table's `ctx` stands for.
  static func at(_ context: UnsafeMutableRawPointer?) -> RoleInstance {
    Unmanaged<RoleInstance>.fromOpaque(context!).takeUnretainedValue()
  }

  /// The same without counting the reference, for the hottest functions.
  @inline(__always)
  static func with<R>(_ context: UnsafeMutableRawPointer?, _ body: (RoleInstance) -> R) -> R {
    Unmanaged<RoleInstance>.fromOpaque(context!)._withUnsafeGuaranteedRef(body)
  }

  func getService(_ id: String, _ layout: UInt64) -> UnsafeRawPointer? {
    guard permits([.starting, .running], "get_service"), let offered = HostTables.offered[id] else { return nil }
    guard offered == layout else {
      misuse("it asks for \(id) with another layout", "build the plugin against this host's SDK")
      return nil
    }
    // Descriptors belong to the machine, and a simulated world has none: who can do without gets none.
    if id == NH_FD_ID, VirtualTime.isOn { return nil }
    return tables.table(of: id)
  }

  func log(_ level: UInt32, _ message: nh_str, _ fields: nh_json) {
    guard node.log.isEnabled(level) else { return }
    node.log.write(min(level, NH_LOG_ERROR), role: name, String(message), fields: String(fields))
  }

  // MARK: Timers

  func setTimer(_ delay: Int64, _ period: Int64, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "timer") else { return 0 }
    return seat.setTimer(self, delay: delay, period: period, token: token) ?? 0
  }

  func cancelTimer(_ timer: nh_handle) -> nh_status {
    guard permits([.starting, .running], "timer.cancel") else { return NH_FAILED_PRECONDITION }
    return seat.cancelTimer(self, timer) ? NH_OK : NH_NOT_FOUND
  }

  func remaining(of timer: nh_handle) -> Int64 {
    guard permits([.running], "timer.remaining") else { return -1 }
    return seat.remaining(self, of: timer) ?? -1
  }

  // MARK: Random numbers

  func randomNumber() -> UInt64 {
    guard permits([.starting, .running], "random.next") else { return 0 }
    return HostRandom.number
  }

  func randomNumber(below bound: UInt64) -> UInt64 {
    guard permits([.starting, .running], "random.below"), bound > 0 else { return 0 }
    var source = HostRandom()
    return UInt64.random(in: 0..<bound, using: &source)
  }

  func fill(_ room: nh_buffer) -> nh_status {
    guard permits([.starting, .running], "random.fill") else { return NH_FAILED_PRECONDITION }
    guard room.len > 0 else { return NH_OK }
    guard let start = room.ptr, let count = Int(exactly: room.len) else { return NH_INVALID_ARGUMENT }
    if csystem_world_here() != nil {
      for place in 0..<count { start[place] = UInt8(truncatingIfNeeded: HostRandom.number) }
      return NH_OK
    }
    return csystem_random(start, count) == 0 ? NH_OK : NH_UNAVAILABLE
  }

  // MARK: Metrics

  /// What a histogram's bounds are if the role names none: seconds.
  private static let defaultBounds: [Double] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 25, 100,
  ]
  private static let boundLimit = 64
  private static let labelLimit = 64

  func metric(
    _ kind: MetricRegistry.Kind, _ name: nh_str, _ help: nh_str, _ labels: nh_pair_list, _ bounds: nh_value_list
  )
    -> nh_handle
  {
    guard permits([.starting, .running], "metrics") else { return 0 }
    let name = String(name)
    guard let pairs = UnsafeBufferPointer(labels.items, labels.count, limit: Self.labelLimit),
      let items = UnsafeBufferPointer(bounds.items, bounds.count, limit: Self.boundLimit)
    else { return 0 }
    let own = pairs.map { (name: String($0.name), value: String($0.value)) }
    guard MetricRegistry.isName(name), !name.hasPrefix(MetricRegistry.reservedPrefix),
      own.allSatisfy({ MetricRegistry.isName($0.name) }),
      metrics.count < Self.metricLimit
    else { return 0 }
    var limits = items.map { Double(bitPattern: $0.slot.lo) }
    if kind == .histogram, limits.isEmpty { limits = Self.defaultBounds }
    guard zip(limits, limits.dropFirst()).allSatisfy({ $0 < $1 }),
      let series = node.metrics.series(kind, name, help: String(help), labels: metricLabels(own), bounds: limits)
    else { return 0 }
    if let place = metrics.firstIndex(where: { $0 === series }) { return UInt64(place + 1) }
    metrics.append(series)
    return UInt64(metrics.count)
  }

  func metric(_ handle: nh_handle, _ function: StaticString) -> MetricSeries? {
    guard permits([.starting, .running], function) else { return nil }
    guard handle > 0, handle <= UInt64(metrics.count) else {
      misuse("\(function) got \(handle), which is no metric", "check that creating the metric did not return 0")
      return nil
    }
    return metrics[Int(handle - 1)]
  }
}
