import NodeKit

/// What the clients of the first image cloud say, and what is said to them: JSON in which a message is an object with
/// one member, named as the message, or that name alone.
public enum SeedMessage: Equatable {
  case queryLeader
  case leaderInfo(leader: Int64, term: Int64)
  case encryptRequest(id: String, user: String, image: [UInt8], client: String)
  case encryptReply(id: String, isDone: Bool, image: [UInt8], name: String, error: String)
  /// What the nodes of that cloud said to one another.
  case betweenNodes(String)

  public struct Unreadable: Error, Equatable { public var words: String }

  private static let nodeMessages = [
    "Hello", "Heartbeat", "Election", "Ok", "Coordinator", "LeaderInfo", "EncryptReply",
  ]

  public init(_ frame: [UInt8]) throws(Unreadable) {
    let (text, image) = try Self.takeImage(frame)
    guard let json = try? JSON(parsing: text) else { throw Unreadable(words: "it is no JSON") }
    if json.string == "QueryLeader" {
      self = .queryLeader
      return
    }
    guard let member = json.object?.members.first, json.object?.members.count == 1 else {
      throw Unreadable(words: "it is no object with one member")
    }
    switch member.key {
    case "QueryLeader": self = .queryLeader
    case "EncryptRequest":
      guard let image else { throw Unreadable(words: "EncryptRequest has no image_bytes") }
      func text(_ name: String) -> String { member.value[name].map { $0.string ?? "\($0)" } ?? "" }
      self = .encryptRequest(id: text("req_id"), user: text("user"), image: image, client: text("client_addr"))
    case let name where Self.nodeMessages.contains(name): self = .betweenNodes(name)
    default: throw Unreadable(words: "nobody knows the message \(member.key.prefix(40))")
    }
  }

  public var bytes: [UInt8] {
    switch self {
    case .queryLeader: return Array("\"QueryLeader\"".utf8)
    case .leaderInfo(let leader, let term):
      let json: JSON = ["LeaderInfo": ["leader_id": .int(leader), "term": .int(term)]]
      return json.payload
    case .encryptRequest(let id, let user, let image, let client):
      let json: JSON = [
        "EncryptRequest": ["from": 0, "req_id": .string(id), "user": .string(user), "client_addr": .string(client)]
      ]
      return Self.put(image, as: "image_bytes", into: json)
    case .encryptReply(let id, let isDone, let image, let name, let error):
      let json: JSON = [
        "EncryptReply": [
          "req_id": .string(id), "ok": .bool(isDone), "original_filename": .string(name), "error": .string(error),
        ]
      ]
      return Self.put(image, as: "encrypted_image", into: json)
    case .betweenNodes(let name): return Array("{\"\(name)\": {}}".utf8)
    }
  }

  // MARK: Lists of numbers, which would cost many times their size as JSON values

  private static let imageName = Array("\"image_bytes\"".utf8)

  /// The text without the numbers of `image_bytes`, and these.
  private static func takeImage(_ frame: [UInt8]) throws(Unreadable) -> (text: [UInt8], image: [UInt8]?) {
    guard let name = place(of: imageName, in: frame) else { return (frame, nil) }
    var next = name + imageName.count
    func skipSpace() { while next < frame.count, [0x20, 0x09, 0x0A, 0x0D].contains(frame[next]) { next += 1 } }
    skipSpace()
    guard next < frame.count, frame[next] == UInt8(ascii: ":") else {
      throw Unreadable(words: "image_bytes is no list")
    }
    next += 1
    skipSpace()
    let start = next
    guard next < frame.count, frame[next] == UInt8(ascii: "[") else {
      throw Unreadable(words: "image_bytes is no list")
    }
    next += 1
    var image: [UInt8] = [], number = -1
    image.reserveCapacity((frame.count - next) / 4)
    while next < frame.count {
      let letter = frame[next]
      next += 1
      switch letter {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        number = max(number, 0) * 10 + Int(letter - UInt8(ascii: "0"))
        guard number <= 255 else { throw Unreadable(words: "image_bytes has numbers above 255") }
      case UInt8(ascii: ","), UInt8(ascii: "]"):
        let isLast = letter == UInt8(ascii: "]")
        if number >= 0 {
          image.append(UInt8(number))
        } else if !isLast || !image.isEmpty {
          throw Unreadable(words: "image_bytes has a gap")
        }
        number = -1
        if isLast { return (frame[..<start] + Array("[]".utf8) + frame[next...], image) }
      case 0x20, 0x09, 0x0A, 0x0D: continue
      default: throw Unreadable(words: "image_bytes has something else than numbers")
      }
    }
    throw Unreadable(words: "image_bytes does not end")
  }

  private static func place(of needle: [UInt8], in text: [UInt8]) -> Int? {
    guard text.count >= needle.count else { return nil }
    // The name stands near the beginning, before its numbers; what comes later than this is no name of ours.
    return (0...min(text.count - needle.count, 1 << 16)).first { text[$0..<$0 + needle.count].elementsEqual(needle) }
  }

  private static func put(_ image: [UInt8], as name: String, into json: JSON) -> [UInt8] {
    var text = json.payload
    text.removeLast(2)
    text += Array(",\"\(name)\":[".utf8)
    text.reserveCapacity(text.count + 4 * image.count)
    for (place, byte) in image.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      if byte >= 100 { text.append(UInt8(ascii: "0") + byte / 100) }
      if byte >= 10 { text.append(UInt8(ascii: "0") + byte / 10 % 10) }
      text.append(UInt8(ascii: "0") + byte % 10)
    }
    return text + Array("]}}".utf8)
  }
}
