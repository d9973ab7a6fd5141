package import NodeKit

/// Which clients there are, by what they have said and when they were heard of last. Pure.
///
/// A client that misses its heartbeats is gone, and stays known: the next heartbeat brings it back as it was. While the
/// broker is away nobody can be heard, so that time does not count.
package struct ClientRegistry {
  package struct Client: Equatable {
    package var advert: ClientAdvert
    package var lastHeard: Moment
    package var isThere = true
    /// Where somebody translates for it, as the configuration says.
    package var bridge: String?

    /// Whether it can be asked to train.
    package var isTrainer: Bool { bridge != nil || advert.service == ClientAdvert.service }

    /// Names are chosen by people, and may occur twice; ids may not.
    package var name: String {
      advert.name == advert.id || advert.id.isEmpty ? advert.name : "\(advert.name)-\(advert.id.prefix(8))"
    }
  }

  package enum Change: Equatable {
    case joined(Client)
    case updated(Client)
    case left(Client, reason: String)
  }

  package enum Beat: Equatable {
    case known
    case returned(Client)
    /// It must announce itself first.
    case stranger
  }

  private(set) package var clients: [String: Client] = [:]
  package private(set) var revision: UInt64 = 0
  package let limit: Int
  private let patience: Duration
  private let bridges: [String: String]

  package init(limit: Int, patience: Duration, bridges: [String: String] = [:]) {
    (self.limit, self.patience, self.bridges) = (limit, patience, bridges)
  }

  /// In order of their names.
  package var there: [Client] {
    clients.values.filter(\.isThere).sorted { ($0.name, $0.advert.id) < ($1.name, $1.advert.id) }
  }

  package mutating func announced(_ advert: ClientAdvert, at now: Moment) throws(RoleError) -> Change? {
    let bridge = bridges[advert.id] ?? bridges[advert.name]
    let client = Client(advert: advert, lastHeard: now, bridge: bridge)
    guard let old = clients[advert.id] else {
      try makeRoom()
      clients[advert.id] = client
      return changed(.joined(client))
    }
    clients[advert.id] = client
    if !old.isThere { return changed(.joined(client)) }
    return old.advert == advert ? nil : changed(.updated(client))
  }

  package mutating func heard(_ id: String, at now: Moment) -> Beat {
    guard var client = clients[id] else { return .stranger }
    let wasThere = client.isThere
    (client.lastHeard, client.isThere) = (now, true)
    clients[id] = client
    if wasThere { return .known }
    revision += 1
    return .returned(client)
  }

  /// Those that have been silent for too long.
  package mutating func sweep(at now: Moment) -> [Change] {
    var changes: [Change] = []
    for client in there where client.lastHeard.duration(to: now) >= patience {
      clients[client.advert.id]?.isThere = false
      changes.append(changed(.left(clients[client.advert.id] ?? client, reason: "its heartbeats are missing")))
    }
    return changes
  }

  /// The broker was away: all that were there get their full time again.
  package mutating func forgive(at now: Moment) {
    for id in clients.keys where clients[id]?.isThere == true { clients[id]?.lastHeard = now }
  }

  private mutating func changed(_ change: Change) -> Change {
    revision += 1
    return change
  }

  /// Those that are gone are forgotten first, the longest gone before the others.
  private mutating func makeRoom() throws(RoleError) {
    guard clients.count >= limit else { return }
    let gone = clients.values.filter { !$0.isThere }
    guard let oldest = gone.min(by: { ($0.lastHeard, $0.advert.id) < ($1.lastHeard, $1.advert.id) }) else {
      throw RoleError(.resourceExhausted, "\(limit) clients are there already; raise `most_clients` for more")
    }
    clients[oldest.advert.id] = nil
  }
}

// MARK: As others see it

extension ClientRegistry.Client {
  /// As the role `member` lists nodes.
  package var json: JSON {
    let place = bridge.flatMap(Endpoint.parts) ?? (advert.address, advert.port)
    var capabilities: [JSON] = isTrainer ? ["trainer"] : []
    if advert.service != ClientAdvert.service { capabilities.append("flotilla-client") }
    var labels = JSONObject([("flotilla_id", .string(advert.id)), ("flotilla_name", .string(advert.name))])
    if bridge != nil { labels["bridge_for"] = .string(Endpoint.text(advert.address, advert.port)) }
    var node = JSONObject([
      ("id", .string(advert.id)), ("name", .string(name)), ("address", .string(place.host)), ("port", JSON(place.port)),
      ("capabilities", .array(capabilities)), ("labels", .object(labels)), ("status", isThere ? "active" : "gone"),
      ("data_sets", .array(advert.dataSets.members.map { .string($0.key) })),
      ("models", .array(advert.models.map { .string($0) })), ("hardware", advert.hardware),
    ])
    if let why = whyNot { node["why_not"] = .string(why) }
    return .object(node)
  }

  /// Why it cannot train with us.
  package var whyNot: String? {
    isTrainer
      ? nil
      : "it is an original client of Flotilla's, whose weights are Python pickles: start nodehost_flotilla_bridge"
        + " (SDK/python) beside it and name that under `bridges`"
  }
}
