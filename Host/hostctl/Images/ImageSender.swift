import Glibc
import HostCore
import NodeValues

/// Sends an image to whoever leads, and goes on with the next leader when that one dies.
struct ImageSender {
  /// Larger ones go by resumable uploads, in parts of so much.
  private static let partBytes: UInt64 = 8 << 20
  private static let patienceSeconds = 30
  private static let pauses: [UInt32] = [100_000, 200_000, 400_000, 800_000, 1_600_000]

  let servers: ImageServers
  /// Seconds after which it is given up.
  let patience: Int
  let showsProgress: Bool

  /// What did not work, and may work with another node or a little later.
  private enum Outcome {
    case stored(JSON)
    case tryAgain(String)
  }

  func send(_ path: String) throws(CommandFailure) -> JSON {
    let file = try ImageFile(path)
    let bar = TransferBar(file.name, total: file.size, isShown: showsProgress)
    defer { bar.clear() }
    let end = System.monotonic + Int64(patience) * 1_000_000_000
    var tries = 0, reason = ""
    var place: (server: ImageServers.Server, target: String)?
    repeat {
      if tries > 0 {
        bar.show(0, note: "waiting: \(reason)")
        usleep(Self.pauses[min(tries, Self.pauses.count) - 1])
      }
      tries += 1
      do throws(CommandFailure) {
        switch try attempt(file, &place, bar) {
        case .stored(let receipt): return try checked(receipt, file.digest, path)
        case .tryAgain(let why): reason = why
        }
      } catch {
        // A node that went away may come back, or another take its place; what a node has refused, all refuse.
        guard error.code == .failure, error.remedy == nil else {
          throw CommandFailure(
            ([path] + error.chain).joined(separator: ": "), remedy: error.remedy, code: error.code)
        }
        reason = error.chain.joined(separator: ": ")
      }
    } while System.monotonic < end
    throw CommandFailure(
      path, "not sent within \(patience) s", reason, remedy: "Nothing is lost; send it again when the nodes are up.")
  }

  private func attempt(
    _ file: borrowing ImageFile, _ place: inout (server: ImageServers.Server, target: String)?, _ bar: TransferBar
  ) throws(CommandFailure) -> Outcome {
    let leader = try servers.leader().server
    guard file.size > Self.partBytes else {
      let part = WebConnection.FilePart(descriptor: file.descriptor, offset: 0, length: file.size)
      let (head, body) = try WebConnection(leader, patience: Self.patienceSeconds)
        .ask("PUT", "/images", [], body: part) { bar.show($0) }
      return try outcome(head, body, (try? JSON(parsing: body)) ?? .null)
    }
    return try resume(file, leader, &place, bar)
  }

  /// By the tus protocol: an upload is begun on a node, and gone on with there as long as it leads.
  private func resume(
    _ file: borrowing ImageFile, _ leader: ImageServers.Server,
    _ place: inout (server: ImageServers.Server, target: String)?, _ bar: TransferBar
  ) throws(CommandFailure) -> Outcome {
    let version = ("Tus-Resumable", "1.0.0")
    var offset: UInt64 = 0
    if let known = place, known.server == leader {
      let (head, _) = try WebConnection(leader, patience: Self.patienceSeconds).ask("HEAD", known.target, [version])
      if head.status == 200, let there = head.headers["upload-offset"].flatMap({ UInt64($0) }) {
        offset = there
      } else {
        place = nil
      }
    } else {
      place = nil
    }
    if place == nil {
      let metadata = [("filename", file.name), ("sha256", file.digest)].map { "\($0) \(Base64.encode(Array($1.utf8)))" }
      let (head, body) = try WebConnection(leader, patience: Self.patienceSeconds).ask(
        "POST", "/uploads",
        [version, ("Upload-Length", "\(file.size)"), ("Upload-Metadata", metadata.joined(separator: ","))],
        body: WebConnection.FilePart(descriptor: file.descriptor, offset: 0, length: 0))
      guard head.status == 201, let target = head.headers["location"].map(Self.path) else {
        return try outcome(head, body, .null)
      }
      place = (leader, target)
    }
    while let target = place?.target {
      let length = min(Self.partBytes, file.size - offset), begin = offset
      let part = WebConnection.FilePart(descriptor: file.descriptor, offset: offset, length: length)
      let (head, body) = try WebConnection(leader, patience: Self.patienceSeconds).ask(
        "PATCH", target,
        [version, ("Upload-Offset", "\(offset)"), ("Content-Type", "application/offset+octet-stream")], body: part
      ) { bar.show(begin + $0) }
      guard head.status == 204 else { return try outcome(head, body, .null) }
      offset = head.headers["upload-offset"].flatMap { UInt64($0) } ?? offset + length
      guard offset >= file.size else { continue }
      let receipt = head.headers["image-receipt"].flatMap { try? JSON(parsing: Array($0.utf8)) }
      return .stored(receipt ?? .null)
    }
    return .tryAgain("the upload is gone")
  }

  /// The path of a URL that may name the server as well.
  private static func path(_ location: String) -> String {
    guard location.hasPrefix("http://") else { return location }
    return String(location.dropFirst(7).drop { $0 != "/" })
  }

  private func outcome(_ head: HTTPResponseParser.Head, _ body: [UInt8], _ json: JSON) throws(CommandFailure) -> Outcome
  {
    switch head.status {
    case 200, 201: return .stored(json)
    case 307, 404, 409, 410, 429, 500...599: return .tryAgain(words(head, body))
    default:
      throw CommandFailure("refused", words(head, body), remedy: "No node takes it as it is.")
    }
  }

  private func words(_ head: HTTPResponseParser.Head, _ body: [UInt8]) -> String {
    if let error = (try? JSON(parsing: body))?["error"]?.string { return error }
    if head.status == 307 { return "another node leads" }
    let text = String(decoding: body.prefix(200), as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
    return "HTTP status \(head.status) \(text)"
  }

  private func checked(_ receipt: JSON, _ digest: String, _ path: String) throws(CommandFailure) -> JSON {
    guard receipt.text("id") == digest else {
      throw CommandFailure(
        path, "the node has stored \(receipt.text("id")), and the file is \(digest)",
        remedy: "It was changed while it was sent, or on its way; send it again.", code: .failure)
    }
    return receipt
  }
}
