package import CNodeABI

/// The nh_plugin of one Swift role type, with all the text and lists that it points to. Nothing in it changes
/// once it is made, so it may be read from anywhere.
package final class PluginTable: @unchecked Sendable {
  /// The role type that `create` makes. A plugin has one; the C function that makes a role can carry no type of
  /// its own.
  package nonisolated(unsafe) static var current: PluginTable?

  package let pointer: UnsafePointer<nh_plugin>
  private let needs: [Need]
  private let make: (HostLink, JSON) throws -> RoleInstance
  private let memory: StableMemory

  /// Throws what is wrong with the role's declarations, all of it.
  package init<R: Role>(_ role: R.Type) throws {
    let methods = R.methods
    let schema = try Self.checkedSchema(role, methods)
    needs = R.needs
    let aspects = Aspects<R>()
    make = { link, config in try TypedInstance<R>(link, config, methods, aspects) }
    memory = StableMemory()

    var plugin = nh_plugin(
      struct_size: UInt32(MemoryLayout<nh_plugin>.size), revision: NH_ABI_REVISION, abi_major: NH_ABI_MAJOR,
      threading: NH_THREADING_SERIAL, state_version: 0, reserved: 0, id: memory.text(R.about.id),
      version: memory.text(R.about.version), description: memory.text(R.about.description),
      config_schema: memory.json(schema), methods: memory.methods(methods.map(\.declaration)),
      topics: memory.topics(R.topics), needs: memory.needs(R.needs), provides: memory.texts(R.provides),
      create: createRole, start: startRole, drain: nil, stop: nil, destroy: destroyRole, on_timer: nil,
      on_message: nil, on_http: nil, on_rpc: nil, on_reply: nil, on_event: nil, save: nil, load: nil, health: nil,
      reconfigure: nil)
    plugin.setCallbacks(R.needs)
    plugin.setAspects(aspects)
    pointer = memory.keep(plugin)
  }

  func makeRole(_ host: UnsafePointer<nh_host>, _ config: JSON) throws -> RoleInstance {
    try make(HostLink(host, needs: needs), config)
  }

  /// Not generic and without sets: what those must know of their types, the runtime looks for in every library of the
  /// process; see ``Aspects``.
  private static func problems(_ methods: [MethodDeclaration]) -> [String] {
    var problems: [String] = []
    for (index, method) in methods.enumerated() {
      if let problem = method.problem { problems.append(problem) }
      if methods[..<index].contains(where: { $0.name == method.name }) {
        problems.append("two methods are called \(method.name)")
      }
    }
    return problems
  }

  private static func checkedSchema<R: Role>(_ role: R.Type, _ methods: [Method<R>]) throws -> String {
    var problems = Self.problems(methods.map(\.declaration))
    if R.about.id.isEmpty { problems.append("About has no id") }
    var schema = ""
    do {
      schema = R.Config.self == NoConfig.self ? "" : JSON.object(try R.Config.schema()).description
    } catch {
      problems.append(RoleError(error).message)
    }
    guard problems.isEmpty else {
      throw RoleError(.failedPrecondition, problems.joined(separator: "; "), at: "\(R.self)")
    }
    return schema
  }
}

/// Allocates what the table points to, and frees it with the table; a plugin's table stays for ever.
package final class StableMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  package init() {}

  deinit { for block in blocks { block.deallocate() } }

  package func keep<T: BitwiseCopyable>(_ value: T) -> UnsafePointer<T> { list([value])! }

  package func list<T: BitwiseCopyable>(_ items: [T]) -> UnsafePointer<T>? {
    guard !items.isEmpty else { return nil }
    let room = UnsafeMutablePointer<T>.allocate(capacity: items.count)
    room.initialize(from: items, count: items.count)
    blocks.append(UnsafeMutableRawPointer(room))
    return UnsafePointer(room)
  }

  package func text(_ text: String) -> nh_str {
    nh_str(ptr: list(text.utf8.map { CChar(bitPattern: $0) }), len: UInt64(text.utf8.count))
  }

  func json(_ text: String) -> nh_json {
    let kept = self.text(text)
    return nh_json(ptr: kept.ptr, len: kept.len)
  }

  func texts(_ texts: [String]) -> nh_str_list {
    nh_str_list(items: list(texts.map(text)), count: UInt64(texts.count))
  }

  func topics(_ topics: [Topic]) -> nh_topic_list {
    let items = topics.map { nh_topic(name: text($0.name), doc: text($0.doc)) }
    return nh_topic_list(items: list(items), count: UInt64(items.count))
  }

  func needs(_ needs: [Need]) -> nh_need_list {
    let items = needs.map {
      nh_need(id: text($0.id), layout: $0.layout, required: $0.isRequired ? 1 : 0, reserved: 0)
    }
    return nh_need_list(items: list(items), count: UInt64(items.count))
  }

  func methods(_ methods: [MethodDeclaration]) -> nh_method_list {
    let items = methods.map { method in
      nh_method(
        name: text(method.name), doc: text(method.doc), signature: text(method.signature.description),
        parameters: text(method.parameterNames.joined(separator: ",")), function: packedMethod,
        convention: NH_PACKED, flags: method.idempotent ? NH_METHOD_IDEMPOTENT : 0)
    }
    return nh_method_list(items: list(items), count: UInt64(items.count))
  }
}
