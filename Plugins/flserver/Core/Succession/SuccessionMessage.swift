internal import NodeKit

/// What servers of one cluster say to one another.
enum SuccessionMessage {
  /// The leader's: keep this, and say so.
  case put(number: Int64, Testament)
  case kept(number: Int64)
  /// A new leader's: who has what?
  case ask
  case have([Testament])
  /// Of a session's history.
  case event(session: String, JSON)

  /// A session's record, and where its objects are.
  struct Testament {
    var session: String
    var record: SessionRecord
    /// The REST interface of the node that has the objects.
    var place: String
  }
}

extension SuccessionMessage.Testament {
  var json: JSON { ["session": .string(session), "record": record.json, "place": .string(place)] }

  init(_ json: JSON) throws {
    guard let session = json["session"]?.string, let record = json["record"], let place = json["place"]?.string else {
      throw RoleError(.invalidArgument, "a session without a record came from another server")
    }
    (self.session, self.place) = (session, place)
    self.record = try SessionRecord(record)
  }
}

extension SuccessionMessage {
  func json(term: Int64) -> JSON {
    var object = JSONObject([("term", .int(term))])
    switch self {
    case .put(let number, let testament):
      (object["kind"], object["number"], object["session"]) = ("put", .int(number), testament.json)
    case .kept(let number): (object["kind"], object["number"]) = ("kept", .int(number))
    case .ask: object["kind"] = "ask"
    case .have(let all): (object["kind"], object["sessions"]) = ("have", .array(all.map(\.json)))
    case .event(let session, let event):
      (object["kind"], object["session"], object["event"]) = ("event", .string(session), event)
    }
    return .object(object)
  }

  static func read(_ json: JSON) throws -> (term: Int64, SuccessionMessage) {
    guard let term = json["term"]?.int, let kind = json["kind"]?.string else {
      throw RoleError(.invalidArgument, "a message of another server has no kind")
    }
    let number = json["number"]?.int ?? 0
    switch kind {
    case "put": return (term, .put(number: number, try Testament(json["session"] ?? .null)))
    case "kept": return (term, .kept(number: number))
    case "ask": return (term, .ask)
    case "have": return (term, .have(try (json["sessions"]?.array ?? []).map { try Testament($0) }))
    case "event":
      guard let session = json["session"]?.string, let event = json["event"] else { break }
      return (term, .event(session: session, event))
    default: break
    }
    throw RoleError(.invalidArgument, "a message of another server of the kind `\(kind)` says nothing")
  }
}
