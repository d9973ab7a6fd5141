import CNodeABI
import Glibc
import HostCore
import HostRuntime
import NodeSchema
import NodeValues

/// A plugin that is open in this process, with nothing between it and the case.
final class OpenPlugin: @unchecked Sendable {
  typealias Query =
    @convention(c) (
      UnsafePointer<nh_host_offer>, UnsafeMutablePointer<UnsafePointer<nh_plugin>?>, UnsafeMutablePointer<nh_error>?
    ) -> nh_status

  /// Never in glibc's headers as Swift sees them.
  private static let noDelete: Int32 = 0x1000

  let path: String
  let table: UnsafePointer<nh_plugin>
  let description: PluginDescription
  let methods: [PreparedMethod]
  private let queryFunction: Query

  init(_ subject: CaseSubject) throws {
    path = subject.path
    queryFunction = try Self.load(subject)
    table = try Self.answer(of: queryFunction)
    description = try PluginTable(table: table, file: path).describe()
    let items = table.pointee.methods.items
    methods = description.methods.enumerated().map { PreparedMethod($1, index: $0, items![$0]) }
  }

  /// Only opens the library.
  static func load(_ subject: CaseSubject) throws -> Query {
    guard let handle = dlopen(subject.copy, RTLD_NOW | RTLD_LOCAL | (subject.mayUnload ? 0 : noDelete)) else {
      let text = dlerror().map { String(cString: $0) } ?? "no reason given"
      let prefix = subject.copy + ": "
      throw CaseFailure(
        "the system's loader refuses it: \(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)",
        remedy: "install what it misses, or link the plugin with what it uses")
    }
    guard let symbol = dlsym(handle, "nh_plugin_query") else {
      throw CaseFailure("it does not export nh_plugin_query", remedy: "export it as a function")
    }
    return unsafeBitCast(symbol, to: Query.self)
  }

  /// The table that the plugin gives to a host like this one.
  static func answer(of query: Query) throws -> UnsafePointer<nh_plugin> {
    let answer = ask(query)
    guard answer.status == NH_OK else {
      throw CaseFailure(
        "nh_plugin_query refuses this host with \(StatusCode.words(answer.status)): \(answer.message)",
        remedy: "build it against this host's SDK")
    }
    guard let table = answer.table else {
      throw CaseFailure("nh_plugin_query succeeds without giving a table", remedy: "set *plugin before returning NH_OK")
    }
    return table
  }

  struct Answer {
    var status: nh_status
    var table: UnsafePointer<nh_plugin>?
    var message: String
  }

  func ask(edge: Edge = .slack, change: (inout nh_host_offer) -> Void = { _ in }) -> Answer {
    Self.ask(queryFunction, edge: edge, change: change)
  }

  /// Asks as a host that differs from this one as `change` says.
  static func ask(
    _ query: Query, edge: Edge = .slack, givesError: Bool = true, change: (inout nh_host_offer) -> Void = { _ in }
  ) -> Answer {
    let lender = Lender(edge: edge)
    let room = EdgeMemory(size: 256, edge: edge)
    var table: UnsafePointer<nh_plugin>?
    let error = nh_error(
      struct_size: UInt32(MemoryLayout<nh_error>.size), revision: NH_ABI_REVISION, code: NH_OK, reserved: 0,
      message: room.start.assumingMemoryBound(to: CChar.self), message_capacity: 256, message_len: 0, place: nil,
      place_capacity: 0, place_len: 0)
    return lender.text("nodehost") { name in
      lender.text(HostVersion.text) { version in
        var offer = nh_host_offer(
          struct_size: UInt32(MemoryLayout<nh_host_offer>.size), revision: NH_ABI_REVISION,
          abi_major_least: NH_ABI_MAJOR, abi_major_most: NH_ABI_MAJOR, revision_least: HostABI.revisionLeast,
          revision_most: HostABI.revisionMost, layout: HostABI.layout, host_name: name, host_version: version)
        change(&offer)
        return lender.structure(offer) { offer in
          lender.structure(error) { error in
            let status = query(offer, &table, givesError ? error : nil)
            let message = nh_str(ptr: error.pointee.message, len: min(error.pointee.message_len, 256))
            return Answer(status: status, table: table, message: String(message))
          }
        }
      }
    }
  }

  /// The same without room for an error, which the header allows.
  func askWithoutError(change: (inout nh_host_offer) -> Void) -> Answer {
    Self.ask(queryFunction, givesError: false, change: change)
  }

  // MARK: What running it takes

  /// Nil if the role takes no configuration.
  func schema() throws -> JSONSchema? {
    guard description.schema != .null else { return nil }
    do throws(SchemaProblem) {
      return try JSONSchema(description.schema)
    } catch {
      throw CaseSkip("its schema is none: see configuration.schema")
    }
  }

  /// A configuration as a node would hand it over: the user's, or the defaults, or a made-up one.
  func configuration(_ subject: CaseSubject) throws -> JSON {
    guard let schema = try schema() else { return .object(JSONObject()) }
    let (filled, faults) = schema.check(subject.givenConfig ?? .object(JSONObject()))
    if faults.isEmpty { return filled }
    if subject.givenConfig == nil, let made = ConfigMaker(description.schema, schema).least() { return made }
    throw CaseSkip("there is no configuration to run it with: see configuration.defaults")
  }

  /// A case that runs the role cannot do so if it needs what the checker does not play.
  func requireServices() throws {
    let missing = description.needs.filter { $0.isRequired && $0.id.hasPrefix("nodehost.") }
      .filter { RoleTables.offered[$0.id] != $0.layout }
    guard let first = missing.first else { return }
    let reason = RoleTables.offered[first.id] == nil ? "which the checker does not play" : "of another layout"
    throw CaseSkip("it requires \(first.id), \(reason)")
  }
}

/// A plugin with what nearly every case needs to run it.
struct Runnable {
  let plugin: OpenPlugin
  let config: String
  let seed: UInt64

  init(_ subject: CaseSubject) throws {
    plugin = try OpenPlugin(subject)
    try plugin.requireServices()
    config = try plugin.configuration(subject).description
    seed = subject.seed
  }

  func host(_ change: (inout ScriptedHost.Settings) -> Void = { _ in }) -> ScriptedHost {
    var settings = ScriptedHost.Settings()
    settings.seed = seed
    change(&settings)
    return ScriptedHost(settings)
  }

  /// A role that runs.
  func started(on host: ScriptedHost) throws(RoleFailure) -> ScriptedRole {
    let role = ScriptedRole(plugin, on: host)
    try role.create(config)
    do {
      try role.start()
    } catch {
      role.destroy()
      throw error
    }
    return role
  }

  /// Create, start, everything a session does, stop, destroy; the host that saw it.
  @discardableResult
  func life(_ session: Session = Session(), on host: ScriptedHost) throws(RoleFailure) -> ScriptedHost {
    let role = try started(on: host)
    session.run(role)
    role.drain()
    host.settle(role)
    role.destroy()
    return host
  }
}
