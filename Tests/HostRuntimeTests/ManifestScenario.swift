import Glibc
import HostCore
import HostRuntime
import NodeValues

/// One case of a scenario file:
///
///     # What is shown, for people.
///     --set node.id=7            an option of nodehost, nothing quoted
///     NODE_ID=2                  an environment variable
///     ./cluster.key: secret\n    a file beside the manifest
///     manifest                   what to do with what follows, see `Command`
///     nodehost: 1
///     ----
///     the answer, to the next empty line
///
/// In the values of files, and in what follows a command that ends in `escaped`, `\n`, `\r`, `\t`, `\\` and `\xFF`
/// stand for single bytes, and lines are joined: only `\n` ends one.
struct ManifestScenario {
  enum Command: String {
    /// Prints what the node would run, or all errors.
    case manifest
    /// Prints the tree as `YamlNode.rendered` does.
    case rendered
    /// Prints the errors as JSON.
    case json
  }

  /// What the file holds up to the answer, to be written back.
  var question = ""
  var answer = ""
  /// The line of the command, for messages.
  var line = 0
  private var command = Command.manifest
  private var text: [UInt8] = []
  private var overrides = ManifestOverrides()
  private var environment: [String: String] = [:]
  private var files: [String: String] = [:]

  /// What cannot be understood in a scenario file ends the test run: it is the test's own mistake.
  static func read(_ path: String) -> [ManifestScenario] {
    let lines = String(decoding: readFile(path, limit: 1 << 20)!, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    var scenarios: [ManifestScenario] = []
    var next = 0
    while next < lines.count {
      if lines[next].isEmpty { next += 1 } else { scenarios.append(ManifestScenario(lines, &next, path)) }
    }
    return scenarios
  }

  private init(_ lines: [String], _ next: inout Int, _ path: String) {
    let start = next
    while !apply(lines[next]) { next += 1 }
    line = next + 1
    let isEscaped = lines[next].hasSuffix("escaped")
    next += 1
    let first = next
    while lines[next] != "----" { next += 1 }
    let body = lines[first..<next]
    text = Array(isEscaped ? Self.unescaped(body.joined()) : body.map { Array(($0 + "\n").utf8) }.flatMap { $0 }[...])
    question = lines[start...next].joined(separator: "\n")
    next += 1
    let answered = lines[next...].prefix { !$0.isEmpty }
    answer = answered.joined(separator: "\n")
    next += answered.count
  }

  /// True for the command.
  private mutating func apply(_ line: String) -> Bool {
    func value(_ prefix: String) -> String? { line.hasPrefix(prefix) ? String(line.dropFirst(prefix.count)) : nil }
    if line.hasPrefix("#") || line.isEmpty { return false }
    if let setting = value("--set ") {
      overrides.settings.append(setting)
    } else if let peer = value("--peer ") {
      overrides.peers.append(peer)
    } else if let instance = value("--instance ") {
      overrides.instance = instance
    } else if line.hasPrefix("./"), let colon = line.firstIndex(of: ":") {
      let text = Self.unescaped(String(line[colon...].dropFirst(2)))
      files[String(line[..<colon])] = String(decoding: text, as: UTF8.self)
    } else if let equals = line.firstIndex(of: "=") {
      environment[String(line[..<equals])] = String(line[equals...].dropFirst())
    } else {
      let words = line.split(separator: " ")
      command = Command(rawValue: String(words[0]))!
      return true
    }
    return false
  }

  private static func unescaped(_ text: String) -> ArraySlice<UInt8> {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "x"):
        bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)!)
        rest = rest.dropFirst(2)
      default: bytes.append(UInt8(ascii: "\\"))
      }
    }
    return bytes[...]
  }
}

extension ManifestScenario {
  var actual: String {
    let (environment, files) = (environment, files)
    let values = Interpolation(
      variable: { environment[$0] },
      file: { files[$0].map { .success($0) } ?? .failure(.init("cannot be read: No such file or directory")) })
    do throws(ManifestProblems) {
      let loaded = try ManifestFile.parse(text, named: "node.yaml", overrides: overrides, values: values)
      return command == .rendered ? String(loaded.tree.rendered.dropLast()) : loaded.manifest.summary
    } catch {
      return command == .json ? error.json.description : error.description
    }
  }
}

