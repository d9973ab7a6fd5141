import NodeKit

/// Announces a server, and keeps the list of the clients that answer to it.
final class ServerSide {
  private let context: RoleContext
  private let settings: FlotillaSettings
  private let link: MqttLink
  private var registry: ClientRegistry
  private var complaints = Complaints()
  /// When the broker was there last; nil: never.
  private var lastThere: Moment?
  private var nextAdvert: Moment?
  private var gauges: Gauges!

  private struct Gauges {
    let clients, trainers, connected: Gauge
    let adverts, heartbeats, refused: Counter

    init(_ metrics: Metrics) {
      clients = metrics.gauge("flotilla_clients", "Clients that are there.")
      trainers = metrics.gauge("flotilla_trainers", "Of these, those that can train with us.")
      connected = metrics.gauge("flotilla_broker_connected", "1 while the MQTT broker is there.")
      adverts = metrics.counter("flotilla_announcements_total", "Announcements of clients.")
      heartbeats = metrics.counter("flotilla_heartbeats_total", "Heartbeats of clients.")
      refused = metrics.counter("flotilla_refused_messages_total", "Messages that made no sense.")
    }
  }

  init(_ context: RoleContext, _ settings: FlotillaSettings, _ link: MqttLink) {
    (self.context, self.settings, self.link) = (context, settings, link)
    registry = ClientRegistry(
      limit: settings.mostClients, patience: settings.patience, bridges: settings.bridges)
  }

  func start() throws {
    gauges = Gauges(context.metrics)
    link.whenConnected = { [unowned self] in connected() }
    link.whenLost = { [unowned self] in gauges.connected.set(0) }
    link.whenMessage = { [unowned self] in came($0, $1) }
    link.whenTooLong = { [unowned self] topic, count in
      refuse(topic, "a message of \(count) bytes is longer than \(settings.messageBytes)")
    }
    // Often enough that a client which is gone is not listed for long.
    try context.timer.every(max(.milliseconds(20), settings.heartbeatInterval / 4)) { [self] in look() }
  }

  private func connected() {
    lastThere = context.now
    registry.forgive(at: context.now)
    gauges.connected.set(1)
    link.subscribe(settings.clientTopic)
    link.subscribe(settings.heartbeatTopic)
    // Retained: whoever comes later hears it too. All who hear it announce themselves.
    announce()
  }

  private func announce() {
    var advert = ServerAdvert(clientTopic: settings.clientTopic, heartbeatInterval: settings.heartbeatInterval)
    advert.clusterID = settings.clusterId.map { JSON($0) } ?? .null
    advert.hardware = ["node": .string(context.nodeName)]
    nextAdvert = context.now.advanced(by: max(.seconds(1), settings.heartbeatInterval))
    link.publish(settings.serverTopic, advert.message(timestamp: seconds), quality: 1, isRetained: true)
  }

  private var seconds: Double { context.timeSince1970 / .seconds(1) }

  private func look() {
    guard link.isConnected else { return }
    lastThere = context.now
    for change in registry.sweep(at: context.now) { tell(change) }
  }

  // MARK: Messages

  private func came(_ topic: String, _ bytes: [UInt8]) {
    do throws(RoleError) {
      switch topic {
      case settings.clientTopic: try announced(ClientAdvert(bytes))
      case settings.heartbeatTopic: try heard(Heartbeat(bytes))
      default: break
      }
    } catch { refuse(topic, error.description) }
  }

  private func announced(_ advert: ClientAdvert) throws(RoleError) {
    gauges.adverts.add()
    guard let change = try registry.announced(advert, at: context.now) else { return }
    tell(change)
  }

  private func heard(_ heartbeat: Heartbeat) throws(RoleError) {
    gauges.heartbeats.add()
    switch registry.heard(heartbeat.id, at: context.now) {
    case .known: break
    case .returned(let client): tell(.joined(client))
    case .stranger:
      // It announces itself when it hears a server; not all strangers' heartbeats are worth a message.
      if nextAdvert.map({ $0 <= context.now }) ?? true { announce() }
    }
  }

  private func refuse(_ topic: String, _ why: String) {
    gauges.refused.add()
    guard let words = complaints.words(topic, why, at: context.now) else { return }
    context.log.warning("a message on the topic \(topic) is refused: \(words)")
  }

  // MARK: Telling

  private func tell(_ change: ClientRegistry.Change) {
    gauges.clients.set(Double(registry.there.count))
    gauges.trainers.set(Double(registry.there.count(where: \.isTrainer)))
    switch change {
    case .joined(let client):
      context.log.info("client \(client.name) at \(Endpoint.text(client.advert.address, client.advert.port)) is there")
      warn(client)
      publish("flotilla.joined", client)
    case .updated(let client):
      warn(client)
      publish("flotilla.updated", client)
    case .left(let client, let reason):
      context.log.info("client \(client.name) is gone: \(reason)")
      publish("flotilla.left", client, reason: reason)
    }
  }

  private func warn(_ client: ClientRegistry.Client) {
    if let why = client.whyNot, let words = complaints.words("why", why, at: context.now) {
      context.log.warning("client \(client.name) cannot train: \(words)")
    }
    let broker = Endpoint.parts(settings.broker)?.host ?? ""
    if client.bridge == nil, Endpoint.isLoopback(client.advert.address), !Endpoint.isLoopback(broker),
      let words = complaints.words("loopback", "only its own machine reaches it there", at: context.now)
    {
      context.log.warning("client \(client.name) announces the address \(client.advert.address): \(words)")
    }
  }

  private func publish(_ topic: String, _ client: ClientRegistry.Client, reason: String? = nil) {
    var event = JSONObject([("node", client.json), ("revision", JSON(registry.revision))])
    if let reason { event["reason"] = .string(reason) }
    do { try context.bus.publish(topic, JSON.object(event)) } catch {
      context.log.warning("\(topic) is not published: \(RoleError(error).message)")
    }
  }

  func list(_ filter: NodeFilter) -> JSON {
    let nodes = registry.there.map(\.json).filter(filter.matches)
    return [
      "nodes": .array(nodes), "count": JSON(nodes.count), "revision": JSON(registry.revision),
      "stale": .bool(!link.isConnected),
      "age_ms": lastThere.map { JSON(link.isConnected ? 0 : Int64($0.duration(to: context.now) / .milliseconds(1))) }
        ?? .null,
    ]
  }

  var status: JSONObject {
    let gone = registry.clients.values.filter { !$0.isThere }.sorted { $0.name < $1.name }
    return JSONObject([
      ("side", "server"), ("clients", JSON(registry.there.count)),
      ("trainers", JSON(registry.there.count(where: \.isTrainer))),
      ("gone", .array(gone.map { .string($0.name) })),
    ])
  }

  // MARK: A new build

  var saved: JSON { ["clients": .array(registry.there.map { $0.advert.message(timestamp: seconds) })] }

  func take(_ state: JSON) {
    for message in state["clients"]?.array ?? [] {
      guard let advert = try? ClientAdvert(Array(message.description.utf8)) else { continue }
      _ = try? registry.announced(advert, at: context.now)
    }
  }
}
