import Glibc
import HostCore
import NodeSchema
import NodeValues

/// `hostctl images`: sends images to whichever node leads, and looks at what is stored.
enum ImagesCommand {
  enum Action: String, CaseIterable {
    case status, discover, send, list, get, delete, verify
    case rotateKey = "rotate-key"
  }

  static let usualPatience = 60
  private static let pageSize = 500
  private static let rotationPollMicroseconds: UInt32 = 200_000

  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    guard let word = invocation.arguments.first else { return try ImagePrompt(invocation).run() }
    guard let action = Action(rawValue: word) else {
      let known = Action.allCases.map(\.rawValue)
      let near = nearestWord(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("ACTION is one of \(known.joined(separator: ", ")), not \"\(word)\"\(near)", code: .usage)
    }
    return try run(action, Array(invocation.arguments.dropFirst()), invocation)
  }

  static func run(_ action: Action, _ words: [String], _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let wanted = action == .send ? 1...Int.max : [.get, .delete, .rotateKey].contains(action) ? 1...1 : 0...0
    guard wanted.contains(words.count) else {
      throw CommandFailure(
        action == .send ? "send needs the paths of images" : "\(action.rawValue) takes \(wanted.lowerBound) words",
        remedy: "See hostctl images --help.", code: .usage)
    }
    switch action {
    case .status: return try status(invocation)
    case .discover: try discover(invocation)
    case .send: return try send(words, invocation)
    case .list: try list(invocation)
    case .get: try get(words[0], invocation)
    case .delete: try delete(words[0], invocation)
    case .verify: return try verify(invocation)
    case .rotateKey: return try rotateKey(words[0], invocation)
    }
    return .success
  }

  // MARK: Who leads

  private static func status(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let servers = try ImageServers(invocation)
    var table = Table([
      .init("SERVER"), .init("NODE", rightAligned: true), .init("STATE", shrinks: true), .init("LEADER"), .init("TERM"),
    ])
    var nodes: [JSON] = [], leads = false
    for server in servers.all {
      var row: [Table.Cell] = [.init(server.text)]
      var fields: [(String, JSON)] = [("server", .string(server.text))]
      do throws(CommandFailure) {
        let answer = try ImageServers.ask(server)
        leads = leads || answer.isLeader
        row += [
          .init(answer.node.map(String.init) ?? ""), answer.isLeader ? .init("leads", .green) : "follows",
          .init(answer.leader.map { "node \($0)" } ?? "none"), .init(answer.term),
        ]
        fields += [
          ("node", answer.node.map { .int($0) } ?? .null), ("leads", .bool(answer.isLeader)),
          ("leader", answer.leader.map { .int($0) } ?? .null), ("term", .string(answer.term)),
        ]
      } catch {
        row += ["", .init("down: " + (error.chain.last ?? ""), .red)]
        fields.append(("error", .string(error.chain.joined(separator: ": "))))
      }
      table.add(row)
      nodes.append(.object(JSONObject(fields)))
    }
    if invocation.has("json") { try Output.json(["servers": .array(nodes)]) } else { try Output.table(table) }
    return leads ? .success : .failure
  }

  private static func discover(_ invocation: Invocation) throws(CommandFailure) {
    let (server, answer) = try ImageServers(invocation).leader()
    if invocation.has("json") {
      return try Output.json(["leader": answer.node.map { .int($0) } ?? .null, "address": .string(server.text)])
    }
    try Output.write("node \(answer.node.map(String.init) ?? "?") at \(server.text) leads, term \(answer.term)\n")
  }

  // MARK: Sending

  private static func send(_ paths: [String], _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let patience = invocation.value("patience").flatMap { Int($0) } ?? usualPatience
    let sender = ImageSender(
      servers: try ImageServers(invocation), patience: max(0, patience), showsProgress: !invocation.has("json"))
    var receipts: [JSON] = [], failed = 0
    for path in paths {
      do throws(CommandFailure) {
        let receipt = try sender.send(path)
        receipts.append(receipt)
        if !invocation.has("json") { try Output.write(line(receipt, path) + "\n") }
      } catch {
        guard paths.count > 1 else { throw error }
        failed += 1
        Output.complain(error.text)
      }
    }
    if invocation.has("json") { try Output.json(["images": .array(receipts), "failed": .int(Int64(failed))]) }
    return failed == 0 ? .success : .failure
  }

  private static func line(_ receipt: JSON, _ path: String) -> String {
    let size = HumanUnits.bytes(UInt64(clamping: receipt["bytes"]?.int ?? 0))
    let was = receipt["duplicate"]?.bool == true ? "was there already" : "stored"
    return Output.style.paint("✓", .green)
      + " \(TextLayout.harmless(path)): \(receipt.text("id").prefix(12)) \(was), \(size), "
      + "\(receipt.text("width"))×\(receipt.text("height")) \(TextLayout.harmless(receipt.text("type"))), "
      + "\(receipt.text("copies")) copies, term \(receipt.text("term"))"
  }

  // MARK: What is stored

