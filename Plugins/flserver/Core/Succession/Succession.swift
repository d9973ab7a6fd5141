internal import NodeKit

/// Servers of which one leads, as the role `elector` says, and the others could at any moment.
///
/// What the leader's disk has of its sessions, a majority of the disks has before anything is built on it. Whoever
/// leads next asks a majority first, and so hears of it. Each message carries the term of who leads, and a server that
/// has heard of a later one, which its disk remembers, hears no more of an earlier.
final class Succession {
  private static let again = Duration.seconds(1)
  private static let termKey = "term"

  private struct Wish {
    var message: JSON
    var kept: Set<Int>
    var done: () -> Void
  }

  private let context: RoleContext
  private let settings: ServerSettings
  private let fetcher: ObjectFetcher
  private var others: [Int] = []
  /// The greatest that was heard of.
  private var term: Int64 = 0
  /// Nil: nobody is known to lead.
  private(set) var leader: Int?
  private var wishes: [Int64: Wish] = [:]
  private var lastNumber: Int64 = 0
  /// What others have, as far as they have said, while this server takes over.
  private var heard: [Int: [SuccessionMessage.Testament]]?
  private var incoming: [(node: Int, number: Int64, testament: SuccessionMessage.Testament)] = []
  private var isTaking = false
  /// This server's own sessions, from its disk.
  var own: (@escaping (Result<[(String, SessionRecord)], RoleError>) -> Void) -> Void = { $0(.success([])) }
  /// It leads now, and its disk has all sessions.
  var lead: () -> Void = {}
  /// It leads no more.
  var follow: () -> Void = {}
  var keepEvent: (_ session: String, JSON) -> Void = { _, _ in }

  init(_ context: RoleContext, _ settings: ServerSettings) {
    (self.context, self.settings) = (context, settings)
    fetcher = ObjectFetcher(context)
  }

  var leads: Bool { leader == context.nodeID && heard == nil }

  func start() throws {
    others = try context.peers.nodes().filter { !$0.isSelf }.map(\.id)
    try context.peers.onMessage { [unowned self] in messageCame($0) }
    try context.bus.subscribe("leader.changed") { [unowned self] event in changed(try event.decode(JSON.self)) }
    try context.timer.every(Self.again) { [unowned self] in sayAgain() }
    try context.store.get(Self.termKey) { [unowned self] (stored: Result<Stored<JSON>?, RoleError>) in
      term = max(term, (try? stored.get())?.value["term"]?.int ?? 0)
      try context.roles.call(settings.elector, "leader") { [unowned self] (answer: Result<JSON, RoleError>) in
        if leader == nil, let known = try? answer.get() { changed(known) }
      }
    }
  }

  private var majority: Int { (others.count + 1) / 2 + 1 }

  // MARK: Who leads

  private func changed(_ news: JSON) {
    let next = news["leader"]?.int.map { Int($0) }, newTerm = news["term"]?.int ?? term
    guard newTerm >= term, next != leader || newTerm > term else { return }
    if leader == context.nodeID { stepDown() }
    (leader, term) = (next, newTerm)
    guard leader == context.nodeID else { return }
    heard = [:]
    remember { [self] in
      context.log.info("this server leads in term \(term), and asks the others what they have")
      hear([], from: context.nodeID)
      sayAgain()
    }
  }

  /// Another may lead already: nothing more is written in the name of this term.
  private func stepDown() {
    (leader, heard, wishes) = (nil, nil, [:])
    follow()
  }

  /// The term is on the disk before anybody counts on it.
  private func remember(then done: @escaping () -> Void) {
    let value: JSON = ["term": .int(term)]
    do {
      try context.store.commit {
        $0.put(Self.termKey, value)
      } then: { [context] result in
        if case .failure(let error) = result { return context.fail(error.status, "the term cannot be written down") }
        done()
      }
    } catch { context.fail(.internal, "the term cannot be written down: \(error)") }
  }

  private func say(_ message: SuccessionMessage, to node: Int) {
    try? context.peers.send(message.json(term: term), to: node)
  }

  private func sayAgain() {
    if leader == context.nodeID, let heard {
      for node in others where heard[node] == nil { say(.ask, to: node) }
    }
    for wish in wishes.values {
      for node in others where !wish.kept.contains(node) { try? context.peers.send(wish.message, to: node) }
    }
  }

  // MARK: Keeping

  /// `done` comes when a majority has it on the disk, this server among them.
  func keep(_ session: String, _ record: SessionRecord, then done: @escaping () -> Void) {
    guard leads else { return }
    lastNumber += 1
    let testament = SuccessionMessage.Testament(session: session, record: record, place: place)
    let message = SuccessionMessage.put(number: lastNumber, testament).json(term: term)
    wishes[lastNumber] = Wish(message: message, kept: [context.nodeID], done: done)
    for node in others { try? context.peers.send(message, to: node) }
    settle(lastNumber)
  }

  private func settle(_ number: Int64) {
    guard let wish = wishes[number], wish.kept.count >= majority else { return }
    wishes[number] = nil
    wish.done()
  }

  func tell(_ session: String, _ event: JSON) {
    guard leads else { return }
    for node in others { say(.event(session: session, event), to: node) }
  }

