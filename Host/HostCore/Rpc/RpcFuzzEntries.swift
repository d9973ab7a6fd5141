/// What `Tests/Fuzz` tries: all that reads bytes of the other side's.
package enum RpcFuzzEntries {
  private static let messageLimit = 1 << 16

  /// The first byte says where the pieces end.
  package static func frames(_ input: UnsafeRawBufferPointer) {
    var rest = UnsafeRawBufferPointer(rebasing: input.dropFirst())
    while case .message(_, let body, let used) = GrpcFraming.step(rest, limit: messageLimit) {
      precondition(used == body.count + GrpcFraming.prefixSize && used <= rest.count)
      rest = UnsafeRawBufferPointer(rebasing: rest[used...])
    }
    if case .incomplete(let needed) = GrpcFraming.step(rest, limit: messageLimit) { precondition(needed > rest.count) }
  }

  /// Lines of names and values, as the fields of a head.
  package static func metadata(_ input: UnsafeRawBufferPointer) {
    let head = MessageHead(capacity: 64)
    for line in input.split(separator: UInt8(ascii: "\n")) {
      let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      head.addField(UnsafeRawBufferPointer(rebasing: parts[0]), UnsafeRawBufferPointer(rebasing: parts[1]))
    }
    for field in head.fields {
      _ = GrpcText.percentDecoded(head.bytes(field.value))
      if let timeout = GrpcText.timeout(head.bytes(field.value)) { precondition(timeout >= 0) }
    }
    let count = head.used
    _ = head.isGrpc
    _ = head.keepMetadata()
    for field in head.fields { precondition(Int(field.value.start + field.value.count) <= count) }
  }

  package static func descriptors(_ input: UnsafeRawBufferPointer) {
    guard let set = DescriptorSet(Array(input)) else { return }
    for file in set.files { precondition(file.bytes.count <= input.count) }
  }

  package static func messages(_ input: UnsafeRawBufferPointer) {
    var reader = ProtoReader(input)
    while let field = reader.next() { precondition(field.number > 0) }
  }
}
