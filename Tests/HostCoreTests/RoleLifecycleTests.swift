import HostCore
import Testing

@Suite struct RoleLifecycleTests {
  typealias State = RoleLifecycle.State

  func role(restarts: Bool = false, limit: Int = 0) -> RoleLifecycle {
    var policy = RestartSettings()
    policy.when = restarts ? .onFailure : .never
    policy.backoffMilliseconds = 100
    policy.backoffLimitMilliseconds = 1000
    policy.limit = limit
    return RoleLifecycle(policy: policy)
  }

  func expectDirectives(
    _ role: inout RoleLifecycle, _ event: RoleLifecycle.Event, _ expected: [RoleLifecycle.Directive],
    at place: SourceLocation = #_sourceLocation
  ) {
    let directives = role.handle(event)
    #expect(directives == expected, sourceLocation: place)
  }

  func running(_ role: RoleLifecycle) -> RoleLifecycle {
    var role = role
    for event in [RoleLifecycle.Event.begin, .loaded, .needsMet, .started] { _ = role.handle(event) }
    return role
  }

  @Test func goesThroughLifeInOrder() {
    var role = role()
    expectDirectives(&role, .begin, [.load])
    expectDirectives(&role, .loaded, [.awaitNeeds])
    expectDirectives(&role, .needsMet, [.start])
    expectDirectives(&role, .started, [])
    #expect(role.state == .running)
    expectDirectives(&role, .end(again: false), [.drain])
    expectDirectives(&role, .drained, [.stop])
    expectDirectives(&role, .stopped, [.rested])
    #expect(role.state == .idle)
  }

  @Test func aFailureWithoutRestartsStays() {
    var role = role()
    _ = role.handle(.begin)
    expectDirectives(&role, .loadFailed("no file"), [.rested])
    #expect(role.state == .failed(reason: "no file", retries: false))
    #expect(role.state.isSettled)
  }

  @Test func failuresInARowWaitLongerUntilTheLimit() {
    var role = role(restarts: true, limit: 3)
    var waits: [Int64] = []
    _ = role.handle(.begin)
    for _ in 0..<4 {
      for case .retry(let wait) in role.handle(.loadFailed("no")) { waits.append(wait) }
      _ = role.handle(.retry)
    }
    #expect(waits == [100, 200, 400])
    #expect(role.restarts == 3)
    #expect(role.state == .failed(reason: "no", retries: false))
  }

  @Test func aLongRunForgivesEarlierFailures() {
    var role = running(role(restarts: true))
    expectDirectives(&role, .faulted("lost", afterMilliseconds: RoleLifecycle.settledMilliseconds), [.stop])
    expectDirectives(&role, .stopped, [.retry(afterMilliseconds: 100)])
    #expect(role.failures == 1)
  }

  @Test func aFaultWhileDrainingIsNoReasonToComeBack() {
    var role = running(role(restarts: true))
    _ = role.handle(.end(again: false))
    expectDirectives(&role, .faulted("lost", afterMilliseconds: 0), [.stop])
    expectDirectives(&role, .stopped, [.rested])
    #expect(role.state == .idle)
  }

  @Test(arguments: [false, true])
  func anEndDuringStartWaitsForIt(_ again: Bool) {
    var role = role()
    for event in [RoleLifecycle.Event.begin, .loaded, .needsMet] { _ = role.handle(event) }
    expectDirectives(&role, .end(again: again), [])
    expectDirectives(&role, .started, [.drain])
    _ = role.handle(.drained)
    expectDirectives(&role, .stopped, [again ? .load : .rested])
  }

  @Test func anEndDuringLoadingNeverStarts() {
    var role = role()
    _ = role.handle(.begin)
    expectDirectives(&role, .end(again: false), [])
    expectDirectives(&role, .loaded, [.rested])
    #expect(role.state == .idle)
  }

  @Test func lateEventsAreIgnored() {
    var role = running(role())
    expectDirectives(&role, .loaded, [])
    expectDirectives(&role, .started, [])
    expectDirectives(&role, .stopped, [])
    #expect(role.state == .running)
  }

  @Test func jitterTakesAtMostAQuarter() {
    let backoff = Backoff(firstMilliseconds: 1000, mostMilliseconds: 8000)
    for random in 0..<1000 as Range<UInt64> {
      #expect((3000...4000).contains(backoff.delayMilliseconds(failures: 3, random: random)))
    }
    #expect(backoff.delayMilliseconds(failures: 60, random: 0) == 8000)
  }
}
