import NodeKit
import ProtoFields

/// A node that registers. It comes back with the same address, and another instance only if its process died.
final class Member {
  private unowned let crowd: Crowd
  private let id: Int32
  private let instance: String
  private var gateway: Int
  private var isIn = false
  /// When it was acknowledged last; nil if it is not known to be there.
  private var acknowledged: Moment?
  /// Since when it is acknowledged without a long break.
  private var since = Moment(nanoseconds: 0)
  /// It has registered in that time: whatever was decided before does not count.
  private var isFresh = false
  private var label = 0
  private var sequence: UInt64 = 0

  init(_ crowd: Crowd, id: Int32) {
    (self.crowd, self.id) = (crowd, id)
    instance = String(crowd.context.random.next(), radix: 16)
    gateway = crowd.context.random.int(in: 0...100)
  }

  func rest(_ most: Int? = nil) { crowd.after(most ?? crowd.config.pauseMs) { [self] in act() } }

  private func act() {
    guard isIn else { return register() }
    switch crowd.isQuiet ? 19 : crowd.context.random.int(in: 0...19) {
    case 0: leave()
    case 1, 2:
      label += 1
      register()
    case 3: register()
    case 4: lead()
    default: beat()
    }
  }

  private func failed() {
    gateway += 1
    rest()
  }

  // MARK: What it does

  private func register() {
    sequence += 1
    crowd.call("RegisterNode", gateway) { [self] in
      $0.int32(1, id)
      $0.string(2, "10.0.0.\(crowd.context.nodeID)")
      $0.int32(3, id + 1)
      $0.pair(5, "label", "\(label)")
      $0.string(100, instance)
      $0.bool(101, true)
      $0.uint64(102, sequence)
    } then: { [self] result in
      guard var answer = try? result.get() else { return failed() }
      isIn = true
      crowd.count("registered")
      isKnown(byRegistering: true)
      while try answer.next() {
        if answer.field == 3, try answer.bool() {
          crowd.publish("crowd.bootstrap", ["cluster": 1, "node": JSON(Int(id))])
          crowd.count("bootstrap")
        }
      }
      rest()
    }
  }

  private func beat() {
    crowd.call("Heartbeat", gateway) { [self] in
      $0.int32(1, id)
      $0.string(100, instance)
    } then: { [self] result in
      guard var answer = try? result.get() else { return failed() }
      var status = ""
      while try answer.next() { if answer.field == 1 { status = try answer.string() } }
      if status == "acknowledged" {
        crowd.count("beats")
        crowd.context.log.debug("node \(id) is known to gateway \(gateway % crowd.config.gateways.count + 1)")
        isKnown(byRegistering: false)
      } else {
        crowd.count("not found")
        checkLoss()
        isIn = false
        acknowledged = nil
      }
      rest()
    }
  }

  /// Clocks may differ in speed, and what a gateway has heard is on its way to the others for a moment.
  private var shortest: Duration { .seconds(crowd.config.nodeTimeoutSeconds) / 4 }

  private func isKnown(byRegistering: Bool) {
    let now = crowd.context.now
    if acknowledged.map({ $0.duration(to: now) >= shortest }) ?? true { (since, isFresh) = (now, false) }
    if byRegistering { isFresh = true }
    acknowledged = now
  }

  /// It was heard of time and again, for longer than a decision to take it out can be on its way, and nobody else may
  /// take it out.
  private func checkLoss() {
    let now = crowd.context.now
    guard let acknowledged, acknowledged.duration(to: now) < shortest else { return }
    // What the process before this one had asked for may come late, and take its place for a moment.
    guard crowd.age > .seconds(15) else { return }
    guard isFresh || since.duration(to: now) > .seconds(crowd.config.nodeTimeoutSeconds) + .seconds(2) else { return }
    crowd.complain("node \(id) was acknowledged \(acknowledged.duration(to: now)) ago, and is not there")
  }

  private func leave() {
    isIn = false
    acknowledged = nil
    let asked = gateway
    sequence += 1
    crowd.call("Deregister", asked) { [self] in
      $0.int32(1, id)
      $0.string(2, instance)
      $0.uint64(4, sequence)
    } then: { [self] result in
      guard case .success = result else { return failed() }
      crowd.count("left")
      // Nothing that was on its way may bring it back.
      crowd.after(3_000) { [self] in checkAbsence(asked) }
    }
  }

  private func checkAbsence(_ gateway: Int) {
    crowd.call("GetNodes", gateway) { _ in
    } then: { [self] result in
      guard var answer = try? result.get() else { return rest() }
      while try answer.next() {
        guard answer.field == 1 else { continue }
        var node = try answer.message(), number = Int32(0), its = ""
        while try node.next() {
          if node.field == 1 { number = try node.int32() }
          if node.field == 100 { its = try node.string() }
        }
        if number == id, its == instance { crowd.complain("node \(id) has left, and is there again") }
      }
      rest()
    }
  }

  /// Says that it leads, in the next term, in one that is over, or in the same.
  private func lead() {
    let known = crowd.term
    let next = known + UInt64(crowd.context.random.int(in: 0...2))
    let term = next > 1 ? next - 1 : 1
    crowd.call("UpdateLeader", gateway) { [self] in
      $0.int32(1, id)
      $0.uint64(100, term)
    } then: { [self] result in
      guard var answer = try? result.get() else { return failed() }
      var status = ""
      while try answer.next() { if answer.field == 1 { status = try answer.string() } }
      if status == "updated" {
        crowd.count("led")
        if term < known { crowd.complain("node \(id) leads in term \(term), and term \(known) was told before") }
      }
      rest()
    }
  }
}
