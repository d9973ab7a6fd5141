internal import NodeKit

/// Messages as bytes: a version, then any number of messages, each a kind and what it has. Numbers are little-endian.
/// What comes from another node is checked in full: a reader of any bytes ends with messages or with nothing, and takes
/// no more memory than a few times what it was given.
enum MessageCodec {
  static let version: UInt8 = 1

  /// Puts messages behind one another.
  struct Encoder {
    private var writer = ByteWriter(reserving: 512)
    private(set) var isEmpty = true

    init() { writer.add(version) }

    var count: Int { writer.count }
    var bytes: [UInt8] { writer.bytes }

    mutating func add(_ message: CommitMessage) {
      isEmpty = false
      writer.add(message)
    }
  }

  static func encode(_ messages: [CommitMessage]) -> [UInt8] {
    var encoder = Encoder()
    for message in messages { encoder.add(message) }
    return encoder.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> [CommitMessage] {
    var reader = ByteReader(bytes)
    guard try reader.number(UInt8.self) == version else { throw MalformedBytes() }
    var messages: [CommitMessage] = []
    while reader.left > 0 { messages.append(try reader.message()) }
    return messages
  }
}

extension ByteWriter {
  fileprivate mutating func add(_ message: CommitMessage) {
    switch message {
    case .hello(let run, let deciders, let wantsAnswer):
      start(1, run)
      add(deciders)
      add(wantsAnswer)
    case .promise(let ballot): start(2, ballot)
    case .promised(let ballot, let baseline, let records):
      start(3, ballot)
      add(baseline)
      add(list: records) { $0.add($1) }
    case .base(let ballot, let records):
      start(4, ballot)
      add(list: records) { $0.add($1) }
    case .based(let ballot): start(5, ballot)
    case .record(let ballot, let decisions):
      start(6, ballot)
      add(list: decisions) { $0.add($1) }
    case .recorded(let ballot, let ids):
      start(7, ballot)
      add(list: ids) { $0.add(counted: $1) }
    case .forget(let ballot, let ids):
      start(8, ballot)
      add(list: ids) { $0.add(counted: $1) }
    case .refused(let ballot): start(9, ballot)
    case .ready(let ballot): start(10, ballot)
    case .prepare(let transaction):
      add(UInt8(11))
      add(transaction)
    case .vote(let ballot, let id, let vote):
      start(12, ballot)
      add(counted: id)
      add(vote)
    case .outcome(let decisions):
      add(UInt8(13))
      add(list: decisions) { $0.add($1) }
    case .done(let ids):
      add(UInt8(14))
      add(list: ids) { $0.add(counted: $1) }
    case .inquire(let id, let ballot):
      start(15, ballot)
      add(counted: id)
    case .ask(let id, let ballot, let run):
      start(16, ballot)
      add(counted: id)
      add(run)
    case .refuses(let id):
      add(UInt8(17))
      add(counted: id)
    case .propose(let number, let patience, let proposal):
      start(18, number)
      add(patience)
      add(counted: proposal)
    case .proposed(let number, let answer):
      start(19, number)
      add(answer)
    case .lookUp(let number, let id):
      start(20, number)
      add(counted: id)
    case .found(let number, let finding):
      start(21, number)
      add(finding.state.rawValue)
      add(finding.isDamaged)
      add(list: finding.decision.map { [$0] } ?? []) { $0.add($1) }
    }
  }

  private mutating func start(_ kind: UInt8, _ number: UInt64) {
    add(kind)
    add(number)
  }

  private mutating func start(_ kind: UInt8, _ ballot: Ballot) {
    add(kind)
    add(ballot)
  }

  private mutating func add(_ answer: Answer) {
    switch answer {
    case .decided(let decision, let applyTook):
      add(UInt8(1))
      add(decision)
      add(applyTook != nil)
      add(applyTook ?? 0)
    case .failed(let status, let message, let mayTryAgain):
      add(UInt8(2))
      add(status)
      add(counted: message)
      add(mayTryAgain)
    }
  }

  mutating func add<Element>(list: [Element], _ each: (inout ByteWriter, Element) -> Void) {
    add(UInt32(list.count))
    for element in list { each(&self, element) }
  }

  mutating func add(_ ballot: Ballot) {
    add(ballot.term)
    add(ballot.run)
  }

  mutating func add(_ vote: Vote) {
    switch vote {
    case .yes: add(UInt8(1))
    case .readOnly: add(UInt8(2))
    case .no(let reason):
      add(UInt8(3))
      add(counted: reason)
    case .silent: add(UInt8(4))
    case .absent: add(UInt8(5))
    case .unawaited: add(UInt8(6))
    }
  }

  mutating func add(_ decision: Decision) {
    add(counted: decision.id)
    add(decision.outcome.rawValue)
    add(counted: decision.reason)
    add(decision.began)
    add(list: decision.votes) {
      $0.add(UInt32($1.node))
      $0.add($1.vote)
    }
    add(decision.prepareTook)
    add(decision.decideTook)
  }