extension Manifest {
  /// What differs from a manifest that says as little as it may, one thing a line.
  fileprivate var summary: String {
    var lines = ["node \(node.id) \(node.name), state \(node.state), socket \(control.socket)"]
    func add(_ what: String, _ text: String?) { if let text { lines.append("\(what) \(text)") } }
    func changed<Value: Equatable>(_ value: Value, from usual: Value) -> String? {
      value == usual ? nil : "\(value)"
    }
    add("address", node.address)
    add("instance", changed(node.instance, from: 1))
    add("stride", changed(node.portStride, from: 10))
    add("cluster", changed(cluster.name, from: "nodehost"))
    add("key", cluster.key.map { "of \($0.value.utf8.count) bytes" })
    add("certificate", cluster.tls.map { "\($0.certificate) \($0.key) \($0.clientAuthority ?? "")" })
    if !cluster.hasOwnLoop { lines.append("links on the first loop") }
    for peer in cluster.peers { add("peer", "\(peer.id) \(peer.address)") }
    for listener in listeners { add("listen", "\(listener.name) \(listener.address)\(listener.tls.text)") }
    if let remote = control.remote {
      let token = remote.token.value.utf8.count
      add("remote", "\(remote.address)\(TLSFiles?.some(remote.tls).text), token of \(token) bytes")
    }
    if !plugins.folders.isEmpty { add("plugins", plugins.folders.joined(separator: " ")) }
    for (plugin, hash) in plugins.allow.sorted(by: { $0.key < $1.key }) { add("allow", "\(plugin) \(hash)") }
    if plugins.hotSwap { lines.append("hot swap") }
    add("loops", loops.map(String.init))
    add("log", changed(log, from: .info))
    if !blobs.keys.isEmpty {
      add("blob keys", "\(blobs.keys.map(\.id).joined(separator: " ")), sealing with \(blobs.sealingKey ?? "none")")
    }
    add("free floor", changed(blobs.freeFloorBytes, from: 512 << 20))
    add("unfinished days", changed(blobs.unfinishedDays, from: 7))
    return (lines + roles.map(\.summary)).joined(separator: "\n")
  }
}

extension TLSFiles? {
  fileprivate var text: String {
    map { " with \($0.certificate) \($0.key)" + ($0.clientAuthority.map { " for \($0)" } ?? "") } ?? ""
  }
}

extension ManifestRole {
  fileprivate var summary: String {
    var line = "role \(role)"
    func add<Value: Equatable>(_ what: String, _ value: Value, _ usual: Value) {
      if value != usual { line += ", \(what) \(value)" }
    }
    add("name", name, role)
    add("plugin", plugin, role)
    add("isolation", isolation, .inProcess)
    if !needs.isEmpty { line += ", needs " + needs.joined(separator: " ") }
    let usual = (restart: RestartSettings(), limits: LimitSettings())
    add("restart", restart.when.rawValue, usual.restart.when.rawValue)
    add("backoff", restart.backoffMilliseconds, usual.restart.backoffMilliseconds)
    add("backoff limit", restart.backoffLimitMilliseconds, usual.restart.backoffLimitMilliseconds)
    add("restarts", restart.limit, usual.restart.limit)
    add("queue", limits.queue, usual.limits.queue)
    add("calls", limits.calls, usual.limits.calls)
    add("drain", limits.drainMilliseconds, usual.limits.drainMilliseconds)
    add("call timeout", limits.callTimeoutMilliseconds, usual.limits.callTimeoutMilliseconds)
    add("start", limits.startMilliseconds, usual.limits.startMilliseconds)
    add("cold start", coldStart, false)
    return line + (config.map { ", config \($0.text)" } ?? "")
  }
}

extension YamlNode {
  /// On one line, with what was expanded: the answer of a scenario must show it.
  fileprivate var text: String {
    switch content {
    case .scalar(let scalar): scalar.typed?.description ?? "?"
    case .list(let items): "[" + items.map(\.text).joined(separator: ", ") + "]"
    case .mapping(let mapping):
      "{" + mapping.entries.map { "\($0.key.text): \($0.value.text)" }.joined(separator: ", ") + "}"
    }
  }
}
