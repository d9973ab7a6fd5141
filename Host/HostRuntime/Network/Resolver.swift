import CSystem
import Glibc
import HostCore
import Synchronization

/// Finds the addresses of names on a few threads of its own, as the system's function may take seconds. Answers are
/// kept for a while; many who ask for one name at once ask the network once.
final class Resolver: @unchecked Sendable {
  typealias Answer = Result<[SocketAddress], NetworkFailure>
  typealias Told = @Sendable (Answer) -> Void

  /// Names that are slow to find hold up others only when so many are asked for at once.
  private static let threadLimit = 4
  /// Names that wait for a thread; more fail at once.
  private static let waitingLimit = 1_024
  /// How long an answer is believed. Longer asks the network less, and notices a change later.
  private static let foundNanoseconds: Int64 = 10_000_000_000
  private static let failedNanoseconds: Int64 = 1_000_000_000
  private static let cacheLimit = 4_096
  private static let stackSize = 256 << 10

  private struct Name: Hashable {
    var host: String
    var port: UInt16
  }

  private struct Known {
    var answer: Answer
    var until: Int64
  }

  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let hasWork: UnsafeMutablePointer<pthread_cond_t>
  // Under the lock.
  private var known: [Name: Known] = [:]
  private var asking: [Name: [(loop: EventLoop, told: Told)]] = [:]
  private var waiting: [Name] = []
  private var threads = 0
  private var idleThreads = 0
  private var isEnding = false

  init() {
    lock = .allocate(capacity: 1)
    hasWork = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(hasWork, nil)
  }

  deinit {
    pthread_cond_destroy(hasWork)
    pthread_mutex_destroy(lock)
    lock.deallocate()
    hasWork.deallocate()
  }

  private func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }

  /// Called on `loop`, where the answer comes too: at once if it is known or the name is an address itself.
  func resolve(_ host: String, _ port: UInt16, on loop: EventLoop, _ told: @escaping Told) {
    if let literal = SocketAddress(literal: host, port: port) { return told(.success([literal])) }
    let name = Name(host: host, port: port)
    let now = EventLoop.now()
    let answer: Answer? = locked {
      if let known = known[name], known.until > now { return known.answer }
      if asking[name] != nil {
        asking[name]!.append((loop, told))
        return nil
      }
      guard waiting.count < Self.waitingLimit, !isEnding else {
        return .failure(NetworkFailure("too many names are being looked up"))
      }
      asking[name] = [(loop, told)]
      waiting.append(name)
      if idleThreads == 0, threads < Self.threadLimit { startThread() }
      pthread_cond_signal(hasWork)
      return nil
    }
    if let answer { told(answer) }
  }

  /// The threads end when they have nothing to do; nobody waits for one that still asks the network.
  func end() {
    locked {
      isEnding = true
      waiting = []
      pthread_cond_broadcast(hasWork)
    }
  }

  // MARK: The threads

  private func startThread() {
    guard let thread = OwnThread("names", stackSize: Self.stackSize, { [self] in serve() }) else { return }
    thread.detach()
    threads += 1
  }

  private func serve() {
    while let name = take() {
      let answer: Answer
      do throws(NetworkFailure) {
        answer = .success(try SocketAddress.resolve(Endpoint(host: name.host, port: name.port)))
      } catch {
        answer = .failure(error)
      }
      for (loop, told) in keep(answer, of: name) { loop.post { told(answer) } }
    }
  }

  private func take() -> Name? {
    locked {
      idleThreads += 1
      while waiting.isEmpty, !isEnding { pthread_cond_wait(hasWork, lock) }
      idleThreads -= 1
      return waiting.isEmpty ? nil : waiting.removeFirst()
    }
  }

  private func keep(_ answer: Answer, of name: Name) -> [(loop: EventLoop, told: Told)] {
    locked {
      let now = EventLoop.now()
      if known.count >= Self.cacheLimit {
        known = known.filter { $0.value.until > now }
        if known.count >= Self.cacheLimit { known = [:] }
      }
      var life = Self.failedNanoseconds
      if case .success = answer { life = Self.foundNanoseconds }
      known[name] = Known(answer: answer, until: now + life)
      return asking.removeValue(forKey: name) ?? []
    }
  }
}
