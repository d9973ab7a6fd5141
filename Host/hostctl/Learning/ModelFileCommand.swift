import Glibc
import HostCore
import NodeValues

/// Models on their way from and to the server.
enum ModelFileCommand {
  private static let usualServer = "127.0.0.1:12345"
  private static let patienceSeconds = 60

  /// The SHA-256 under which the server has the file then.
  static func upload(_ path: String, _ invocation: Invocation) throws(CommandFailure) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw CommandFailure("cannot open \(path)", System.message(errno)) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_size > 0 else { throw CommandFailure("\(path) is empty") }
    let size = UInt64(status.st_size), text = invocation.value("server") ?? usualServer
    guard let server = ImageServers.Server(text) else {
      throw CommandFailure("--server is HOST:PORT, not \"\(text)\"", code: .usage)
    }
    let bar = TransferBar(path, total: size, isShown: !invocation.has("json"))
    let (head, body) = try WebConnection(server, patience: patienceSeconds).ask(
      "POST", "/models", body: .init(descriptor: file, offset: 0, length: size)
    ) { bar.show($0) }
    bar.clear()
    let answer = (try? JSON(parsing: body)) ?? .null
    guard head.status == 201, let name = answer["sha256"]?.string else {
      throw CommandFailure(path, answer["error"]?.string ?? "the server answered with HTTP status \(head.status)")
    }
    return name
  }

  static func export(_ word: String?, _ invocation: Invocation) throws(CommandFailure) {
    let id = try LearningCommand.session(word, invocation)
    let status = try LearningCommand.ask("status", invocation, [.string(id)])
    var arguments: [JSON] = [.string(id), status["round"] ?? .int(0)]
    if let text = invocation.value("round") {
      guard let round = Int64(text) else { throw CommandFailure("--round is a number, not \"\(text)\"", code: .usage) }
      arguments[1] = .int(round)
    }
    let path = invocation.value("output")
    let format =
      invocation.value("format") ?? path.flatMap { $0.split(separator: ".").last.map(String.init) } ?? "safetensors"
    guard ["safetensors", "npz", "onnx"].contains(format) else {
      throw CommandFailure(
        "models are written as safetensors, npz or onnx, not \"\(format)\"", remedy: "Say which by --format.",
        code: .usage)
    }
    let made = try LearningCommand.ask("export", invocation, arguments + [.string(format)])
    guard let path else {
      guard !Output.isTerminal else {
        throw CommandFailure("a model is no text", remedy: "Give a file by -o.", code: .usage)
      }
      return try BlobCommands.write(invocation, LearningCommand.role(invocation), made.text("sha256")) {
        piece throws(CommandFailure) in
        try Output.write(piece)
      }
    }
    try save(made, to: path, invocation)
    if !invocation.has("json") {
      let size = HumanUnits.bytes(UInt64(clamping: made["bytes"]?.int ?? 0))
      try Output.write("\(path): \(size), round \(made.text("round")) of session \(id)\n")
    } else {
      try Output.json(made)
    }
  }

  private static func save(_ made: JSON, to path: String, _ invocation: Invocation) throws(CommandFailure) {
    let size = UInt64(clamping: made["bytes"]?.int ?? 0)
    let bar = TransferBar(path, total: size, isShown: !invocation.has("json"))
    var done: UInt64 = 0
    try save(to: path) { write throws(CommandFailure) in
      try BlobCommands.write(invocation, LearningCommand.role(invocation), made.text("sha256")) {
        piece throws(CommandFailure) in
        try write(piece)
        done += UInt64(piece.count)
        bar.show(done)
      }
    }
    bar.clear()
  }

  /// Under another name until it is whole.
  static func save(
    to path: String, _ body: (_ write: ([UInt8]) throws(CommandFailure) -> Void) throws(CommandFailure) -> Void
  ) throws(CommandFailure) {
    let part = path + ".part"
    let file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw CommandFailure("cannot write \(part)", System.message(errno)) }
    defer { close(file) }
    try body { piece throws(CommandFailure) in
      var rest = piece[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw CommandFailure("cannot write \(part)", System.message(errno)) }
        rest = rest.dropFirst(count)
      }
    }
    guard rename(part, path) == 0 else { throw CommandFailure("cannot write \(path)", System.message(errno)) }
  }
}
