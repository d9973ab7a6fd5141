import CNodeABI
import CSystem
import Glibc
import HostCore
import NodeValues

/// Opens plugins in a child process first, so that one which hangs or crashes when it is opened or
/// created costs that child and nothing else.
///
/// The child is this program's `inspect` command; both talk in lines of JSON over a socket that is
/// the child's descriptor 3. One child serves many plugins; after a hang or crash a new one is
/// started for the next.
final class PluginInspector {
  /// How long opening and query may take, and how long create. A plugin that needs longer belongs
  /// into start, which may take its time.
  static let stepLimitMilliseconds: Int64 = 2000
  /// The longest line either side sends: a description with a schema of the largest size.
  static let lineLimit = 8 << 20

  /// A child keeps every build open that it has seen, and most cannot be closed; after so many there is a new one.
  private static let buildsEach = 64

  private struct Child {
    var process: pid_t
    var channel: Int32
    var builds: Set<String> = []
  }
  private enum Silence: Error {
    case timeout
    case died(String)
  }

  private let executable: String
  private let limitMilliseconds: Int64
  private var child: Child?

  init(executable: String, limitMilliseconds: Int64 = PluginInspector.stepLimitMilliseconds) {
    self.executable = executable
    self.limitMilliseconds = limitMilliseconds
  }

  deinit { endChild() }

  func describe(_ file: PluginFile) throws(PluginProblem) -> PluginDescription {
    let answer = try ask([], file, crash: .openCrashed, timeout: .openTimeout, doing: "being opened")
    guard let description = answer["description"].flatMap(PluginDescription.init) else {
      throw PluginProblem(
        .openCrashed, file: file.path, found: "wrote over the inspector's channel while being opened",
        remedy: "a plugin must not touch descriptors that it did not open")
    }
    return description
  }

  /// Creates a role with this configuration, lets it load the state that lies there, and destroys it.
  func tryCreate(_ file: PluginFile, role: String, config: String, state: String? = nil) throws(PluginProblem) {
    var request: [(String, JSON)] = [("role", .string(role)), ("config", .string(config))]
    if let state { request.append(("state", .string(state))) }
    _ = try ask(request, file, crash: .createCrashed, timeout: .createTimeout, doing: "creating `\(role)`")
  }

  private func ask(
    _ more: [(String, JSON)], _ file: PluginFile, crash: PluginProblem.Kind, timeout: PluginProblem.Kind, doing: String
  ) throws(PluginProblem) -> JSON {
    let request = JSONObject(
      [
        ("copy", .string(file.copy)), ("file", .string(file.path)), ("id", .string(file.note.pluginID)),
        ("may_unload", .bool(file.note.mayUnload)),
      ] + more)
    let answer: JSON
    renewChild(for: file)
    do throws(Silence) {
      answer = try exchange("\(JSON.object(request))\n")
    } catch {
      switch error {
      case .timeout:
        throw PluginProblem(
          timeout, file: file.path, found: "was still \(doing) after \(limitMilliseconds) ms in a trial process",
          remedy: "do slow work in start, not in constructors, nh_plugin_query or create")
      case .died(let how):
        throw PluginProblem(
          crash, file: file.path, found: "\(how) while \(doing) in a trial process",
          remedy: "run `nodehost schema \(file.path)` under a debugger")
      }
    }
    if let problem = answer["problem"] {
      let kind = problem["kind"]?.string.flatMap(PluginProblem.Kind.init) ?? crash
      throw PluginProblem(
        kind, file: file.path, found: problem["found"]?.string ?? "", remedy: problem["remedy"]?.string ?? "")
    }
    return answer
  }

  // MARK: The child

  private func renewChild(for file: PluginFile) {
    if let child, child.builds.count >= Self.buildsEach, !child.builds.contains(file.copy) { endChild() }
    guard (try? runningChild()) != nil else { return }
    child?.builds.insert(file.copy)
  }

  private func exchange(_ line: String) throws(Silence) -> JSON {
    let child = try runningChild()
    guard writeAll(child.channel, Array(line.utf8)) else { throw lostChild() }
    var received: [UInt8] = []
    let deadline = EventLoop.now() + limitMilliseconds * 1_000_000
    while received.last != UInt8(ascii: "\n") {
      var waited = pollfd(fd: child.channel, events: Int16(POLLIN), revents: 0)
      let left = (deadline - EventLoop.now()) / 1_000_000
      guard left > 0, poll(&waited, 1, Int32(left)) != 0 else {
        endChild()
        throw .timeout
      }
      var chunk = [UInt8](repeating: 0, count: 64 << 10)
      let count = read(child.channel, &chunk, chunk.count)
      guard count > 0, received.count + count <= Self.lineLimit else { throw lostChild() }
      received += chunk[..<count]
    }
    guard let answer = try? JSON(parsing: received) else { throw lostChild() }
    return answer
  }

