import CNodeABI
import Glibc
import HostCore
import HostRuntime
import NodeValues
import Synchronization

/// Swaps one after the other in a whole node, while it is called 5,000 times a second.
///
/// Each build is the plugin's file with other bytes behind its end: another hash and another file for the dynamic
/// loader, and so a library of its own, but the same code.
final class SwapBenchmark: @unchecked Sendable {
  private static let callsPerSecond = 5000
  /// Before memory is looked at: until then, queues and pools find their size.
  private static let warmUp = 20
  /// How often it says how far it is, so that what grows with the number of builds shows.
  private static let parts = 10

  private let plugin: String
  private let swaps: Int
  private let folder: String
  private let control = EventLoop(index: 0, name: "control")
  private let log = LogHub(writesToStandardError: false)
  private let node: Node
  private var bytes: [UInt8]
  private let role: String

  // The control loop's.
  /// By call, and by the count that was answered, so that none can hide.
  private var answersOf: [UInt8] = []
  private var timesAnswered: [UInt8] = [0]
  private static let bytesNotedOfCall = 2
  private var failures: [String] = []
  private var slowest = 0.0
  private let goesOn = Atomic<Bool>(true)
  private let made = Atomic<Int>(0)

  /// The folder is empty, and whoever gave it removes it.
  init(plugin: String, swaps: Int, folder: String) {
    self.plugin = plugin
    self.swaps = swaps
    bytes = readFile(plugin, limit: 1 << 28)!
    role = String(plugin.split(separator: "/").last!.dropFirst(3).dropLast(3))
    self.folder = folder
    let text = """
      { nodehost: 1, node: { id: 1, name: bench, address: 127.0.0.1, state: \(folder)/state },
        plugins: { folders: [\(folder)/plugins] }, roles: [{ role: \(role), limits: { calls: 65536, queue: 65536 } }] }
      """
    let none = Interpolation(variable: { _ in nil }, file: { _ in .success("") })
    let manifest = try! ManifestFile.parse(Array(text.utf8), named: "bench.yaml", values: none).manifest
    let plan = NodePlan(
      manifest: manifest, path: "\(folder)/bench.yaml", address: "127.0.0.1", loops: 1, allowsChanges: true)
    node = Node(
      plan, control: control, log: log, allowsOtherPlugins: true, executable: ownFolder + "/nodehost")
  }

  func run() {
    // In another folder than the watched one: the swaps are asked for.
    _ = makeFolder("\(folder)/plugins")
    write(number: 0, to: "\(folder)/plugins/lib\(role).so")
    let thread = control.startThread()
    let ready = Answer<Bool>()
    control.post { [self] in
      node.whenReady = { ready.give(true) }
      node.start()
    }
    _ = ready.wait()
    let caller = Thread { [self] in callForEver() }
    var pauses: [Double] = [], whole: [Double] = [], memory: [Memory] = []
    let part = max(1, swaps / Self.parts)
    let begin = Measure.now()
    for number in 1...(Self.warmUp + swaps) {
      let file = "\(folder)/next.so"
      write(number: number, to: file)
      let start = Measure.now()
      let answer = ask(.swap(SwapRequest(roles: [role], plugin: file)))
      guard case .json(let json, _) = answer, let pause = json["swapped"]?.array?.first?["pause_us"]?.int else {
        print("swap \(number) failed: \(answer)")
        exit(1)
      }
      if number > Self.warmUp {
        pauses.append(Double(pause) / 1000)
        whole.append((Measure.now() - start) / 1e6)
      }
      let done = number - Self.warmUp
      if done >= 0, done % part == 0 { memory.append(memoryNow()) }
      if part >= 100, done > 0, done % part == 0 {
        progress(done, pauses.suffix(part), whole.suffix(part), memory.suffix(2))
      }
    }
    let seconds = (Measure.now() - begin) / 1e9
    goesOn.store(false, ordering: .relaxed)
    caller.join()
    usleep(500_000)
    let count = ask(.call(role: role, method: "next", CallRequest(.words([]))))
    report(pauses, whole, memory, seconds, count)
    let ended = Answer<Bool>()
    control.post { [self] in
      node.whenEnded = { ended.give(true) }
      node.end()
    }
    _ = ended.wait()
    control.stop()
    thread.join()
  }

  private func write(number: Int, to path: String) {
    let tail = (0..<16).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    _ = writeFile(path + ".new", bytes + tail, mode: 0o755)
    rename(path + ".new", path)
  }

  // MARK: Calls

  private func callForEver() {
    let begin = Measure.now()
    while goesOn.load(ordering: .relaxed) {
      let due = Int((Measure.now() - begin) / 1e9 * Double(Self.callsPerSecond))
      for number in made.load(ordering: .relaxed)..<max(due, made.load(ordering: .relaxed)) {
        made.store(number + 1, ordering: .relaxed)
        let sent = Measure.now()
        control.post { [self] in
          answersOf.append(0)
          timesAnswered.append(0)
          node.answer(.call(role: role, method: "next", CallRequest(.words([]), timeoutMilliseconds: 60_000))) {
            self.answered(number, $0, since: sent)
          }
        }
      }
      usleep(1000)
    }
  }

