import Glibc
import HostCore
import HostRuntime
import NodeValues
@testable import Simulator
import Testing

/// A world of nodes `n1`, `n2` … that all listen at port 8080, and what came to pass in it.
final class SimulatedNodes {
  struct Line {
    var time: Double
    var node: Int
    var words: String
  }

  /// A call of a role's method that has been made.
  final class Call {
    fileprivate(set) var answer: ControlReply?
    fileprivate(set) var endedAt: Int64 = 0
  }

  let world: World
  private(set) var lines: [Line] = []
  private let folder = SimulatedPlugins.temporaryFolder()

  /// `roles` are the roles of each node, and `listen` more listeners of each, in YAML.
  init(_ roles: [[String]], listen: String = "", seed: UInt64 = 7) throws {
    for (place, roles) in roles.enumerated() {
      try writeText("\(folder)/n\(place + 1).yaml", Self.manifest(place + 1, roles, listen, folder))
    }
    let deployment = try Deployment(folder)
    let trace = Trace()
    world = World(seed: seed, catalogue: SimulatedPlugins.catalogue, trace: trace)
    trace.reader = { [unowned self] in lines.append(Line(time: Double($0) / 1e9, node: $1, words: $2)) }
    for plan in deployment.plans { _ = world.add(plan) }
    for node in world.nodes { node.start() }
    pass(0.1)
  }

  deinit {
    world.trace.reader = nil
    world.end()
    removeTree(folder)
  }

  private static func manifest(_ id: Int, _ roles: [String], _ listen: String, _ folder: String) -> String {
    """
    nodehost: 1
    node: { id: \(id), name: n\(id), address: 10.0.0.\(id), state: \(folder)/state\(id) }
    plugins: { folders: [\(SimulatedPlugins.folder), \(SimulatedPlugins.products)] }
    log: { level: debug }
    listen: { data: { address: "0.0.0.0:8080" }\(listen) }
    roles: [\(roles.joined(separator: ", "))]
    """
  }

  subscript(_ node: Int) -> SimNode { world.nodes[node - 1] }
  var hash: UInt64 { world.trace.hash }
  var now: Double { Double(world.now) / 1e9 }

  func pass(_ seconds: Double) { world.run(until: world.now + Int64(seconds * 1e9)) }

  /// Begins a call on a node, as hostctl would.
  func begin(_ role: String, _ method: String, _ words: [String], on node: Int, limit: Int64 = 60_000) -> Call {
    let call = Call()
    let request = CallRequest(.words(words), timeoutMilliseconds: limit)
    self[node].ask(.call(role: role, method: method, request)) { [unowned world] reply in
      call.answer = reply
      call.endedAt = world.now
    }
    return call
  }

  /// What it answered, and how many seconds it took.
  func end(_ call: Call, within seconds: Double = 60) throws -> JSON {
    let limit = world.now + Int64(seconds * 1e9)
    while call.answer == nil, world.now < limit, world.failure == nil { world.run(until: world.now + 1_000_000) }
    #expect(world.failure == nil)
    switch call.answer {
    case .json(let json, _): return json["value"] ?? .null
    case .failure(let failure): throw Failed(words: failure.message)
    default: throw Failed(words: "no answer")
    }
  }

  struct Failed: Error { var words: String }

  func call(_ role: String, _ method: String, _ words: [String], on node: Int) throws -> JSON {
    try end(begin(role, method, words, on: node))
  }

  /// The asker of a node sends a request.
  func ask(_ verb: String, _ url: String, _ body: String = "-", timeout: Int = 0, retries: Int = 0, on node: Int = 1)
    throws -> JSON
  {
    try call("asker", "ask", [verb, url, body, "\(timeout)", "\(retries)"], on: node)
  }

  /// Why a request failed.
  func failure(_ work: () throws -> JSON) -> String {
    do { return "\(try work())" } catch { return (error as? Failed)?.words ?? "\(error)" }
  }

  /// How often a node's trace has a line with these words.
  func count(_ words: String, on node: Int) -> Int {
    lines.count { $0.node == node - 1 && contains($0.words, words) }
  }

  /// Bytes that a node has sent by HTTP.
  func sent(by node: Int) -> Int {
    lines.reduce(0) { sum, line in
      guard line.node == node - 1, line.words.hasPrefix("sends to 10."), let colon = line.words.lastIndex(of: ":")
      else { return sum }
      let rest = line.words[colon...].dropFirst(2).prefix { $0.isNumber }
      return sum + (Int(rest) ?? 0)
    }
  }
}

/// Without Foundation.
func contains(_ text: String, _ words: String) -> Bool {
  var rest = text[...]
  while !rest.isEmpty {
    if rest.hasPrefix(words) { return true }
    rest.removeFirst()
  }
  return words.isEmpty
}

func writeText(_ path: String, _ text: String) throws {
  let file = fopen(path, "w")!
  fputs(text, file)
  fclose(file)
}

/// Does the same twice in worlds of their own; everything must happen as it did before.
func twice(_ work: () throws -> SimulatedNodes, place: SourceLocation = #_sourceLocation) throws {
  let first = try {
    let nodes = try work(); return (nodes.hash, nodes.lines)
  }()
  let second = try {
    let nodes = try work(); return (nodes.hash, nodes.lines)
  }()
  let differs = zip(first.1, second.1).first { $0.words != $1.words || $0.time != $1.time }
  #expect(first.0 == second.0, "\(differs.map { "\($0) and \($1)" } ?? "")", sourceLocation: place)
}

/// The plugins of these tests, built once.
enum SimulatedPlugins {
  static let repository: String = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
  static let products: String = {
    let own = resolvedPath("/proc/self/exe")!
    return String(own[..<own.lastIndex(of: "/")!])
  }()

  static let folder: String = {
    let folder = temporaryFolder()
    for name in ["routes", "talker", "watcher"] { build(name, folder) }
    build("watcher", folder, as: "careless", "-DOPTIONAL")
    return folder
  }()

  nonisolated(unsafe) static let catalogue = PluginCatalogue(
    scratch: temporaryFolder(), executable: "\(products)/nodehost")

  private static func build(_ name: String, _ folder: String, as library: String? = nil, _ flags: String = "") {
    let command =
      "cc -std=gnu11 -O1 -shared -fPIC -fvisibility=hidden -I \(repository)/SDK/CNodeABI/include \(flags) "
      + "-o \(folder)/lib\(library ?? name).so \(repository)/Tests/Fixtures/\(name).c"
    precondition(system(command) == 0, command)
  }

  static func temporaryFolder() -> String {
    var template = Array("/tmp/nodehost-test-XXXXXX".utf8CString)
    return String(cString: mkdtemp(&template)!)
  }
}

func removeTree(_ folder: String) { _ = system("rm -rf \(folder)") }
