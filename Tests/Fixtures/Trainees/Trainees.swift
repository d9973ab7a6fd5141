import NodeKit
import TrainerWire

/// Many trainers of federated learning on a node, for worlds, of whose updates anybody can tell what was made of them:
/// see `Ledger`. On the server's node it also says who is there, and begins the session.
@main
final class Trainees: Role {
  struct Config: RoleConfig {
    @Setting("Where trainers are, HOST:PORT, for whoever asks this role.") var addresses: [String] = []
    @Setting("So many trainers at each of these, at one port after the other.", in: 0...1_000) var each = 1
    @Setting("So many hosts from each of these on, one IPv4 address after the other.", in: 1...10_000) var hosts = 1
    @Setting("The listeners of this node: at each is a trainer.") var listeners: [String] = []
    @Setting("The share of trainers that are away at a time.", in: 0...1) var away = 0.0
    @Setting("The share of tasks that fail.", in: 0...1) var errors = 0.0
    @Setting("The share of tasks that are never answered.", in: 0...1) var silent = 0.0
    @Setting("The longest time of a training.", in: 1...600_000) var slowestMs = 1_000
    @Setting("Updates by chance that follows from the task's seed, and no ledger.") var makesNoise = false
    @Setting("Numbers of the model.", in: 1...1_000_000) var numbers = 16_384
    @Setting("Where the server takes models and sessions, if this role is to begin one: http://HOST:PORT.")
    var teaches = ""
    @Setting("The session.") var document: JSON = .null
    @Setting("Of a step.", in: 1...1_000) var updatesPerStep = 4
  }

  static let about = About("trainees", version: "1.0.0", "Trainers for simulated worlds.")
  static let needs: [Need] = [.timer, .random, .bus, .rpc, .roles, .client]
  static let methods = [Method("find(filter)", "The trainers that are there now.", find)]
  static let topics = [Topic("trainees.verdict", "What is broken: nothing, at first.")]
  private static let session = "lesson"

  private struct Seen {
    var version: UInt64
    var ledger: Ledger
  }

  /// Who is there changes so often.
  private static let shift: Int64 = 10_000_000_000

  let context: RoleContext
  let config: Config
  private var newest: Seen?
  private var isTeaching = false

  init(_ context: RoleContext, _ config: Config) { (self.context, self.config) = (context, config) }

  func start() throws {
    try context.bus.publish("trainees.verdict", ["run": 1, "broken": "nothing"] as JSON)
    for listener in config.listeners {
      try context.rpc.unary(TrainerMethod.describe, listener: listener) { [unowned self] call, _ in
        try call.answer(description)
      }
      try context.rpc.stream(TrainerMethod.train, listener: listener) { [unowned self] in Lesson(self, $0).begin() }
    }
    guard !config.teaches.isEmpty else { return }
    try context.timer.every(.seconds(1), after: .milliseconds(50)) { [self] in try teach() }
  }

  private var description: [UInt8] {
    var description = TrainerDescription()
    description.dataSets = [.init(id: "tickets", samples: 8)]
    description.forms = ["f32"]
    return description.bytes
  }

  // MARK: Who is there

  func find(_ filter: JSON) -> JSON {
    var nodes: [JSON] = []
    let shift = context.now.nanoseconds / Self.shift
    for address in config.addresses {
      let parts = address.split(separator: ":")
      guard parts.count == 2, let port = Int(parts[1]) else { continue }
      for host in Self.hosts(String(parts[0]), config.hosts) {
        for number in 0..<config.each where !isAway("\(host)-\(number)", shift) {
          nodes.append(["address": .string(host), "port": JSON(port + number)])
        }
      }
    }
    return ["nodes": .array(nodes)]
  }

  private static func hosts(_ first: String, _ count: Int) -> [String] {
    guard count > 1 else { return [first] }
    let number = first.split(separator: ".").reduce(0) { $0 << 8 | (UInt32($1) ?? 0) }
    return (0..<UInt32(count)).map { more in
      [24, 16, 8, 0].map { "\((number + more) >> $0 & 255)" }.joined(separator: ".")
    }
  }

  private func isAway(_ name: String, _ shift: Int64) -> Bool {
    var hash = UInt64(bitPattern: shift) &+ 0x9E37_79B9_7F4A_7C15
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    hash = (hash ^ hash >> 29) &* 0xBF58_476D_1CE4_E5B9
    return Double(hash >> 11) * 0x1p-53 < config.away
  }

  // MARK: The session

  /// Until it has begun; after that the server goes on with it by itself.
  private func teach() throws {
    guard !isTeaching else { return }
    isTeaching = true
    try context.roles.call("flserver", "status", Self.session) { [self] (answer: Result<JSON, RoleError>) in
      guard case .failure(let error) = answer, error.status == .notFound else { return isTeaching = false }
      try sendModel()
    }
  }

  private func sendModel() throws {
    let model = Ledger(count: config.numbers).file
    try context.client.request("POST", config.teaches + "/models", body: model) {
      [self] (answer: Result<HTTPAnswer, RoleError>) -> Void in
      let kept = try? answer.get().json()["sha256"]?.string
      guard let kept else {
        isTeaching = false
        return
      }
      try begin(with: kept)
    }
  }

  private func begin(with model: String) throws {
    var document = config.document.object ?? JSONObject()
    document["model_config"] = ["initial": JSON.string(model)]
    var section: JSONObject = document["session_config"]?.object ?? JSONObject()
    section["session_id"] = JSON.string(Self.session)
    document["session_config"] = JSON.object(section)
    try context.roles.call("flserver", "start", JSON.object(document)) { [self] (answer: Result<JSON, RoleError>) in
      isTeaching = false
      if case .failure(let error) = answer { context.log.warning("no session: \(error)") }
    }
  }

  // MARK: Looking

  /// Every model that comes is an account of all updates so far.
  func look(at ledger: Ledger, _ version: UInt64) {
    guard !config.makesNoise else { return }
    if let fault = ledger.fault(version: version, updatesPerStep: config.updatesPerStep) { complain(fault) }
    guard let known = newest else {
      newest = Seen(version: version, ledger: ledger)
      return
    }
    let new = Seen(version: version, ledger: ledger)
    let (older, later) = known.version <= version ? (known, new) : (new, known)
    if let ticket = older.ledger.ticket(missingIn: later.ledger) {
      complain("version \(later.version) has lost ticket \(ticket), which version \(older.version) had")
    }
    newest = later
  }

  private func complain(_ words: String) {
    context.log.error(words)
    try? context.bus.publish("trainees.verdict", ["run": 1, "broken": .string(words)] as JSON)
  }
}
