import CNodeABI
package import HostCore
import NodeValues

/// Reads a plugin's table as what it is: bytes from a stranger. Every pointer is looked at before it
/// is followed, every length has a bound, and a fault names the field.
package struct PluginTable {
  let table: UnsafeRawPointer
  let file: String

  package init(table: UnsafeRawPointer, file: String) {
    self.table = table
    self.file = file
  }

  static let textLimit: UInt64 = 4096
  static let schemaLimit: UInt64 = 1 << 20
  static let listLimit: UInt64 = 256

  private func fault(_ found: String, _ remedy: String = "fill in the whole nh_plugin; see nodehost/plugin.h")
    -> PluginProblem
  {
    PluginProblem(.badTable, file: file, found: found, remedy: remedy)
  }

  package func describe() throws(PluginProblem) -> PluginDescription {
    let size = table.load(as: UInt32.self)
    guard size >= UInt32(MemoryLayout<nh_plugin>.size) else {
      throw fault(
        "its table is \(size) bytes long, and revision 1 has \(MemoryLayout<nh_plugin>.size)",
        "set struct_size to sizeof(nh_plugin)")
    }
    let plugin = table.assumingMemoryBound(to: nh_plugin.self)
    guard plugin.pointee.abi_major == NH_ABI_MAJOR else {
      throw fault("its table is for ABI major \(plugin.pointee.abi_major), and this host speaks \(NH_ABI_MAJOR)")
    }
    guard plugin.pointee.threading == NH_THREADING_SERIAL else {
      throw fault("its threading is \(plugin.pointee.threading), and revision 1 knows only NH_THREADING_SERIAL")
    }
    try requireFunctions()
    let needs = try needs(plugin.pointee.needs)
    return PluginDescription(
      id: try identifier(plugin.pointee.id), version: try version(plugin.pointee.version),
      summary: try text(plugin.pointee.description, "description"), stateVersion: plugin.pointee.state_version,
      schema: try schema(plugin.pointee.config_schema), methods: try methods(plugin.pointee.methods),
      topics: try topics(plugin.pointee.topics), needs: needs, provides: try provides(plugin.pointee.provides))
  }

  /// The header says that these are never null; the table may say otherwise.
  private func requireFunctions() throws(PluginProblem) {
    for (name, offset) in [
      ("create", MemoryLayout<nh_plugin>.offset(of: \.create)!),
      ("start", MemoryLayout<nh_plugin>.offset(of: \.start)!),
      ("destroy", MemoryLayout<nh_plugin>.offset(of: \.destroy)!),
    ] where table.load(fromByteOffset: offset, as: UInt.self) == 0 {
      throw fault("its table has no `\(name)` function")
    }
    let saves = table.load(fromByteOffset: MemoryLayout<nh_plugin>.offset(of: \.save)!, as: UInt.self) != 0
    let loads = table.load(fromByteOffset: MemoryLayout<nh_plugin>.offset(of: \.load)!, as: UInt.self) != 0
    guard saves == loads else { throw fault("its table has only one of `save` and `load`") }
  }

  private func text(_ text: nh_str, _ field: String, limit: UInt64 = textLimit) throws(PluginProblem) -> String {
    guard text.len > 0 else { return "" }
    guard let start = text.ptr else { throw fault("`\(field)` is \(text.len) bytes of text at no address") }
    guard text.len <= limit else { throw fault("`\(field)` is \(text.len) bytes long, and at most \(limit) are read") }
    let bytes = UnsafeRawBufferPointer(start: start, count: Int(text.len))
    guard let string = String(validating: bytes, as: UTF8.self) else { throw fault("`\(field)` is not UTF-8") }
    return string
  }

  private func identifier(_ id: nh_str) throws(PluginProblem) -> String {
    let id = try text(id, "id")
    let isGood = !id.isEmpty && id.utf8.count < Int(NH_NOTE_ID_LENGTH) && id.utf8.allSatisfy(isNameByte)
    guard isGood else {
      throw fault("its id is \"\(id)\"", "an id is 1 to 39 lower-case letters, digits and hyphens")
    }
    return id
  }

  private func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
    default: false
    }
  }

  private func version(_ version: nh_str) throws(PluginProblem) -> String {
    let version = try text(version, "version")
    let numbers = version.split(separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 3, numbers.allSatisfy({ UInt32($0) != nil }) else {
      throw fault("its version is \"\(version)\"", "a version is three numbers, such as \"1.4.0\"")
    }
    return version
  }

  private func schema(_ schema: nh_json) throws(PluginProblem) -> JSON {
    let written = try text(nh_str(ptr: schema.ptr, len: schema.len), "config_schema", limit: Self.schemaLimit)
    guard !written.isEmpty else { return .null }
    let problem: String
    do {
      let value = try JSON(parsing: written)
      if case .object = value { return value }
      problem = "is \(value.kind), not an object"
    } catch {
      problem = "is not JSON (\(error))"
    }
    throw PluginProblem(
      .badSchema, file: file, found: "its config_schema \(problem)",
      remedy: "write a JSON Schema object, or leave it empty if the role takes no configuration")
  }

  private func list<Item>(_ items: UnsafePointer<Item>?, _ count: UInt64, _ field: String) throws(PluginProblem)
    -> UnsafeBufferPointer<Item>
  {
    guard count > 0 else { return UnsafeBufferPointer(start: nil, count: 0) }
    guard let items else { throw fault("`\(field)` is a list of \(count) items at no address") }
    guard count <= Self.listLimit else {
      throw fault("`\(field)` is a list of \(count) items, and at most \(Self.listLimit) are read")
    }
    return UnsafeBufferPointer(start: items, count: Int(count))
  }

  private func methods(_ list: nh_method_list) throws(PluginProblem) -> [PluginDescription.Method] {
    var found: [PluginDescription.Method] = []
    for method in try self.list(list.items, list.count, "methods") {
      let method = try self.method(method, "methods[\(found.count)]")
      guard !found.contains(where: { $0.name == method.name }) else {
        throw fault("it has two methods named `\(method.name)`", "give each method its own name")
      }
      found.append(method)
    }
    return found
  }

  private func method(_ method: nh_method, _ field: String) throws(PluginProblem) -> PluginDescription.Method {
    let name = try text(method.name, "\(field).name")
    guard !name.isEmpty else { throw fault("`\(field)` has no name") }
    let signature = try signature(text(method.signature, "\(field).signature"), of: name)
    guard withUnsafeBytes(of: method.function, { $0.load(as: UInt.self) }) != 0 else {
      throw fault("the method `\(name)` has no function")
    }
    guard method.convention == NH_NATIVE || method.convention == NH_PACKED else {
      throw fault("the method `\(name)` has convention \(method.convention)", "use NH_NATIVE or NH_PACKED")
    }
    var names = try text(method.parameters, "\(field).parameters").split(separator: ",").map { $0.trimmed }
    if names.isEmpty { names = (0..<signature.parameters.count).map { "argument \($0 + 1)" } }
    guard names.count == signature.parameters.count else {
      throw fault(
        "the method `\(name)` names \(names.count) parameters, and its signature \(signature) has "
          + "\(signature.parameters.count)", "name each parameter, or none")
    }
    return PluginDescription.Method(
      name: name, doc: try text(method.doc, "\(field).doc"), signature: signature, parameters: names,
      isPacked: method.convention == NH_PACKED, isIdempotent: method.flags & NH_METHOD_IDEMPOTENT != 0)
  }

  private func signature(_ letters: String, of method: String) throws(PluginProblem) -> Signature {
    do throws(SignatureError) {
      return try Signature(parsing: letters)
    } catch {
      throw fault("the method `\(method)`: \(error)", "the alphabet stands in nodehost/call.h")
    }
  }

  private func topics(_ list: nh_topic_list) throws(PluginProblem) -> [PluginDescription.Topic] {
    var found: [PluginDescription.Topic] = []
    for topic in try self.list(list.items, list.count, "topics") {
      let field = "topics[\(found.count)]"
      let name = try text(topic.name, "\(field).name")
      guard TopicPattern.isTopic(name) else {
        throw fault("the topic \"\(name)\" is none", "a topic is words joined by dots, such as \"gateway.leader\"")
      }
      found.append(.init(name: name, doc: try text(topic.doc, "\(field).doc")))
    }
    return found
  }

  private func needs(_ list: nh_need_list) throws(PluginProblem) -> [PluginDescription.Need] {
    var found: [PluginDescription.Need] = []
    for need in try self.list(list.items, list.count, "needs") {
      let id = try text(need.id, "needs[\(found.count)].id")
      guard !id.isEmpty else { throw fault("`needs[\(found.count)]` has no id") }
      found.append(.init(id: id, layout: need.layout, isRequired: need.required != 0))
    }
    return found
  }

  private func provides(_ list: nh_str_list) throws(PluginProblem) -> [String] {
    var found: [String] = []
    for id in try self.list(list.items, list.count, "provides") {
      let id = try text(id, "provides[\(found.count)]")
      guard !id.isEmpty else { throw fault("`provides[\(found.count)]` is empty") }
      found.append(id)
    }
    return found
  }
}

extension Substring {
  fileprivate var trimmed: String {
    let start = drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
  }
}
