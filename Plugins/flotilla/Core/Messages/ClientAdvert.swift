package import NodeKit

/// What a client says of itself on the clients' topic: `{ID: {"payload": {…}}}`.
package struct ClientAdvert: Sendable, Equatable {
  /// What our own trainers put into the field `nodehost`, which others pass over.
  package static let service = "/nodehost.learning.Trainer"

  package var id: String
  package var name: String
  package var address: String
  package var port: Int
  package var clusterID: JSON = 0
  package var hardware: JSON = [:]
  /// By their names; of each what the client tells.
  package var dataSets = JSONObject()
  package var models: [String] = []
  /// The gRPC service that it serves beside EdgeService's place; empty for an original client.
  package var service = ""

  package init(id: String, name: String, address: String, port: Int) {
    (self.id, self.name, self.address, self.port) = (id, name, address, port)
  }
}

extension ClientAdvert {
  private static let wordLimit = 200
  private static let listLimit = 1_000
  /// What is kept of an object that only people read.
  private static let detailBytes = 4_096

  package init(_ bytes: [UInt8]) throws(RoleError) {
    let message = try Nonsense.object(bytes)
    guard let member = message.members.first, message.members.count == 1 else {
      throw Nonsense.error("one client announces itself in a message, as {ID: {\"payload\": {…}}}", "")
    }
    let place = "/\(member.key.prefix(40))/payload"
    let id = try Nonsense.word(.string(member.key), "the client's id", Self.wordLimit, place)
    guard let payload = member.value["payload"], payload.object != nil else {
      throw Nonsense.error("the client's `payload` is missing", place)
    }
    guard payload["type"] == nil || payload["type"] == "client" else {
      throw Nonsense.error(
        "its type is \(payload["type"] ?? .null); \"client\" is meant for this topic", place + "/type")
    }
    let name = try Nonsense.word(payload["name"] ?? .string(id), "the name", Self.wordLimit, place + "/name")
    let endpoint = try Nonsense.word(payload["grpc_ep"] ?? .null, "`grpc_ep`", 300, place + "/grpc_ep")
    let (address, port) = try Self.parts(endpoint, place + "/grpc_ep")
    self.init(id: id, name: name, address: address, port: port)
    clusterID = Self.brief(payload["cluster_id"])
    hardware = Self.brief(payload["hw_info"])
    dataSets = try Self.names(payload["datasets"], "data sets", place + "/datasets")
    models = try Self.names(payload["models"], "models", place + "/models").members.map(\.key)
    service = payload["nodehost"]?["service"]?.string ?? ""
  }

  /// An object by its keys, or a list of words.
  private static func names(_ value: JSON?, _ what: String, _ place: String) throws(RoleError) -> JSONObject {
    var names = JSONObject()
    switch value ?? .null {
    case .null: break
    case .object(let object): names = object
    case .array(let items): names = JSONObject(items.map { ($0.string ?? $0.description, .null) })
    default: throw Nonsense.error("the \(what) are \(value?.kind ?? "nothing"); an object by names is expected", place)
    }
    guard names.members.count <= listLimit else {
      throw Nonsense.error("\(names.members.count) \(what) are more than \(listLimit)", place)
    }
    for index in names.members.indices {
      _ = try Nonsense.word(.string(names.members[index].key), "a name of the \(what)", wordLimit, place)
      names.members[index].value = brief(names.members[index].value)
    }
    return names
  }

  private static func brief(_ value: JSON?) -> JSON {
    let value = value ?? .null
    return value.description.utf8.count <= detailBytes ? value : .null
  }

  private static func parts(_ endpoint: String, _ place: String) throws(RoleError) -> (String, Int) {
    guard let (host, port) = Endpoint.parts(endpoint) else {
      throw Nonsense.error("\"\(endpoint)\" is no address and port, as 10.0.0.7:50053", place)
    }
    return (host, port)
  }

  /// As an original client would announce it.
  package func message(timestamp: Double) -> JSON {
    var payload = JSONObject([
      ("type", "client"), ("timestamp", .double(timestamp)), ("grpc_ep", .string(Endpoint.text(address, port))),
      ("cluster_id", clusterID), ("hw_info", hardware), ("datasets", .object(dataSets)),
      ("models", .object(JSONObject(models.map { ($0, .string("")) }))), ("benchmark_info", [:]),
      ("name", .string(name)),
    ])
    if !service.isEmpty { payload["nodehost"] = ["service": .string(service)] }
    return .object(JSONObject([(id, ["payload": .object(payload)])]))
  }
}
