import CNodeABI
import Glibc
import HostCore
import NodeValues
import Synchronization

/// A host whose every table, answer and moment a case decides: one role's place on a node that is not
/// there. Time stands still until it is moved, nothing is random but by the seed.
///
/// Metrics and open calls belong to the place; timers and subscriptions to the instance that fills it, until
/// another takes over those that it sets again.
final class ScriptedHost: @unchecked Sendable {
  struct Settings {
    var seed: UInt64 = 0
    /// Behind all that the plugin is lent.
    var edge = Edge.slack
    /// Behind its tables, if that is to differ.
    var tableEdge: Edge?
    var revision = NH_ABI_REVISION
    var withholds = Withheld.nothing
    /// The Nth call of a function that can fail does; 0 is none.
    var failsCall = 0
    /// Fields of a newer host stand behind each table.
    var hasLargerTables = false
    /// Whether it keeps what it sees, for comparing; a thousand lives have no use for it.
    var keepsTranscript = true
  }

  enum Withheld { case nothing, optional, everything }

  /// A call that was outside the bracket of the header.
  struct Breach {
    var function: HostFunction
    var phase: RolePhase
    var isOnLoop: Bool
    var bracket: String
    /// Something else than the bracket, in words.
    var detail = ""
  }

  struct ServiceRequest: Equatable {
    var id: String
    var layout: UInt64
  }

  /// A timer that is set, and what it was set with.
  struct SetTimer {
    unowned var owner: ScriptedRole
    var delay: Int64
    var period: Int64
    var token: UInt64
  }

  struct Subscription {
    unowned var owner: ScriptedRole
    var pattern: String
    var token: UInt64
  }

  struct OpenCall {
    var number: Int
    var method: String
    var result: ValueType
    var deadline: Int64
  }

  enum Answer: Equatable {
    case value(Value)
    case error(nh_status, String)
    /// The role did not answer in time, or was stopped meanwhile.
    case none
  }

  static let timerLimit = 1024
  static let subscriptionLimit = 256
  static let outgoingLimit = 4096
  static let jobLimit = 1024

  /// What the role has asked and got no answer to.
  struct Request {
    unowned let owner: ScriptedRole
    var token: UInt64
    /// For a job of the pool: what to run, and with what.
    var job: (function: nh_work_function, job: UnsafeMutableRawPointer?)?
    var isCancelled = false
    /// For something asked of the store.
    var stored: ScriptedStore.Question?
  }
  static let metricLimit = 1024
  static let callLimit = 4096
  /// How long a caller waits.
  static let callTimeout: Int64 = 5_000_000_000
  /// More that is due at one moment is a role that calls itself for ever.
  static let deliveryLimit = 10_000

  let settings: Settings
  let lender: Lender
  /// Set anew for each host, and by a case that moves the role to another thread.
  var loop = pthread_self()

  var clock: Int64 = 1_000_000_000
  // Two builds may be there at a time.
  var timers = TimerQueue<(token: UInt64, repeats: Bool)>(limit: 2 * ScriptedHost.timerLimit)
  var setTimers: [UInt64: SetTimer] = [:]
  var subscriptions = SlotTable<Subscription>(limit: 2 * ScriptedHost.subscriptionLimit)
  /// While one instance takes another's place.
  var handover: Handover?
  var routes = SlotTable<Route>(limit: 2 * ScriptedHost.routeLimit)
  var forwards = SlotTable<Forward>(limit: 2 * ScriptedHost.forwardLimit)
  var watches = SlotTable<Watch>(limit: 2 * ScriptedHost.watchLimit)
  var exchanges = SlotTable<Exchange>(limit: ScriptedHost.exchangeLimit)
  var ownRequests = SlotTable<ScriptedRequest>(limit: ScriptedRequest.limit)
  var talks = SlotTable<Talk>(limit: ScriptedHost.talkLimit)
  /// How many calls of gRPC the role has made.
  var ownTalks = 0
  var outgoing = SlotTable<Request>(limit: ScriptedHost.outgoingLimit)
  var unanswered: [UInt64] = []
  /// The objects, which belong to the place.
  var blobs = ScriptedBlobs()
  var openCalls = SlotTable<OpenCall>(limit: ScriptedHost.callLimit)
  var store = ScriptedStore()
  var metrics: [String] = []
  var numbers: SeededNumbers
  var sequence: UInt64 = 0

