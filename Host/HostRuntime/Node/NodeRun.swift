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
  private var record: String?
  private var exitCode = ExitCode.success
  private var hasBeenToldToEnd = false

  package struct Problem: Error {
    package var text: String
  }

  /// Before this, no other thread may exist: signals are blocked for all that come.
  package init(_ node: Node, _ control: EventLoop, checks: Bool) throws(Problem) {
    self.node = node
    self.control = control
    self.checks = checks
    signals = csystem_signalfd([SIGTERM, SIGINT, SIGHUP], 3)
    let plan = node.plan
    guard makeFolder(plan.manifest.node.state, mode: 0o700) else {
      throw Problem(text: "cannot make the state folder \(plan.manifest.node.state): \(systemError()); see node.state")
    }
    do throws(ControlServer.Problem) {
      server = try ControlServer(path: plan.manifest.control.socket, loop: control, log: node.services.log) {
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
      if let record { unlink(record) }
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
        if let record { unlink(record) }
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
    let plan = node.plan
    let folder = RuntimeFolder.path(userID: getuid()) { getenv($0).map { String(cString: $0) } }
    guard makeFolder(folder, mode: RuntimeFolder.mode), distrust(folder) == nil else {
      let reason = distrust(folder) ?? systemError()
      return node.log(NH_LOG_WARNING, "hostctl will not find this node by itself: \(folder): \(reason)")
    }
    let record = NodeRecord(
      name: plan.name, id: Int64(plan.id), pid: getpid(), socket: plan.manifest.control.socket, manifest: plan.path,
      startedMilliseconds: node.startedWall / 1_000_000)
    let path = "\(folder)/\(RuntimeFolder.fileName(of: plan.name))"
    let temporary = "\(path).\(getpid())"
    guard writeFile(temporary, record.file, mode: 0o600), rename(temporary, path) == 0 else {
      return node.log(NH_LOG_WARNING, "hostctl will not find this node by itself: \(path): \(systemError())")
    }
    self.record = path
  }

  private func distrust(_ folder: String) -> String? {
    var status = stat()
    guard stat(folder, &status) == 0 else { return systemError() }
    return RuntimeFolder.distrust(
      isFolder: status.st_mode & S_IFMT == S_IFDIR, ownerID: status.st_uid, mode: status.st_mode, userID: getuid())
  }

  // MARK: --check

  /// Shows the roles as a person would see them, through hostctl and the socket, and ends.
  private func ready() {
    guard checks else { return }
    let allRun = node.roles.allSatisfy { $0.state == .running }
    let socket = node.plan.manifest.control.socket
    let watcher = EventLoop(index: -2, name: "check")
    let thread = UncheckedReference(watcher.startThread())
    watcher.post { [self] in
      let listed = Self.runHostctl(["list", "--socket", socket])
      watcher.stop()
      control.post { [self] in
        thread.value.join()
        exitCode = allRun && listed ? .success : .failure
        hasBeenToldToEnd = true
        node.end()
      }
    }
  }

  private static func runHostctl(_ arguments: [String]) -> Bool {
    let folder = ownExecutable[..<(ownExecutable.lastIndex(of: "/") ?? ownExecutable.startIndex)]
    var words: [UnsafeMutablePointer<CChar>?] = (["hostctl"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process = pid_t()
    guard posix_spawn(&process, "\(folder)/hostctl", nil, nil, &words, environ) == 0 else { return false }
    var status: Int32 = 0
    waitpid(process, &status, 0)
    return status == 0
  }
}

extension NodeRun: @unchecked Sendable {}