  mutating func add(_ transaction: Transaction) {
    add(counted: transaction.id)
    add(transaction.ballot)
    add(transaction.number)
    add(transaction.floor.ballot)
    add(transaction.floor.number)
    add(transaction.began)
    add(list: transaction.members) {
      $0.add(UInt32($1.node))
      $0.add($1.run)
    }
    add(UInt32(transaction.needed))
    add(list: transaction.shares) {
      $0.add(counted: $1.resource)
      $0.add(list: $1.keys) { $0.add(counted: $1) }
      $0.add(counted: $1.changes)
    }
  }
}

extension ByteReader {
  fileprivate mutating func message() throws(MalformedBytes) -> CommitMessage {
    switch try number(UInt8.self) {
    case 1: .hello(run: try number(), deciders: try number(), wantsAnswer: try truth())
    case 2: .promise(try ballot())
    case 3: .promised(try ballot(), baseline: try ballot(), records: try decisions())
    case 4: .base(try ballot(), records: try decisions())
    case 5: .based(try ballot())
    case 6: .record(try ballot(), try decisions())
    case 7: .recorded(try ballot(), ids: try texts())
    case 8: .forget(try ballot(), ids: try texts())
    case 9: .refused(try ballot())
    case 10: .ready(try ballot())
    case 11: .prepare(try transaction())
    case 12: .vote(try ballot(), id: try text(), try vote())
    case 13: .outcome(try decisions())
    case 14: .done(ids: try texts())
    case 15: try inquiry()
    case 16: try question()
    case 17: .refuses(id: try text())
    case 18: .propose(number: try number(), patience: try number(), proposal: try text())
    case 19: .proposed(number: try number(), try answer())
    case 20: .lookUp(number: try number(), id: try text())
    case 21: .found(number: try number(), try finding())
    default: throw MalformedBytes()
    }
  }

  private mutating func inquiry() throws(MalformedBytes) -> CommitMessage {
    let ballot = try ballot()
    return .inquire(id: try text(), ballot)
  }

  private mutating func question() throws(MalformedBytes) -> CommitMessage {
    let ballot = try ballot()
    return .ask(id: try text(), ballot, run: try number())
  }

  private mutating func answer() throws(MalformedBytes) -> Answer {
    switch try number(UInt8.self) {
    case 1:
      let decision = try decision(), isApplied = try truth(), took = try number(UInt32.self)
      guard isApplied || took == 0 else { throw MalformedBytes() }
      return .decided(decision, applyTook: isApplied ? took : nil)
    case 2: return .failed(status: try number(), message: try text(), mayTryAgain: try truth())
    default: throw MalformedBytes()
    }
  }

  private mutating func finding() throws(MalformedBytes) -> Finding {
    guard let state = Finding.State(rawValue: try number()) else { throw MalformedBytes() }
    let isDamaged = try truth(), found = try decisions()
    guard found.count < 2 else { throw MalformedBytes() }
    return Finding(state: state, decision: found.first, isDamaged: isDamaged)
  }

  // Lists grow as their elements are found: a count alone reserves nothing.
  mutating func list<Element>(
    _ each: (inout ByteReader) throws(MalformedBytes) -> Element
  ) throws(MalformedBytes) -> [Element] {
    var list: [Element] = []
    for _ in 0..<(try number(UInt32.self)) { list.append(try each(&self)) }
    return list
  }

  private mutating func texts() throws(MalformedBytes) -> [String] {
    try list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.text() }
  }

  private mutating func decisions() throws(MalformedBytes) -> [Decision] {
    try list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.decision() }
  }

  mutating func ballot() throws(MalformedBytes) -> Ballot { Ballot(term: try number(), run: try number()) }

  mutating func vote() throws(MalformedBytes) -> Vote {
    switch try number(UInt8.self) {
    case 1: .yes
    case 2: .readOnly
    case 3: .no(try text())
    case 4: .silent
    case 5: .absent
    case 6: .unawaited
    default: throw MalformedBytes()
    }
  }

  mutating func decision() throws(MalformedBytes) -> Decision {
    let id = try text()
    guard let outcome = Outcome(rawValue: try number()) else { throw MalformedBytes() }
    var decision = Decision(id: id, outcome: outcome, reason: try text(), began: try number())
    decision.votes = try list { (reader: inout ByteReader) throws(MalformedBytes) in
      Decision.NodeVote(node: Int(try reader.number(UInt32.self)), vote: try reader.vote())
    }
    (decision.prepareTook, decision.decideTook) = (try number(), try number())
    return decision
  }

  mutating func transaction() throws(MalformedBytes) -> Transaction {
    let id = try text(), ballot = try ballot(), place: UInt64 = try number()
    let floor = Mark(ballot: try self.ballot(), number: try number())
    let began: Int64 = try number()
    let members = try list { (reader: inout ByteReader) throws(MalformedBytes) in
      Transaction.Member(node: Int(try reader.number(UInt32.self)), run: try reader.number())
    }
    let needed = Int(try number(UInt32.self))
    let shares = try list { (reader: inout ByteReader) throws(MalformedBytes) in
      let resource = try reader.text()
      let keys = try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.text() }
      return Share(resource: resource, keys: keys, changes: try reader.text())
    }
    guard !members.isEmpty, (1...members.count).contains(needed) else { throw MalformedBytes() }
    return Transaction(
      id: id, ballot: ballot, number: place, floor: floor, began: began, members: members, needed: needed,
      shares: shares)
  }
}