  private(set) var answers: [Answer?] = []
  /// Which method each was asked of.
  private(set) var askedMethods: [String] = []
  private(set) var transcript: [String] = []
  var serviceRequests: [ServiceRequest] = []
  /// Calls so far of functions that can fail.
  private(set) var fallibleCalls = 0
  /// The one that was made to fail.
  private(set) var failedCall: HostFunction?
  private(set) var breaches: [Breach] {
    get { breachList.withLock { $0 } }
    set { breachList.withLock { $0 = newValue } }
  }
  private let breachList = Mutex<[Breach]>([])
  /// Answers that came from other threads.
  private let inbox = Mutex<[(nh_handle, Answer)]>([])
  var failure: String?
  /// The plugin's slowest function so far.
  private(set) var slowest: (name: String, nanoseconds: Int64) = ("", 0)

  init(_ settings: Settings) {
    self.settings = settings
    lender = Lender(edge: settings.edge)
    numbers = SeededNumbers(seed: settings.seed, stream: 1)
  }

  var isOnLoop: Bool { pthread_equal(loop, pthread_self()) != 0 }

  /// The hook before every function: whether it may do its work.
  func permits(_ function: HostFunction, _ role: ScriptedRole) -> Bool {
    let isOnLoop = isOnLoop, phase = role.phase
    if let bracket = function.breach(in: phase, onLoop: isOnLoop) {
      note(Breach(function: function, phase: phase, isOnLoop: isOnLoop, bracket: bracket))
      return false
    }
    guard isOnLoop, function.canFail else { return true }
    fallibleCalls += 1
    guard fallibleCalls == settings.failsCall else { return true }
    failedCall = function
    onFailing?(function)
    return false
  }

  /// Told when the Nth call fails.
  var onFailing: ((HostFunction) -> Void)?

  private static let breachLimit = 100

  func note(_ breach: Breach) {
    breachList.withLock { if $0.count < Self.breachLimit { $0.append(breach) } }
  }

  func record(_ line: @autoclosure () -> String) {
    if settings.keepsTranscript { transcript.append(line()) }
  }

  func forget(after lines: Int) { transcript.removeSubrange(min(lines, transcript.count)...) }

  /// Calls a function of the plugin, and sees how long it takes.
  func timed<R>(_ name: @autoclosure () -> String, _ body: () -> R) -> R {
    var before = timespec(), after = timespec()
    clock_gettime(CLOCK_MONOTONIC, &before)
    defer {
      clock_gettime(CLOCK_MONOTONIC, &after)
      let took = Int64(after.tv_sec - before.tv_sec) * 1_000_000_000 + Int64(after.tv_nsec - before.tv_nsec)
      if took > slowest.nanoseconds { slowest = (name(), took) }
    }
    return body()
  }

  // MARK: Calls

  func newCall(_ method: String, _ result: ValueType) -> nh_handle {
    answers.append(nil)
    askedMethods.append(method)
    let call = OpenCall(
      number: answers.count - 1, method: method, result: result, deadline: clock + Self.callTimeout)
    return openCalls.insert(call) ?? 0
  }

  /// From any thread.
  func settle(_ handle: nh_handle, _ answer: Answer) -> nh_status {
    guard isOnLoop else {
      inbox.withLock { $0.append((handle, answer)) }
      return NH_OK
    }
    guard let call = openCalls.remove(handle) else { return NH_NOT_FOUND }
    var answer = answer
    if case .value(let value) = answer {
      guard let fitting = value.converted(to: call.result) else {
        note(
          Breach(
            function: .reply, phase: .running, isOnLoop: true, bracket: "",
            detail: "\(call.method) answered with \(value.kind), and its signature says \(call.result.name)"))
        return finish(call, .error(NH_INTERNAL, "an answer of the wrong type"))
      }
      answer = .value(fitting)
    }
    return finish(call, answer)
  }

  private func finish(_ call: OpenCall, _ answer: Answer) -> nh_status {
    answers[call.number] = answer
    record("\(call.method) answers \(answer)")
    return NH_OK
  }

  func takeInbox() {
    for (handle, answer) in inbox.withLock({ inbox in
      defer { inbox = [] }
      return inbox
    }) {
      _ = settle(handle, answer)
    }
  }

  /// What ends with the role.
  func releaseAll() {
    timers = TimerQueue(limit: 2 * Self.timerLimit)
    setTimers = [:]
    subscriptions = SlotTable(limit: 2 * Self.subscriptionLimit)
    for (handle, _) in exchanges.elements { end(handle, "ends with the role") }
    for (handle, _) in talks.elements { endTalk(handle, "ends with the role") }
    routes = SlotTable(limit: 2 * Self.routeLimit)
    forwards = SlotTable(limit: 2 * Self.forwardLimit)
    watches = SlotTable(limit: 2 * Self.watchLimit)
    outgoing = SlotTable(limit: Self.outgoingLimit)
    ownRequests = SlotTable(limit: ScriptedRequest.limit)
    unanswered = []
    blobs.endRequests()
    takeInbox()
    for (_, call) in openCalls.removeAll() { _ = finish(call, .none) }
  }
}
