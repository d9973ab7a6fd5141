internal import CNodeABI
internal import Glibc
internal import NodeSchema
internal import Synchronization

/// A plugin's table, from a Swift type of this program or from a library, checked and easy to call.
final class PluginLibrary {
  let pointer: UnsafePointer<nh_plugin>
  /// Made from a Swift type of this program.
  let isNative: Bool
  let id: String
  let methods: [DescribedMethod]
  let topics: Set<String>
  let needs: [Need]
  private let schema: JSONSchema
  private let swiftTable: PluginTable?

  var table: nh_plugin { pointer.pointee }

  convenience init<R: Role>(_ role: R.Type) throws {
    let table = try PluginTable(role)
    try self.init(table.pointer, table)
  }

  convenience init(loading path: String) throws {
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) else {
      throw RoleError(.unavailable, String(cString: dlerror()), at: path)
    }
    guard let symbol = dlsym(handle, "nh_plugin_query") else {
      throw RoleError(.unimplemented, "the library exports no nh_plugin_query; is it a plugin?", at: path)
    }
    typealias Query =
      @convention(c) (
        UnsafePointer<nh_host_offer>, UnsafeMutablePointer<UnsafePointer<nh_plugin>?>, UnsafeMutablePointer<nh_error>?
      ) -> nh_status
    try self.init(Self.ask(unsafeBitCast(symbol, to: Query.self)), nil)
  }

  private init(_ pointer: UnsafePointer<nh_plugin>, _ swiftTable: PluginTable?) throws {
    self.pointer = pointer
    self.swiftTable = swiftTable
    isNative = swiftTable != nil
    let table = pointer.pointee
    guard Int(table.struct_size) >= MemoryLayout<nh_plugin>.size, table.abi_major == NH_ABI_MAJOR else {
      throw RoleError(.failedPrecondition, "the plugin's table is of another ABI; build it against this SDK")
    }
    id = String(table.id)
    methods = try Self.list(table.methods.items, table.methods.count).map(DescribedMethod.init)
    topics = Set(Self.list(table.topics.items, table.topics.count).map { String($0.name) })
    needs = Self.list(table.needs.items, table.needs.count).map {
      $0.required == 0 ? .optional(.provided(String($0.id))) : .provided(String($0.id))
    }
    let text = String(table.config_schema)
    schema = text.isEmpty ? .nothing : try JSONSchema(JSON(parsing: text))
  }

  private static func list<T>(_ items: UnsafePointer<T>?, _ count: UInt64) -> UnsafeBufferPointer<T> {
    UnsafeBufferPointer(start: items, count: items == nil ? 0 : Int(count))
  }

  private static func ask(
    _ query: (
      UnsafePointer<nh_host_offer>, UnsafeMutablePointer<UnsafePointer<nh_plugin>?>, UnsafeMutablePointer<nh_error>?
    ) -> nh_status
  ) throws -> UnsafePointer<nh_plugin> {
    var found: UnsafePointer<nh_plugin>?
    try "FakeHost".lend { name in
      var offer = nh_host_offer(
        struct_size: UInt32(MemoryLayout<nh_host_offer>.size), revision: NH_ABI_REVISION,
        abi_major_least: NH_ABI_MAJOR, abi_major_most: NH_ABI_MAJOR, revision_least: 1,
        revision_most: NH_ABI_REVISION, layout: NH_BASE_LAYOUT, host_name: name, host_version: name)
      try catching { query(&offer, &found, $0) }
    }
    guard let found else { throw RoleError(.internal, "nh_plugin_query said yes and gave no table") }
    return found
  }

  /// The configuration with its defaults, or what is wrong with it.
  func check(config: JSON) throws -> JSON {
    let (filled, faults) = schema.check(config)
    guard let fault = faults.first else { return filled }
    throw RoleError(.invalidArgument, fault.description(of: config), at: fault.pointer)
  }
}

/// Which type a Swift `create` makes is one variable of the process, and tests run at the same time.
private let creation = Mutex(())

