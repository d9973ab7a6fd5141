/// One role's way through life, as a state machine without a clock, a thread or a plugin: events go
/// in, directives come out, and the node carries them out.
///
///     idle -> loading -> waiting -> starting -> running -> draining -> stopping -> idle
///
/// Any step may fail; the role is then cleaned up and either tried again after a while or left
/// failed, as the manifest says. Nothing that happens to one role is an event of another, but that a
/// role which needs a failed one cannot start.
package struct RoleLifecycle: Sendable {
  package enum State: Sendable, Equatable {
    case idle
    case loading
    /// Loaded; the roles that it needs are not all running yet.
    case waiting
    case starting
    case running
    case draining
    case stopping
    case failed(reason: String, retries: Bool)
  }

  package enum Event: Sendable {
    case begin
    case loaded
    case loadFailed(String)
    /// What the manifest says of it is wrong, and trying again will not change that.
    case refused(String)
    case needsMet
    case needFailed(String)
    case started
    case startFailed(String)
    /// The role itself gave up, after running for so long.
    case faulted(String, afterMilliseconds: Int64)
    /// Somebody wants it gone, or gone and begun anew.
    case end(again: Bool)
    case drained
    case stopped
    case retry
  }

  package enum Directive: Sendable, Equatable {
    case load
    case awaitNeeds
    case start
    case drain
    case stop
    case retry(afterMilliseconds: Int64)
    /// At rest; whoever waits for the end may be told.
    case rested
  }

  /// A role that ran this long before it failed is not failing in a row.
  package static let settledMilliseconds: Int64 = 60_000

  package private(set) var state: State = .idle
  package private(set) var failures = 0
  package private(set) var restarts = 0
  package var policy: RestartSettings

  private enum AfterStop: Sendable {
    case rest
    case again
    case fail(String)
  }
  private var afterStop = AfterStop.rest
  /// An end that came while start was under way, which cannot be interrupted.
  private var endWhenStarted: Bool?

  package init(policy: RestartSettings) { self.policy = policy }

  package mutating func handle(_ event: Event, random: UInt64 = 0) -> [Directive] {
    switch (state, event) {
    case (.idle, .begin), (.failed, .begin): return load()
    case (.failed(_, retries: true), .retry):
      restarts += 1
      return load()
    case (.loading, .loaded):
      if let again = endWhenStarted { return rest(again: again) }
      state = .waiting
      return [.awaitNeeds]
    case (.waiting, .needsMet):
      state = .starting
      return [.start]
    case (.loading, .loadFailed(let reason)), (.starting, .startFailed(let reason)):
      if let again = endWhenStarted { return rest(again: again) }
      return fail(reason, random)
    case (.loading, .refused(let reason)):
      if let again = endWhenStarted { return rest(again: again) }
      return fail(reason, random, mayRetry: false)
    case (.waiting, .needFailed(let need)): return fail("it needs `\(need)`, which is not running", random)
    case (.starting, .started):
      state = .running
      if let again = endWhenStarted { return handle(.end(again: again)) }
      return []
    case (.running, .faulted(let reason, let milliseconds)), (.draining, .faulted(let reason, let milliseconds)):
      if milliseconds >= Self.settledMilliseconds { failures = 0 }
      if case .draining = state {} else { afterStop = .fail(reason) }
      state = .stopping
      return [.stop]
    case (_, .end(let again)): return end(again: again, random)
    case (.draining, .drained):
      state = .stopping
      return [.stop]
    case (.stopping, .stopped): return stopped(random)
    default: return []
    }
  }

  private mutating func load() -> [Directive] {
    state = .loading
    endWhenStarted = nil
    return [.load]
  }

  private mutating func end(again: Bool, _ random: UInt64) -> [Directive] {
    switch state {
    case .idle, .failed, .waiting: return rest(again: again)
    case .loading, .starting:
      endWhenStarted = again
      return []
    case .running:
      afterStop = again ? .again : .rest
      state = .draining
      return [.drain]
    case .draining, .stopping:
      afterStop = again ? .again : .rest
      return []
    }
  }

  private mutating func stopped(_ random: UInt64) -> [Directive] {
    switch afterStop {
    case .rest: return rest(again: false)
    case .again: return rest(again: true)
    case .fail(let reason): return fail(reason, random)
    }
  }

  private mutating func rest(again: Bool) -> [Directive] {
    state = .idle
    failures = 0
    afterStop = .rest
    endWhenStarted = nil
    guard again else { return [.rested] }
    restarts += 1
    return load()
  }

  private mutating func fail(_ reason: String, _ random: UInt64, mayRetry: Bool = true) -> [Directive] {
    failures += 1
    afterStop = .rest
    let retries = mayRetry && policy.when == .onFailure && (policy.limit == 0 || failures <= policy.limit)
    state = .failed(reason: reason, retries: retries)
    guard retries else { return [.rested] }
    return [.retry(afterMilliseconds: policy.backoff.delayMilliseconds(failures: failures, random: random))]
  }
}

extension RoleLifecycle.State {
  /// One word for tables and programs.
  package var name: String {
    switch self {
    case .idle: "stopped"
    case .loading: "loading"
    case .waiting: "waiting"
    case .starting: "starting"
    case .running: "running"
    case .draining: "draining"
    case .stopping: "stopping"
    case .failed: "failed"
    }
  }

  package var failureReason: String? {
    if case .failed(let reason, _) = self { return reason }
    return nil
  }

  /// Whether the role will get nowhere by itself from here.
  package var isSettled: Bool {
    switch self {
    case .idle, .running: true
    case .failed(_, let retries): !retries
    default: false
    }
  }
}
