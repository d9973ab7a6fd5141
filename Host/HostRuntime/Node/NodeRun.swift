import CNodeABI
import CSystem
import Glibc
package import HostCore

/// What surrounds a node in its process: the control socket, the record for hostctl, and the signals.
package final class NodeRun: DescriptorWatcher {
  private let node: Node
  private let control: EventLoop
  private let server: ControlServer
  private let signals: Int32
  private let checks: Bool
  private let lock: StateLock
  private var record: RecordFile?
  private var exitCode: ExitCode
  private var hasBeenToldToEnd = false

  package struct Problem: Error {
    package var text: String
  }

  /// Before this, no other thread may exist: signals are blocked for all that come.
  package init(_ node: Node, _ control: EventLoop, checks: Bool) throws(Problem) {
    self.node = node
    self.control = control
    self.checks = checks
    // A check that is cut short has not succeeded.
    exitCode = checks ? .failure : .success
    signals = csystem_signalfd([SIGTERM, SIGINT, SIGHUP], 3)
    let plan = node.plan
    guard makeFolder(plan.manifest.node.state, mode: 0o700) else {
      throw Problem(text: "cannot make the state folder \(plan.manifest.node.state): \(systemError()); see node.state")
    }
    do throws(StateLock.Problem) { lock = try StateLock(plan.manifest.node.state) } catch {
      throw Problem(text: error.text)
    }
    plan.cache.removeUnfinished()
    // Most systems allow 1,024 unless asked; each client takes one.
    _ = csystem_raise_open_files()
    do throws(NetworkFailure) { try node.openListeners() } catch { throw Problem(text: error.words) }
    do throws(NetworkFailure) { try node.openPeers() } catch {
      throw Problem(text: "links to other nodes: \(error.words); see cluster and listen.peers in the manifest")
    }
    do throws(NetworkFailure) {
      if let remote = plan.manifest.control.remote { node.remoteControl = try RemoteControl(remote, of: node) }
    } catch {
      throw Problem(text: "control.address: \(error.words)")
    }
    do throws(ControlServer.Problem) {
      server = try ControlServer(
        path: plan.manifest.control.socket, loop: control, log: node.services.log, remote: node.remoteControl
      ) {
        node.answer($0, $1)
      }
    } catch {
      throw Problem(text: error.text)
    }
  }

  package func untilEnd() -> ExitCode {
    writeRecord()
    server.start()
    control.watch(signals, csystem_readable, self)
    node.whenReady = { [self] in ready() }
    node.whenEnded = { [self] in
      server.close()
      record?.remove()
      // Threads that a role holds for ever must not be met by the process's own cleaning up.
      if node.hasAbandonedRoles { _exit(ExitCode.failure.rawValue) }
      control.stop()
    }
    announce()
    control.post { [node] in node.start() }
    control.run()
    return exitCode
  }

  private func announce() {
    let plan = node.plan
    let socket = plan.manifest.control.socket
    node.log(
      NH_LOG_INFO, "\(plan.name) (id \(plan.id)) from \(plan.path), process \(getpid()), control socket \(socket)")
    node.log(NH_LOG_INFO, "other machines reach this node at \(plan.address)")
    for listener in node.services.http.all + [node.remoteControl?.listener].compactMap({ $0 }) {
      node.log(NH_LOG_INFO, "\(listener.place) at \(listener.address)")
    }
    if let sentence = plan.manifest.namedOnly { node.log(NH_LOG_INFO, sentence) }
    for sentence in plan.manifest.withoutEffect { node.log(NH_LOG_WARNING, sentence) }
  }

  // MARK: Signals

  func descriptorReady(_ events: UInt32) {
    while case let signal = csystem_next_signal(signals), signal != 0 {
      switch signal {
      case SIGHUP:
        node.log(NH_LOG_INFO, "SIGHUP: reading the manifest again")
        node.reload { _ in }
      case _ where hasBeenToldToEnd:
        node.log(NH_LOG_WARNING, "told to end a second time: ending at once")
        record?.remove()
        unlink(node.plan.manifest.control.socket)
        _exit(ExitCode.failure.rawValue)
      default:
        hasBeenToldToEnd = true
        node.end()
      }
    }
  }

  // MARK: The record for hostctl

  private func writeRecord() {
    do throws(RecordFile.Problem) {
      let (written, displaced) = try RecordFile.write(for: node.plan, started: node.startedWall)
      record = written
      guard let displaced else { return }
      node.log(
        NH_LOG_WARNING,
        "hostctl finds only one node of this name from now on; the other one, of \(displaced.manifest), "
          + "is process \(displaced.pid) with the socket \(displaced.socket): give one another node.name")
    } catch {
      node.log(NH_LOG_WARNING, "hostctl will not find this node by itself: \(error.text)")
    }
  }

  // MARK: --check

  /// Shows the roles as a person would see them, through hostctl and the socket, and ends.
  private func ready() {
    guard checks else { return }
    let allRun = node.roles.allSatisfy { $0.state == .running }
    let socket = node.plan.manifest.control.socket
    let watcher = EventLoop(index: -2, name: "check")
    let thread = watcher.startThread()
    watcher.post { [self] in
      let listed = Self.runHostctl(["list", "--socket", socket])
      if !listed { node.log(NH_LOG_ERROR, "hostctl, which lies beside this program, could not list the roles") }
      watcher.stop()
      control.post { [self] in
        thread.join()
        exitCode = allRun && listed ? .success : .failure
        hasBeenToldToEnd = true
        node.end()
      }
    }
  }

  private static func runHostctl(_ arguments: [String]) -> Bool {
    // The node blocks the signals that it reads; its child shall hear them.
    var attributes = posix_spawnattr_t()
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let folder = ownExecutable[..<(ownExecutable.lastIndex(of: "/") ?? ownExecutable.startIndex)]
    var words: [UnsafeMutablePointer<CChar>?] = (["hostctl"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process = pid_t()
    guard posix_spawn(&process, "\(folder)/hostctl", nil, &attributes, &words, environ) == 0 else {
      return false
    }
    var status: Int32 = 0
    waitpid(process, &status, 0)
    return status == 0
  }
}

extension NodeRun: @unchecked Sendable {}
