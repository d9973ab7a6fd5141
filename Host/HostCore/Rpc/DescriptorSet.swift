/// A FileDescriptorSet, as far as reflection has to know it: which file defines what.
package struct DescriptorSet: Sendable {
  package struct File: Sendable {
    package var name = ""
    package var dependencies: [String] = []
    /// The FileDescriptorProto as it was given.
    package var bytes: [UInt8]
    /// Full names of all messages, enums, services, methods and extensions.
    package var symbols: Set<String> = []
    package var services: [String] = []
    /// Of each message that is extended here, the numbers.
    package var extensions: [String: Set<Int>] = [:]
  }

  package private(set) var files: [File] = []

  /// Nil if it is none.
  package init?(_ bytes: [UInt8]) {
    let files: [File]? = bytes.withUnsafeBytes { bytes in
      var reader = ProtoReader(bytes)
      var files: [File] = []
      while let field = reader.next() {
        guard field.number == 1 else { continue }
        guard let content = field.bytes, let file = File(content) else { return nil }
        files.append(file)
      }
      return reader.isBroken ? nil : files
    }
    guard let files else { return nil }
    self.files = files
  }
}

extension DescriptorSet.File {
  /// Messages within messages; more are no schema.
  private static let nestingLimit = 32

  fileprivate init?(_ content: UnsafeRawBufferPointer) {
    bytes = Array(content)
    var package = ""
    var parts: [(number: Int, bytes: UnsafeRawBufferPointer)] = []
    var reader = ProtoReader(content)
    while let field = reader.next() {
      switch field.number {
      case 1: name = field.text ?? ""
      case 2: package = field.text ?? ""
      case 3: dependencies.append(field.text ?? "")
      case 4...7: if let bytes = field.bytes { parts.append((field.number, bytes)) }
      default: break
      }
    }
    guard !reader.isBroken, !name.isEmpty else { return nil }
    for part in parts {
      switch part.number {
      case 4: addMessage(part.bytes, in: package, depth: 0)
      case 5: addEnum(part.bytes, in: package)
      case 6: addService(part.bytes, in: package)
      default: addExtension(part.bytes, in: package)
      }
    }
  }

  private static func full(_ name: String, in scope: String) -> String { scope.isEmpty ? name : "\(scope).\(name)" }

  private static func name(_ bytes: UnsafeRawBufferPointer) -> String? {
    var reader = ProtoReader(bytes)
    while let field = reader.next() { if field.number == 1 { return field.text } }
    return nil
  }

  private mutating func addMessage(_ bytes: UnsafeRawBufferPointer, in scope: String, depth: Int) {
    guard let name = Self.name(bytes), depth < Self.nestingLimit else { return }
    let full = Self.full(name, in: scope)
    symbols.insert(full)
    var reader = ProtoReader(bytes)
    while let field = reader.next() {
      guard let inner = field.bytes else { continue }
      switch field.number {
      case 3: addMessage(inner, in: full, depth: depth + 1)
      case 4: addEnum(inner, in: full)
      case 6: addExtension(inner, in: full)
      case 2, 8: if let name = Self.name(inner) { symbols.insert(Self.full(name, in: full)) }
      default: break
      }
    }
  }

  private mutating func addEnum(_ bytes: UnsafeRawBufferPointer, in scope: String) {
    guard let name = Self.name(bytes) else { return }
    symbols.insert(Self.full(name, in: scope))
    var reader = ProtoReader(bytes)
    // The values of an enum stand beside it (descriptor.proto).
    while let field = reader.next() {
      if field.number == 2, let value = field.bytes.flatMap(Self.name) { symbols.insert(Self.full(value, in: scope)) }
    }
  }

  private mutating func addService(_ bytes: UnsafeRawBufferPointer, in scope: String) {
    guard let name = Self.name(bytes) else { return }
    let full = Self.full(name, in: scope)
    services.append(full)
    symbols.insert(full)
    var reader = ProtoReader(bytes)
    while let field = reader.next() {
      if field.number == 2, let method = field.bytes.flatMap(Self.name) { symbols.insert("\(full).\(method)") }
    }
  }

  private mutating func addExtension(_ bytes: UnsafeRawBufferPointer, in scope: String) {
    var name: String?, extended: String?, number: Int?
    var reader = ProtoReader(bytes)
    while let field = reader.next() {
      switch field.number {
      case 1: name = field.text
      case 2: extended = field.text
      case 3: number = field.integer.flatMap { Int(exactly: $0) }
      default: break
      }
    }
    guard let name, let extended, let number else { return }
    symbols.insert(Self.full(name, in: scope))
    let message = extended.hasPrefix(".") ? String(extended.dropFirst()) : extended
    extensions[message, default: []].insert(number)
  }
}