  private func answered(_ number: Int, _ reply: ControlReply, since sent: Double) {
    answersOf[number] += 1
    slowest = max(slowest, (Measure.now() - sent) / 1e6)
    if case .json(let json, _) = reply, let value = json["value"]?.int {
      timesAnswered[min(Int(value), timesAnswered.count - 1)] += 1
    } else {
      failures.append("\(reply)")
    }
  }

  // MARK: The node

  /// This process without what it notes itself of each call.
  private func memoryNow() -> Memory {
    let text = String(decoding: readFile("/proc/self/status", limit: 1 << 16) ?? [], as: UTF8.self)
    let lines = text.split(separator: "\n")
    let notes = made.load(ordering: .relaxed) * Self.bytesNotedOfCall >> 10
    func value(_ name: String) -> Int {
      let line = lines.first { $0.hasPrefix(name) }
      return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) - notes
    }
    return Memory(resident: value("VmRSS:"), own: value("RssAnon:"))
  }

  private func ask(_ request: ControlRequest) -> ControlReply {
    let answer = Answer<ControlReply>()
    control.post { [self] in node.answer(request) { answer.give($0) } }
    return answer.wait()
  }

  private func report(
    _ pauses: [Double], _ whole: [Double], _ memory: [Memory], _ seconds: Double, _ last: ControlReply
  ) {
    let calls = answersOf.count, lost = answersOf.count { $0 == 0 }
    let twice = answersOf.count { $0 > 1 } + timesAnswered.count { $0 > 1 }
    // The last one was made here.
    var counted: Int64 = 0
    if case .json(let json, _) = last { counted = (json["value"]?.int ?? 0) - 1 }
    let rate = Measure.text(Double(calls) / seconds)
    print("\(role): \(swaps) swaps in \(Measure.text(seconds)) s, \(rate) calls/s meanwhile")
    print("  pause at the gate      \(parts(pauses)); aim: p50 2 ms, p99 10 ms")
    print("  swap, asked to done    \(parts(whole))")
    print(
      "  calls                  \(calls) made, \(lost) lost, \(twice) answered twice, \(failures.count) failed, "
        + "\(calls - Int(counted)) not counted by the role; the slowest took \(Measure.text(slowest)) ms")
    if let failure = failures.first { print("  the first failure: \(failure)") }
    let (first, end) = (memory[0], memory.last!)
    print(
      "  growth per swap        own memory \(perSwap(end.own - first.own, swaps)); aim: 40 KB a Swift swap, none in C. "
        + "Resident \(perSwap(end.resident - first.resident, swaps)),")
    print(
      "                         which is not judged: the rest is pages that a file has too, and the system takes them "
        + "back at will. In the end \(end.own >> 10) MB are own, \(end.resident >> 10) MB resident")
  }

  /// Of the swaps since the last such line.
  private func progress(
    _ done: Int, _ pauses: ArraySlice<Double>, _ whole: ArraySlice<Double>, _ memory: ArraySlice<Memory>
  ) {
    let (before, now) = (memory.first!, memory.last!)
    print(
      "  after \(Measure.pad("\(done) swaps", 16)) pause \(parts(Array(pauses))); swap \(parts(Array(whole))); "
        + "growth \(perSwap(now.own - before.own, whole.count)) own, "
        + "\(perSwap(now.resident - before.resident, whole.count)) resident")
    fflush(nil)
  }

  private func parts(_ numbers: [Double]) -> String {
    let sorted = numbers.sorted()
    return [("p50", 0.5), ("p99", 0.99), ("max", 1)].map { name, place in
      "\(name) \(Measure.text(sorted[min(sorted.count - 1, Int(Double(sorted.count) * place))]))"
    }.joined(separator: ", ") + " ms"
  }

  private func perSwap(_ kilobytes: Int, _ swaps: Int) -> String {
    "\(Measure.text(Double(kilobytes) / Double(max(1, swaps)))) KB"
  }
}

/// Of the node, in KB.
private struct Memory {
  var resident: Int
  /// What no file has as well, so that it stays in memory as long as the process keeps it.
  var own: Int
}

/// From one thread to another, once.
final class Answer<Value: Sendable>: @unchecked Sendable {
  private let value = Mutex<Value?>(nil)
  private let given = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(given, 0, 0) }
  deinit { given.deallocate() }

  func give(_ answer: Value) {
    value.withLock { $0 = answer }
    sem_post(given)
  }

  func wait() -> Value {
    while sem_wait(given) != 0 {}
    return value.withLock { $0! }
  }
}

private final class Thread: @unchecked Sendable {
  private var thread = pthread_t()
  private let work: @Sendable () -> Void

  init(_ work: @escaping @Sendable () -> Void) {
    self.work = work
    let context = Unmanaged.passRetained(self).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Thread>.fromOpaque(context!).takeRetainedValue().work()
        return nil
      }, context)
    precondition(status == 0, "no thread")
  }

  func join() { pthread_join(thread, nil) }
}
