internal import NodeKit

/// What the disk has of a session, so that whoever is killed goes on.
struct SessionRecord: Equatable {
  var document: JSON
  var version = 0
  var model: ModelFile
  var moments: ModelFile?
  /// No greater number was given to a ticket.
  var lastTicket: UInt64 = 0
  /// How it ended; empty as long as it has not.
  var end = ""
  /// In milliseconds since 1970.
  var began: Int64 = 0
  /// Of the leader who wrote it, and a number that grows with each writing, where servers succeed one another.
  var term: Int64 = 0
  var number: Int64 = 0
  /// The models of the last versions, as far as updates may still rest on them.
  var recent: [Int: ModelFile]
  /// Models of versions that are kept.
  var checkpoints: [Int: ModelFile] = [:]
  var tiers: [Int: Tier] = [:]
  /// What was spent of privacy.
  var privacy: JSON?

  /// The newest model of a tier, and how many it has made.
  struct Tier: Equatable {
    var model: ModelFile
    var steps: Int
  }

  static func prefix(_ id: String) -> String { "session/\(id)/" }

  private var files: [ModelFile] {
    [model] + [moments].compactMap { $0 } + recent.values + checkpoints.values + tiers.values.map(\.model)
  }

  var objects: [String] { Set(files.map(\.object)).sorted() }

  func uses(_ object: String) -> Bool { files.contains { $0.object == object } }

  func isOlder(than other: SessionRecord) -> Bool { (term, number) < (other.term, other.number) }

  var json: JSON {
    var object = JSONObject([
      ("document", document), ("version", .int(Int64(version))), ("model", model.json),
      ("last_ticket", JSON(lastTicket)), ("end", .string(end)), ("began", .int(began)),
    ])
    object["moments"] = moments?.json
    if term > 0 { (object["term"], object["number"]) = (.int(term), .int(number)) }
    object["recent"] = Self.json(recent)
    object["checkpoints"] = Self.json(checkpoints)
    object["tiers"] = .array(
      tiers.sorted { $0.key < $1.key }.map {
        ["tier": .int(Int64($0.key)), "steps": .int(Int64($0.value.steps)), "model": $0.value.model.json]
      })
    object["privacy"] = privacy
    return .object(object)
  }

  init(document: JSON, model: ModelFile, began: Int64) {
    (self.document, self.model, self.began, recent) = (document, model, began, [0: model])
  }

  private static func json(_ models: [Int: ModelFile]) -> JSON {
    .array(models.sorted { $0.key < $1.key }.map { ["version": .int(Int64($0.key)), "model": $0.value.json] })
  }

  private static func models(_ json: JSON?) -> [Int: ModelFile] {
    var models: [Int: ModelFile] = [:]
    for item in json?.array ?? [] {
      if let version = item["version"]?.int, let model = ModelFile(item["model"]) { models[Int(version)] = model }
    }
    return models
  }

  init(_ json: JSON) throws {
    guard let document = json["document"], let version = json["version"]?.int, let model = ModelFile(json["model"]),
      let last = json["last_ticket"]?.int.flatMap({ UInt64(exactly: $0) }), let end = json["end"]?.string,
      let began = json["began"]?.int
    else { throw RoleError(.dataLoss, "a session's record is none of this version") }
    (self.document, self.version, self.model) = (document, Int(version), model)
    privacy = json["privacy"]
    (lastTicket, self.end, self.began, moments) = (last, end, began, ModelFile(json["moments"]))
    (term, number) = (json["term"]?.int ?? 0, json["number"]?.int ?? 0)
    (recent, checkpoints) = (Self.models(json["recent"]), Self.models(json["checkpoints"]))
    for item in json["tiers"]?.array ?? [] {
      guard let tier = item["tier"]?.int, let steps = item["steps"]?.int, let model = ModelFile(item["model"]) else {
        throw RoleError(.dataLoss, "a session's record is none of this version")
      }
      tiers[Int(tier)] = Tier(model: model, steps: Int(steps))
    }
  }
}

extension ModelFile {
  var json: JSON {
    var json = JSONObject([
      ("object", .string(object)), ("start", .int(Int64(start))), ("count", .int(Int64(count))),
    ])
    if !tree.isEmpty { json["tree"] = .string(tree) }
    return .object(json)
  }

  init?(_ json: JSON?) {
    guard let object = json?["object"]?.string, let start = json?["start"]?.int, let count = json?["count"]?.int,
      (0...Self.countLimit).contains(start), (0...Self.countLimit).contains(count)
    else { return nil }
    self.init(object: object, start: Int(start), count: Int(count), tree: json?["tree"]?.string ?? "")
  }
}

extension Update {
  var json: JSON {
    [
      "ticket": JSON(ticket), "trainer": .string(trainer), "version": .int(Int64(version)), "group": .int(Int64(group)),
      "object": .string(object), "start": .int(Int64(start)), "samples": .int(Int64(samples)),
      "loss": loss.map { .double($0) } ?? .null,
    ]
  }

  init(_ json: JSON) throws {
    guard let ticket = json["ticket"]?.int.flatMap({ UInt64(exactly: $0) }), let trainer = json["trainer"]?.string,
      let version = json["version"]?.int, let group = json["group"]?.int, let object = json["object"]?.string,
      let start = json["start"]?.int, let samples = json["samples"]?.int
    else { throw RoleError(.dataLoss, "an update's record is none of this version") }
    self.init(
      ticket: ticket, trainer: trainer, version: Int(version), group: Int(group), object: object, start: Int(start),
      samples: Int(samples), loss: json["loss"]?.double)
  }
}
