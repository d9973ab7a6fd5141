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
  var began: Int64 = 0

  var json: JSON {
    var object = JSONObject([
      ("document", document), ("version", .int(Int64(version))), ("model", model.json),
      ("last_ticket", JSON(lastTicket)), ("end", .string(end)), ("began", .int(began)),
    ])
    object["moments"] = moments?.json
    return .object(object)
  }

  init(document: JSON, model: ModelFile, began: Int64) {
    (self.document, self.model, self.began) = (document, model, began)
  }

  init(_ json: JSON) throws {
    guard let document = json["document"], let version = json["version"]?.int, let model = ModelFile(json["model"]),
      let last = json["last_ticket"]?.int.flatMap({ UInt64(exactly: $0) }), let end = json["end"]?.string,
      let began = json["began"]?.int
    else { throw RoleError(.dataLoss, "a session's record is none of this version") }
    (self.document, self.version, self.model) = (document, Int(version), model)
    (lastTicket, self.end, self.began, moments) = (last, end, began, ModelFile(json["moments"]))
  }
}

extension ModelFile {
  var json: JSON { ["object": .string(object), "start": .int(Int64(start)), "count": .int(Int64(count))] }

  init?(_ json: JSON?) {
    guard let object = json?["object"]?.string, let start = json?["start"]?.int, let count = json?["count"]?.int else {
      return nil
    }
    self.init(object: object, start: Int(start), count: Int(count))
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