  private func runningChild() throws(Silence) -> Child {
    if let child { return child }
    var ends: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw .died("could not be given a channel (\(systemError()))")
    }
    defer { close(ends[1]) }
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(executable), strdup("inspect"), nil]
    defer { for argument in arguments { free(argument) } }
    let process = csystem_start_child(executable, &arguments, ends[1])
    guard process > 0 else {
      close(ends[0])
      throw .died("could not be started (\(systemError()))")
    }
    let started = Child(process: process, channel: ends[0])
    child = started
    return started
  }

  /// Buries a child that went away and says how it did.
  private func lostChild() -> Silence {
    guard let child else { return .died("went away") }
    close(child.channel)
    self.child = nil
    var status: Int32 = 0
    // It may have closed the channel and live on.
    kill(child.process, SIGKILL)
    waitpid(child.process, &status, 0)
    let signal = status & 0x7F
    if signal == 0 { return .died("ended the process with exit code \(status >> 8 & 0xFF)") }
    let name = signal == SIGKILL ? "closed the inspector's channel" : "crashed (\(String(cString: strsignal(signal))))"
    return .died(name)
  }

  private func endChild() {
    guard let child else { return }
    close(child.channel)
    kill(child.process, SIGKILL)
    var status: Int32 = 0
    waitpid(child.process, &status, 0)
    self.child = nil
  }
}

/// The child's side: answers requests on descriptor 3 until it is closed.
package enum InspectorChild {
  private static let channel: Int32 = 3

  package static func run() {
    // A crash is reported by the parent; Swift's own report would only delay it.
    var libraries: [String: PluginLibrary] = [:]
    var pending: [UInt8] = []
    while let line = nextLine(&pending) {
      guard let request = try? JSON(parsing: line) else { return }
      guard writeAll(channel, Array((answer(request, &libraries).description + "\n").utf8)) else { return }
    }
  }

  private static func nextLine(_ pending: inout [UInt8]) -> [UInt8]? {
    while true {
      if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        defer { pending.removeSubrange(...end) }
        return Array(pending[..<end])
      }
      var chunk = [UInt8](repeating: 0, count: 64 << 10)
      let count = read(channel, &chunk, chunk.count)
      guard count > 0, pending.count < PluginInspector.lineLimit else { return nil }
      pending += chunk[..<count]
    }
  }

  private static func answer(_ request: JSON, _ libraries: inout [String: PluginLibrary]) -> JSON {
    do throws(PluginProblem) {
      guard let copy = request["copy"]?.string, let file = request["file"]?.string else { return .null }
      let library: PluginLibrary
      if let open = libraries[copy] {
        library = open
      } else {
        let note = PluginNote(
          pluginID: request["id"]?.string ?? "", mayUnload: request["may_unload"]?.bool ?? false)
        library = try PluginLibrary(opening: PluginFile(trustedCopy: copy, path: file, note: note))
        libraries[copy] = library
      }
      guard let role = request["role"]?.string else { return ["description": library.description.json] }
      try create(library, role, request["config"]?.string ?? "", request["state"]?.string)
      return ["created": true]
    } catch {
      return [
        "problem": [
          "kind": .string(error.kind.rawValue), "found": .string(error.found), "remedy": .string(error.remedy),
        ]
      ]
    }
  }

  private static func create(_ library: PluginLibrary, _ role: String, _ config: String, _ state: String?)
    throws(PluginProblem)
  {
    let services = NodeServices(nodeName: "trial", nodeID: 1, log: LogHub(writesToStandardError: false))
    let loop = EventLoop(index: 0, name: "trial")
    loop.adoptThisThread()
    let seat = RoleSeat(name: role, loop: loop, node: services, limits: LimitSettings())
    let instance = RoleInstance(seat, library: library)
    defer { instance.end() }
    do throws(RoleInstance.Failure) {
      try instance.create(config: config)
    } catch {
      throw PluginProblem(
        .createFailed, file: library.file.path, found: "refuses the configuration of `\(role)`: \(error.message)",
        remedy: "correct it in the manifest")
    }
    guard let saved = state.flatMap({ RoleArchive.state(at: $0) }) else { return }
    do throws(RoleInstance.Failure) {
      try instance.load(saved.bytes, version: saved.version)
    } catch {
      throw PluginProblem(
        .loadFailed, file: library.file.path,
        found: "refuses the state of `\(role)`, version \(saved.version): \(error.message)",
        remedy: "let it load that version, or write `cold_start: on` at the role to begin anew")
    }
  }
}
