/// Feeds bytes to everything that reads gRPC; the first one chooses what. Must never trap; that pieces are understood
/// differently from the whole is a fault too, and is made one.
package func fuzzRpc(_ bytes: [UInt8]) {
  guard let choice = bytes.first else { return }
  let rest = Array(bytes.dropFirst())
  switch choice % 4 {
  case 0: RpcFuzz.frames(rest, pieces: Int(choice) / 4 % 11 + 1)
  case 1: rest.withUnsafeBytes { RpcFuzz.metadata($0) }
  case 2: RpcFuzz.descriptors(rest)
  default: rest.withUnsafeBytes { RpcFuzz.fields($0) }
  }
}

private enum RpcFuzz {
  private static let messageLimit = 1 << 12

  // MARK: Messages in a body

  static func frames(_ bytes: [UInt8], pieces: Int) {
    let whole = Body(of: bytes, pieces: max(1, bytes.count))
    precondition(whole == Body(of: bytes, pieces: pieces), "messages in pieces were read differently from the whole")
    var written: [UInt8] = []
    for message in whole.messages {
      var prefix = [UInt8](repeating: 0xFF, count: GrpcFraming.prefixSize)
      prefix.withUnsafeMutableBytes {
        GrpcFraming.writePrefix(message.bytes.count, isCompressed: message.isCompressed, at: $0.baseAddress!)
      }
      written += prefix + message.bytes
    }
    precondition(bytes.starts(with: written), "a message does not survive being written and read")
  }

  private struct Message: Equatable {
    var isCompressed: Bool
    var bytes: [UInt8]
  }

  /// As a call keeps what is not whole yet.
  private struct Body: Equatable {
    var messages: [Message] = []
    var fault: GrpcFault?

    init(of bytes: [UInt8], pieces: Int) {
      var waiting: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: pieces) {
        waiting += bytes[start..<min(start + pieces, bytes.count)]
        while fault == nil, take(&waiting) {}
      }
    }

    private mutating func take(_ waiting: inout [UInt8]) -> Bool {
      var used = 0
      waiting.withUnsafeBytes { bytes in
        switch GrpcFraming.step(bytes, limit: messageLimit) {
        case .incomplete(let needed):
          precondition(needed > bytes.count && needed <= GrpcFraming.prefixSize + messageLimit)
        case .refused(let refusal): fault = refusal
        case .message(let isCompressed, let body, let count):
          precondition(count == body.count + GrpcFraming.prefixSize && body.count <= messageLimit)
          messages.append(Message(isCompressed: isCompressed, bytes: Array(body)))
          used = count
        }
      }
      waiting.removeFirst(used)
      return used > 0
    }
  }

  // MARK: Heads

  /// Lines of names and values, as the fields of a head.
  static func metadata(_ input: UnsafeRawBufferPointer) {
    let head = MessageHead(capacity: 64)
    for line in input.split(separator: UInt8(ascii: "\n")) {
      let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      head.addField(UnsafeRawBufferPointer(rebasing: parts[0]), UnsafeRawBufferPointer(rebasing: parts[1]))
    }
    for field in head.fields {
      let value = head.bytes(field.value)
      var words = GrpcText.percentDecoded(value)
      if let timeout = GrpcText.timeout(value) {
        precondition(timeout >= 0)
        var written = GrpcText.timeout(timeout)
        precondition(
          written.withUTF8 { GrpcText.timeout(UnsafeRawBufferPointer($0)) } != nil, "\(written) is no timeout")
      }
      let encoded = words.withUTF8 { GrpcText.percentEncoded(UnsafeRawBufferPointer($0)) }
      precondition(
        encoded.withUnsafeBytes { GrpcText.percentDecoded($0) } == words, "a sentence is not what was written")
    }
    let count = head.used
    _ = head.isGrpc
    _ = head.keepMetadata()
    for field in head.fields { precondition(Int(field.value.start + field.value.count) <= count) }
  }

  // MARK: Protocol Buffers

  static func descriptors(_ input: [UInt8]) {
    guard let set = DescriptorSet(input) else { return }
    for file in set.files { precondition(file.bytes.count <= input.count) }
  }

  static func fields(_ input: UnsafeRawBufferPointer) {
    var reader = ProtoReader(input)
    while let field = reader.next() { precondition(field.number > 0) }
  }
}
