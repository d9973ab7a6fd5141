internal import NodeKit
internal import TrainerWire

/// Announces the node's trainer to the server that it hears of, and beats from then on.
final class ClientSide {
  private static let questionTimeout = Duration.seconds(10)
  /// Between two questions to a trainer that does not answer yet.
  private static let patience = Duration.seconds(2)

  private let context: RoleContext
  private let settings: FlotillaSettings
  private let link: MqttLink
  private var server: ServerAdvert?
  private var description: TrainerDescription?
  private var isAsking = false
  private var again: Timer?
  private var beats: Timer?
  private var complaints = Complaints()
  private var announcements = 0
  /// Why the trainer cannot be announced.
  private(set) var trouble: String?

  init(_ context: RoleContext, _ settings: FlotillaSettings, _ link: MqttLink) {
    (self.context, self.settings, self.link) = (context, settings, link)
  }

  func start() throws {
    link.whenConnected = { [unowned self] in link.subscribe(settings.serverTopic) }
    link.whenLost = { [unowned self] in rest() }
    link.whenMessage = { [unowned self] in came($0, $1) }
    link.whenTooLong = { [unowned self] topic, count in
      refuse(topic, "a message of \(count) bytes is longer than \(settings.messageBytes)")
    }
  }

  private func rest() {
    beats?.cancel()
    again?.cancel()
    (beats, again) = (nil, nil)
  }

  // MARK: The server

  private func came(_ topic: String, _ bytes: [UInt8]) {
    guard topic == settings.serverTopic else { return }
    do throws(RoleError) {
      let advert = try ServerAdvert(bytes)
      if server == nil { context.log.info("a server takes announcements on the topic \(advert.clientTopic)") }
      server = advert
      ask()
    } catch { refuse(topic, error.description) }
  }

  private func refuse(_ topic: String, _ why: String) {
    guard let words = complaints.words(topic, why, at: context.now) else { return }
    context.log.warning("a message on the topic \(topic) is refused: \(words)")
  }

  // MARK: The trainer

  private var target: String { settings.trainer.isEmpty ? "http://127.0.0.1:\(settings.port)" : settings.trainer }

  /// What it has may have changed since it was asked last.
  private func ask() {
    guard !isAsking else { return }
    isAsking = true
    do {
      try context.rpc.call(TrainerMethod.describe, at: target, [], RpcOptions(timeout: Self.questionTimeout)) {
        [self] answer in
        isAsking = false
        do { try described(TrainerDescription(answer.get())) } catch { failed(RoleError(error)) }
      }
    } catch {
      isAsking = false
      failed(RoleError(error))
    }
  }

  private func failed(_ error: RoleError) {
    let words = "the trainer at \(target) does not say what it has: \(error.message)"
    if trouble != words { context.log.warning("\(words); it is announced as soon as it does") }
    trouble = words
    again?.cancel()
    again = try? context.timer.once(after: Self.patience) { [self] in if link.isConnected { ask() } }
  }

  private func described(_ description: TrainerDescription) throws {
    trouble = nil
    self.description = description
    guard let server, link.isConnected else { return }
    let advert = advert(description)
    guard link.publish(server.clientTopic, advert.message(timestamp: seconds), quality: 1) else { return }
    announcements += 1
    context.log.info("announced as \(advert.name) at \(Endpoint.text(advert.address, advert.port))")
    beats?.cancel()
    beat(advert.id)
    beats = try context.timer.every(server.heartbeatInterval) { [self] in beat(advert.id) }
  }

  private func beat(_ id: String) {
    link.publish(settings.heartbeatTopic, Heartbeat(id: id).message(timestamp: seconds))
  }

  private var seconds: Double { context.timeSince1970 / .seconds(1) }

  private func advert(_ description: TrainerDescription) -> ClientAdvert {
    let name = settings.name.isEmpty ? context.nodeName : settings.name
    let address = settings.address.isEmpty ? link.localAddress : settings.address
    var advert = ClientAdvert(id: name, name: name, address: address, port: settings.port)
    advert.clusterID = JSON(settings.clusterId ?? 0)
    advert.hardware = ["processor": .string(description.hardware)]
    advert.dataSets = JSONObject(
      description.dataSets.map {
        ($0.id, ["dataset_details": ["dataset_id": .string($0.id), "samples": JSON($0.samples)]])
      })
    advert.models = description.models
    advert.service = ClientAdvert.service
    return advert
  }

  var status: JSONObject {
    JSONObject([
      ("side", "client"), ("trainer", .string(target)), ("trainer_trouble", trouble.map { .string($0) } ?? .null),
      ("server", server == nil ? "none was heard of" : "known"), ("announcements", JSON(announcements)),
      (
        "heartbeat_interval_ms",
        server.map { JSON(Int64($0.heartbeatInterval / .milliseconds(1))) } ?? .null
      ),
      ("data_sets", .array((description?.dataSets ?? []).map { .string($0.id) })),
    ])
  }
}