  /// Stamps a record that is about to be written.
  func stamp(_ record: inout SessionRecord) {
    (record.term, record.number) = (term, record.number + 1)
  }

  private var place: String {
    guard let own = try? context.peers.nodes().first(where: \.isSelf),
      let port = own.ports[settings.listener.isEmpty ? "data" : settings.listener]
    else { return "" }
    let host = own.address.utf8.contains(UInt8(ascii: ":")) ? "[\(own.address)]" : own.address
    return "http://\(host):\(port)"
  }

  // MARK: What others say

  private func messageCame(_ message: Message) {
    do {
      let (said, content) = try SuccessionMessage.read(message.decode(JSON.self))
      guard said >= term else { return }
      if said > term {
        term = said
        if leader == context.nodeID { stepDown() }
        return remember { [self] in take(content, from: message.node) }
      }
      take(content, from: message.node)
    } catch { context.log.warning("a message of node \(message.node) cannot be read: \(error)") }
  }

  private func take(_ message: SuccessionMessage, from node: Int) {
    switch message {
    case .ask: answer(node)
    case .have(let all): if leader == context.nodeID { hear(all, from: node) }
    case .put(let number, let testament):
      incoming.append((node, number, testament))
      takeNext()
    case .kept(let number):
      wishes[number]?.kept.insert(node)
      settle(number)
    case .event(let session, let event): keepEvent(session, event)
    }
  }

  private func answer(_ node: Int) {
    own { [self] own in
      guard let own = try? own.get() else { return }
      let all = own.map { SuccessionMessage.Testament(session: $0.0, record: $0.1, place: place) }
      say(.have(all), to: node)
    }
  }

  /// One after the other: each may have to be fetched.
  private func takeNext() {
    guard !isTaking, !incoming.isEmpty else { return }
    isTaking = true
    let (node, number, testament) = incoming.removeFirst()
    adopt([testament]) { [self] error in
      isTaking = false
      if let error {
        context.log.warning("session \(testament.session) of node \(node) cannot be kept here: \(error.message)")
      } else {
        say(.kept(number: number), to: node)
      }
      takeNext()
    }
  }

  // MARK: Taking over

  private func hear(_ testaments: [SuccessionMessage.Testament], from node: Int) {
    guard heard != nil else { return }
    heard?[node] = testaments
    guard let all = heard, all.count >= majority else { return }
    let mine = term
    adopt(Self.newest(all.values.flatMap { $0 })) { [self] error in
      guard heard != nil, term == mine, leader == context.nodeID else { return }
      if let error {
        context.log.warning("what another server has of the sessions does not come: \(error.message)")
        heard = [context.nodeID: []]
        return
      }
      heard = nil
      lead()
    }
  }

  static func newest(_ all: [SuccessionMessage.Testament]) -> [SuccessionMessage.Testament] {
    var newest: [String: SuccessionMessage.Testament] = [:]
    for one in all where newest[one.session].map({ $0.record.isOlder(than: one.record) }) ?? true {
      newest[one.session] = one
    }
    return newest.values.sorted { $0.session < $1.session }
  }

  /// Brings records that are newer than this server's to its disk, with their objects first.
  private func adopt(_ testaments: [SuccessionMessage.Testament], then done: @escaping (RoleError?) -> Void) {
    guard let next = testaments.first else { return done(nil) }
    let goOn = { [self] (error: RoleError?) in
      if let error { done(error) } else { adopt(Array(testaments.dropFirst()), then: done) }
    }
    ifOlder(next, then: goOn) { [self] _, _ in
      fetcher.fetch(next.record.objects, from: next.place) { [self] error in
        if let error { return done(error) }
        // While its objects came, a newer one may have been written.
        ifOlder(next, then: goOn) { [self] in write(next, instead: $0, revision: $1, then: goOn) }
      }
    }
  }

  /// Goes on with what the disk has if that is older, and with nothing else.
  private func ifOlder(
    _ testament: SuccessionMessage.Testament, then done: @escaping (RoleError?) -> Void,
    _ body: @escaping (SessionRecord?, UInt64) -> Void
  ) {
    do {
      try context.store.get(Self.key(testament)) { (stored: Result<Stored<JSON>?, RoleError>) in
        do {
          let stored = try stored.get(), known = try stored.map { try SessionRecord($0.value) }
          if let known, !known.isOlder(than: testament.record) { return done(nil) }
          body(known, stored?.revision ?? 0)
        } catch { done(RoleError(error)) }
      }
    } catch { done(RoleError(error)) }
  }

  private func write(
    _ testament: SuccessionMessage.Testament, instead known: SessionRecord?, revision: UInt64,
    then done: @escaping (RoleError?) -> Void
  ) {
    do {
      try context.store.commit {
        $0.expect(Self.key(testament), revision: revision)
        $0.put(Self.key(testament), testament.record.json)
      } then: { [context] result in
        if case .failure(let error) = result { return done(error) }
        let used = Set(testament.record.objects)
        for object in known?.objects ?? [] where !used.contains(object) { try? context.blobs.remove(object) { _ in } }
        done(nil)
      }
    } catch { done(RoleError(error)) }
  }

  private static func key(_ testament: SuccessionMessage.Testament) -> String {
    SessionRecord.prefix(testament.session) + "record"
  }
}