extension PluginLibrary {
  func create(_ host: UnsafePointer<nh_host>, _ config: JSON) throws -> UnsafeMutableRawPointer? {
    var role: UnsafeMutableRawPointer?
    try creation.withLock { _ in
      PluginTable.current = swiftTable ?? PluginTable.current
      try config.lend { text in try catching { table.create(host, text, &role, $0) } }
    }
    return role
  }

  func start(_ role: UnsafeMutableRawPointer?) throws {
    try catching { table.start(role, $0) }
  }

  func reconfigure(_ role: UnsafeMutableRawPointer?, _ config: JSON) throws {
    guard let function = table.reconfigure else { throw missing("reconfigure") }
    try config.lend { text in try catching { function(role, text, $0) } }
  }

  func save(_ role: UnsafeMutableRawPointer?) throws -> [UInt8] {
    guard let function = table.save else { throw missing("save") }
    let buffer = SinkBuffer()
    try buffer.lend { sink in try catching { function(role, sink, $0) } }
    return buffer.bytes
  }

  func load(_ role: UnsafeMutableRawPointer?, _ state: SavedState) throws {
    guard let function = table.load else { throw missing("load") }
    try state.bytes.lend { bytes in try catching { function(role, UInt32(state.version), bytes, $0) } }
  }

  func health(_ role: UnsafeMutableRawPointer?) -> Health {
    guard let function = table.health else { return .ok }
    let buffer = SinkBuffer()
    let answer = buffer.lend { function(role, $0) }
    let reason = String(decoding: buffer.bytes, as: UTF8.self)
    return answer == NH_HEALTH_OK ? .ok : answer == NH_HEALTH_DEGRADED ? .degraded(reason) : .failed(reason)
  }

  var aspects: Set<FakeHost.Aspect> {
    var found: Set<FakeHost.Aspect> = []
    if table.drain != nil { found.insert(.drain) }
    if table.stop != nil { found.insert(.stop) }
    if table.save != nil, table.load != nil { found.insert(.state) }
    if table.health != nil { found.insert(.health) }
    if table.reconfigure != nil { found.insert(.reconfigure) }
    return found
  }

  private func missing(_ function: String) -> RoleError {
    RoleError(.unimplemented, "the plugin \(id) has no \(function)")
  }
}

/// Lends room for an error and throws what comes back in it.
private func catching(_ body: (UnsafeMutablePointer<nh_error>) -> nh_status) throws {
  let room = UnsafeMutablePointer<CChar>.allocate(capacity: 2 * errorRoom)
  defer { room.deallocate() }
  var error = nh_error(
    struct_size: UInt32(MemoryLayout<nh_error>.size), revision: 1, code: NH_OK, reserved: 0, message: room,
    message_capacity: UInt64(errorRoom), message_len: 0, place: room + errorRoom,
    place_capacity: UInt64(errorRoom), place_len: 0)
  let status = body(&error)
  guard status != NH_OK else { return }
  throw RoleError(
    Status(rawValue: status), String(nh_str(ptr: error.message, len: error.message_len)),
    at: String(nh_str(ptr: error.place, len: error.place_len)))
}

/// As much as a node lends.
private let errorRoom = 1024

/// A method as the plugin's table describes it.
struct DescribedMethod {
  var name: String
  var signature: Signature
  var parameters: [String]
  var function: nh_function
  var isPacked: Bool

  init(_ method: nh_method) throws {
    name = String(method.name)
    signature = try Signature(parsing: String(method.signature))
    parameters = String(method.parameters).split(separator: ",").map(String.init)
    function = method.function
    isPacked = method.convention == NH_PACKED
    guard parameters.isEmpty || parameters.count == signature.parameters.count else {
      throw RoleError(.failedPrecondition, "\(name)\(signature) has \(parameters.count) parameter names", at: name)
    }
  }

  func parameterName(_ index: Int) -> String { index < parameters.count ? parameters[index] : "\(index + 1)" }
}