  private static func ask(
    _ method: String, _ target: String, _ invocation: Invocation
  ) throws(CommandFailure) -> JSON {
    let server = try ImageServers(invocation).leader().server
    let (head, body) = try WebConnection(server, patience: ControlConnection.usualPatienceSeconds).ask(method, target)
    let json = (try? JSON(parsing: body)) ?? .null
    guard (200..<300).contains(head.status) else {
      throw CommandFailure(server.text, json["error"]?.string ?? "HTTP status \(head.status)")
    }
    return json
  }

  private static func list(_ invocation: Invocation) throws(CommandFailure) {
    var all: [JSON] = [], last = ""
    while true {
      let page = try ask("GET", "/images?limit=\(pageSize)" + (last.isEmpty ? "" : "&after=\(last)"), invocation)
      all += page.list("images")
      guard page["more"]?.bool == true, let id = page.list("images").last?.text("id"), id != last else { break }
      last = id
    }
    if invocation.has("json") { return try Output.json(["images": .array(all)]) }
    var table = Table([
      .init("ID"), .init("SIZE", rightAligned: true), .init("TYPE"), .init("PIXELS", rightAligned: true),
      .init("AGE", rightAligned: true),
    ])
    for image in all {
      let age = image["stored_ms"]?.int.map { HumanUnits.duration(milliseconds: max(0, System.now - $0)) } ?? ""
      table.add([
        .init(image.text("id")), .init(HumanUnits.bytes(UInt64(clamping: image["bytes"]?.int ?? 0))),
        .init(image.text("type")), .init("\(image.text("width"))×\(image.text("height"))"), .init(age),
      ])
    }
    try Output.table(table)
  }

  private static func get(_ id: String, _ invocation: Invocation) throws(CommandFailure) {
    let server = try ImageServers(invocation).leader().server
    let width = invocation.value("width").map { "?width=\($0)" } ?? ""
    let connection = try WebConnection(server, patience: ControlConnection.longPatienceSeconds)
    let path = invocation.value("output")
    let file = try path.map { path throws(CommandFailure) in
      let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
      guard file >= 0 else { throw CommandFailure("cannot write \(path)", System.message(errno)) }
      return file
    }
    guard file != nil || isatty(STDOUT_FILENO) == 0 else {
      throw CommandFailure("an image is no text for a terminal; give --output FILE", code: .usage)
    }
    defer { if let file { close(file) } }
    var refusal: [UInt8] = []
    // The head is known before the first piece of the body, but only told at the end.
    let head = try connection.stream("GET", "/images/\(id)\(width)") { piece throws(CommandFailure) in
      refusal = refusal.count < 4096 ? refusal + piece : refusal
      guard let file else { return try Output.write(piece) }
      guard Glibc.write(file, piece, piece.count) == piece.count else {
        throw CommandFailure("cannot write \(path ?? "")", System.message(errno))
      }
    }
    guard head.status == 200 else {
      if let path { unlink(path) }
      throw CommandFailure(id, (try? JSON(parsing: refusal))?["error"]?.string ?? "HTTP status \(head.status)")
    }
  }

  private static func delete(_ id: String, _ invocation: Invocation) throws(CommandFailure) {
    _ = try ask("DELETE", "/images/\(id)", invocation)
    try Output.write("\(id) is deleted\n")
  }

  // MARK: What a node does by itself

  private static func call(
    _ method: String, _ words: [String] = [], _ invocation: Invocation
  ) throws(CommandFailure) -> JSON {
    let role = invocation.value("role") ?? "images"
    return try NodeFinder.connect(invocation).ask(
      .call(role: role, method: method, CallRequest(.words(words))), patience: ControlConnection.longPatienceSeconds)
  }

  private static func verify(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let found = try call("verify", [], invocation)["value"] ?? .null
    let bad = found.list("damaged") + found.list("missing")
    if invocation.has("json") {
      try Output.json(found)
    } else {
      for image in bad {
        try Output.write(Output.style.paint("damaged or missing: \(image.string ?? "\(image)")", .red) + "\n")
      }
      try Output.write(
        "\(found.text("objects")) images, \(bad.isEmpty ? "all" : "\(bad.count) not") as they were stored\n")
    }
    return bad.isEmpty ? .success : .failure
  }

  /// Waits until all are sealed anew; the node goes on by itself if this ends.
  private static func rotateKey(_ key: String, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let shows = isatty(STDERR_FILENO) == 1 && !invocation.has("json")
    var state = try call("rotate_key", [key], invocation)["value"] ?? .null
    while state["running"]?.bool == true {
      if shows { Output.complain("\r\(summary(state)) so far ") }
      usleep(rotationPollMicroseconds)
      state = try call("rotate_key", [key], invocation)["value"] ?? .null
    }
    if shows { Output.complain("\r\u{1B}[K") }
    if invocation.has("json") { try Output.json(state) } else { try Output.write(summary(state) + "\n") }
    return (state["failed"]?.int ?? 0) == 0 ? .success : .failure
  }

  private static func summary(_ state: JSON) -> String {
    "\(state.text("done")) images are sealed with the key \(TextLayout.harmless(state.text("key"))), "
      + "\(state.text("failed")) failed"
  }
}
