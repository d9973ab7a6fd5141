import HostCore

/// grpc.reflection.v1 and v1alpha, whose messages are the same: what the node's services look like, for tools.
enum RpcReflection {
  private static let notFound = 5

  static func add(to listener: HTTPListener, _ services: NodeServices) {
    for version in ["v1", "v1alpha"] {
      let target = RpcBuiltIn("grpc.reflection.\(version).ServerReflection") {
        [unowned services, unowned listener] call, question in
        call.send(answer(question, services.descriptors, listener))
      }
      target.add("ServerReflectionInfo", to: listener)
    }
  }

  /// A ServerReflectionResponse for a ServerReflectionRequest.
  private static func answer(
    _ question: UnsafeRawBufferPointer, _ descriptors: DescriptorRegistry, _ listener: HTTPListener
  ) -> [UInt8] {
    var host = ""
    var asked: ProtoReader.Field?
    var reader = ProtoReader(question)
    while let field = reader.next() { if field.number == 1 { host = field.text ?? "" } else { asked = field } }
    var answer = ProtoWriter()
    answer.add(1, host)
    answer.add(2, question)
    let text = asked?.text ?? ""
    switch asked?.number {
    case 3: tell(descriptors.file(named: text), descriptors, "the file \(text)", &answer)
    case 4: tell(descriptors.file(defining: text), descriptors, "the symbol \(text)", &answer)
    case 5: tellExtension(asked, descriptors, &answer)
    case 6:
      if let numbers = descriptors.extensions(of: text) {
        var content = ProtoWriter()
        content.add(1, text)
        for number in numbers { content.add(2, number) }
        answer.add(6, content.bytes)
      } else {
        refuse("the message \(text)", &answer)
      }
    case 7:
      var content = ProtoWriter()
      for service in Set(listener.rpcServices.map(\.service)).sorted() {
        var name = ProtoWriter()
        name.add(1, service)
        content.add(1, name.bytes)
      }
      answer.add(6, content.bytes)
    default: refuse("the question", &answer)
    }
    return answer.bytes
  }

  private static func tell(
    _ file: DescriptorSet.File?, _ descriptors: DescriptorRegistry, _ what: String, _ answer: inout ProtoWriter
  ) {
    guard let file else { return refuse(what, &answer) }
    var content = ProtoWriter()
    for file in descriptors.withDependencies(file) { content.add(1, file.bytes) }
    answer.add(4, content.bytes)
  }

  private static func tellExtension(
    _ asked: ProtoReader.Field?, _ descriptors: DescriptorRegistry, _ answer: inout ProtoWriter
  ) {
    var message = "", number = 0
    if let bytes = asked?.bytes {
      var reader = ProtoReader(bytes)
      while let field = reader.next() {
        if field.number == 1 { message = field.text ?? "" }
        if field.number == 2 { number = field.integer.flatMap { Int(exactly: $0) } ?? 0 }
      }
    }
    tell(descriptors.file(extending: message, number), descriptors, "extension \(number) of \(message)", &answer)
  }

  private static func refuse(_ what: String, _ answer: inout ProtoWriter) {
    var content = ProtoWriter()
    content.add(1, notFound)
    content.add(2, "nobody has described \(what)")
    answer.add(7, content.bytes)
  }
}
