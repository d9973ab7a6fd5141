internal import CNodeABI
internal import Glibc

// The functions of nh_host, and the checks that all host functions share.

extension FakeHost {
  var isOnLoop: Bool { pthread_equal(thread, pthread_self()) != 0 }

  func breach(_ text: String) {
    misuse.append(text)
    log.append(LogLine(level: .misuse, message: text, fields: nil))
  }

  /// Whether the header allows `function` here and now; if not, that is noted.
  func allows(_ function: String) -> Bool {
    var words = phase.words.union(["any"])
    if isOnLoop { words.insert("loop") }
    guard let bracket = contract.breach(of: function, words: words) else { return true }
    let place = isOnLoop ? "while \(phase.rawValue)" : "on another thread while \(phase.rawValue)"
    breach("\(function) was called \(place), and may be called [\(bracket)]")
    return false
  }

  /// The same for a function that can fail, which the test may want now.
  func permits(_ function: String) -> Bool {
    guard allows(function) else { return false }
    hostCalls.append(function)
    guard let left = failHostCall else { return true }
    failHostCall = left > 1 ? left - 1 : nil
    return left > 1
  }

  func service(_ id: String, _ layout: UInt64) -> UnsafeRawPointer? {
    guard permits("nh_host.get_service"), offered.contains(id), let found = tables.services[id] else { return nil }
    guard found.layout == layout else {
      breach("nh_host.get_service: \(id) is asked for with another layout than this host's")
      return nil
    }
    return found.table
  }

  func logged(_ level: UInt32, _ message: String, _ fields: String) {
    guard allows("nh_host.log") else { return }
    guard let known = LogLine.Level(rawValue: Int(level)) else {
      return breach("nh_host.log: there is no level \(level)")
    }
    var parsed: JSON?
    if !fields.isEmpty {
      parsed = try? JSON(parsing: fields)
      if parsed?.object == nil { breach("nh_host.log: the fields are no JSON object: \(fields)") }
    }
    log.append(LogLine(level: known, message: message, fields: parsed))
  }

  func failed(_ error: RoleError) {
    guard allows("nh_host.fail") else { return }
    if failure == nil { failure = error }
  }

  func time(_ clock: UInt32) -> Int64 {
    guard allows("nh_host.now") else { return 0 }
    return self.clock.now.nanoseconds + (clock == NH_CLOCK_WALL ? self.clock.wallOffset : 0)
  }

  /// Takes what belongs to a handle that must be alive, and notes if it was never given out.
  func expectGiven<Entry>(_ handle: nh_handle, _ table: HandleTable<Entry>, _ function: String) {
    if !table.wasGiven(handle) { breach("\(function): there was never a handle \(handle)") }
  }
}
