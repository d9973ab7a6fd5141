import ReplicatedLog

/// A number of cores with disks, clocks that run at different speeds, and a network that loses, doubles, delays and
/// reorders messages. The paper's safety properties (figure 3) are looked at as it goes. A seed repeats it.
struct RaftWorld {
  struct Node {
    var raft: Raft
    var disk = Disk()
    var isUp = true
    /// What is being written, and when the disk has it.
    var writing: (write: Write, due: Int64)?
    /// Its clock: nanoseconds for each thousand of the world's.
    var rate: Int64
    var island = 0
    /// What its state machine is: every proposal that was applied, in order.
    var applied: [UInt64] = []
    var seed: UInt64
  }

  struct Disk {
    var promise = Promise()
    var snapshot: Snapshot?
    var log = EntryList()
  }

  struct Letter {
    var from: Int
    var to: Envelope
    var due: Int64
  }

  struct Settings {
    var members = 3
    var lossPerMille = 20
    var doublePerMille = 20
    var crashes = true
    var snapshotEntries = 12
    /// One in so many messages is late.
    var lateOneIn = 50
    var batchEntries = 4_000
  }

  let settings: Settings
  private(set) var nodes: [Node] = []
  private(set) var now: Int64 = 0
  private var letters: [Letter] = []
  private var random: Numbers
  private var proposed: UInt64 = 0
  private var isCalm = false

  // What the properties are about.
  private var leaders: [UInt64: Int] = [:]
  private(set) var final: [Entry] = []
  private var leaderLast: [Int: (term: UInt64, last: UInt64)] = [:]
  private var openReads: [UInt64: (node: Int, mustSee: UInt64)] = [:]
  private var lastRead: UInt64 = 0
  private(set) var confirmedReads = 0
  private(set) var problem: String?

  init(_ settings: Settings, seed: UInt64) {
    self.settings = settings
    random = Numbers(state: seed)
    for member in 1...settings.members {
      // Within the bound that the lease is made for.
      let rate = Int64.random(in: 910...1_090, using: &random)
      nodes.append(Node(raft: Raft(core(member), seed: 0), rate: rate, seed: seed &* 31 &+ UInt64(member)))
      start(member)
    }
  }

  private func core(_ member: Int) -> RaftSettings {
    var core = RaftSettings(me: member, members: Array(1...settings.members))
    core.snapshotEntries = settings.snapshotEntries
    core.batchEntries = settings.batchEntries
    core.keptEntries = settings.snapshotEntries / 3
    return core
  }

  private func clock(_ member: Int) -> Int64 { now / 1_000 * nodes[member - 1].rate + Int64(member) * 1_000_000_007 }

  // MARK: What happens

  /// Lets time pass, with whatever the seed makes up.
  mutating func run(milliseconds: Int) {
    let end = now + Int64(milliseconds) * 1_000_000
    while now < end, problem == nil {
      now += Int64.random(in: 200_000...4_000_000, using: &random)
      if !isCalm { disturb() }
      deliver()
      for member in 1...settings.members where nodes[member - 1].isUp { wake(member) }
    }
  }

  /// From now on nothing goes wrong, and all are up.
  mutating func calm() {
    isCalm = true
    for member in 1...settings.members {
      nodes[member - 1].island = 0
      if !nodes[member - 1].isUp { start(member) }
    }
  }

  private mutating func disturb() {
    let member = Int.random(in: 1...settings.members, using: &random)
    switch Int.random(in: 0..<1_000, using: &random) {
    case 0..<250: propose(member)
    case 250..<400: read(member)
    case 400..<402 where settings.crashes: crash(member)
    case 404..<430: if !nodes[member - 1].isUp { start(member) }
    case 430..<433: nodes[member - 1].island = Int.random(in: 0...1, using: &random)
    case 434..<440: for place in nodes.indices { nodes[place].island = 0 }
    case 440..<443: if nodes[member - 1].isUp { nodes[member - 1].raft.transferLeadership(among: others(member)) }
    case 443..<444 where settings.crashes: for each in 1...settings.members { crash(each) }
    default: break
    }
  }

  private func others(_ member: Int) -> [Int] { (1...settings.members).filter { $0 != member } }

  private mutating func propose(_ member: Int) {
    guard nodes[member - 1].isUp, nodes[member - 1].raft.role == .leader else { return }
    proposed += 1
    let origin = Origin(member: member, run: 1, sequence: proposed, floor: 1)
    _ = nodes[member - 1].raft.propose(Proposal(origin: origin, bytes: [UInt8(truncatingIfNeeded: proposed)]))
    pump(member)
  }

  private mutating func read(_ member: Int) {
    guard nodes[member - 1].isUp else { return }
    lastRead += 1
    openReads[lastRead] = (member, UInt64(final.count))
    nodes[member - 1].raft.advance(to: clock(member))
    nodes[member - 1].raft.read(lastRead)
    pump(member)
  }

  /// A write that was under way has happened, or not.
  private mutating func crash(_ member: Int) {
    guard nodes[member - 1].isUp else { return }
    if let (write, _) = nodes[member - 1].writing, Bool.random(using: &random) { store(write, member) }
    nodes[member - 1].writing = nil
    nodes[member - 1].isUp = false
    leaderLast[member] = nil
    openReads = openReads.filter { $0.value.node != member }
  }

  private mutating func start(_ member: Int) {
    let disk = nodes[member - 1].disk
    nodes[member - 1].seed &+= 1
    nodes[member - 1].raft = Raft(core(member), seed: nodes[member - 1].seed)
    nodes[member - 1].isUp = true
    nodes[member - 1].applied = Self.state(disk.snapshot)
    nodes[member - 1].raft.start(
      promise: disk.promise, snapshot: disk.snapshot, log: disk.log, now: clock(member))
  }

  private mutating func wake(_ member: Int) {
    let time = clock(member)
    if let (write, due) = nodes[member - 1].writing, due <= now {
      nodes[member - 1].writing = nil
      store(write, member)
      nodes[member - 1].raft.advance(to: time)
      nodes[member - 1].raft.written()
      pump(member)
    }
    if nodes[member - 1].raft.wakeAt <= time {
      nodes[member - 1].raft.advance(to: time)
      pump(member)
    }
  }

  private mutating func deliver() {
    let due = letters.filter { $0.due <= now }
    letters.removeAll { $0.due <= now }
    for letter in due {
      let target = letter.to.member
      guard nodes[target - 1].isUp, nodes[target - 1].island == nodes[letter.from - 1].island else { continue }
      nodes[target - 1].raft.advance(to: clock(target))
      nodes[target - 1].raft.receive(
        Envelope(member: letter.from, term: letter.to.term, message: letter.to.message))
      pump(target)
    }
  }

  /// Does what the core wants done.
  private mutating func pump(_ member: Int) {
    if nodes[member - 1].writing == nil, let write = nodes[member - 1].raft.takeWrite() {
      nodes[member - 1].writing = (write, now + Int64.random(in: 100_000...20_000_000, using: &random))
    }
    for envelope in nodes[member - 1].raft.takeMessages() { post(envelope, from: member) }
    if let snapshot = nodes[member - 1].raft.takeRestore() { nodes[member - 1].applied = Self.state(snapshot) }
    while let (first, entries) = nodes[member - 1].raft.takeCommitted(limit: 100) {
      for (offset, entry) in entries.enumerated() { apply(entry, at: first + UInt64(offset), on: member) }
    }
    if nodes[member - 1].raft.wantsSnapshot {
      nodes[member - 1].raft.keep(snapshot: Self.bytes(nodes[member - 1].applied))
    }
    check(member)
  }

  private mutating func post(_ envelope: Envelope, from member: Int) {
    let chance = isCalm ? 999 : Int.random(in: 0..<1_000, using: &random)
    guard chance >= settings.lossPerMille else { return }
    let copies = chance < settings.lossPerMille + settings.doublePerMille ? 2 : 1
    for _ in 0..<copies {
      let isLate = !isCalm && Int.random(in: 0..<settings.lateOneIn, using: &random) == 0
      let delay = Int64.random(in: 100_000...(isLate ? 800_000_000 : 5_000_000), using: &random)
      letters.append(Letter(from: member, to: envelope, due: now + delay))
    }
  }

  // MARK: Disks and state machines

  private mutating func store(_ write: Write, _ member: Int) {
    var disk = nodes[member - 1].disk
    if let promise = write.promise { disk.promise = promise }
    var entries: [UInt64: Entry] = [:]
    if disk.log.lastIndex > disk.log.baseIndex {
      for index in disk.log.firstIndex...disk.log.lastIndex { entries[index] = disk.log[index] }
    }
    for (offset, entry) in write.entries.enumerated() { entries[write.first + UInt64(offset)] = entry }
    if let stale = write.stale { for index in stale { entries[index] = nil } }
    if let snapshot = write.snapshot { disk.snapshot = snapshot }
    disk.log = EntryList(baseIndex: disk.snapshot?.index ?? 0, baseTerm: disk.snapshot?.term ?? 0)
    for (index, entry) in entries.sorted(by: { $0.key < $1.key }) where index > disk.log.baseIndex {
      if index != disk.log.lastIndex + 1 { problem = "member \(member)'s disk has a gap before \(index)" }
      disk.log.append(entry)
    }
    nodes[member - 1].disk = disk
  }

  private static func bytes(_ applied: [UInt64]) -> [UInt8] {
    applied.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }

  private static func state(_ snapshot: Snapshot?) -> [UInt64] {
    let bytes = snapshot?.bytes ?? []
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) }
    }
  }

  /// State Machine Safety: no two members apply different entries at one index.
  private mutating func apply(_ entry: Entry, at index: UInt64, on member: Int) {
    nodes[member - 1].applied.append(entry.origin?.sequence ?? 0)
    if UInt64(nodes[member - 1].applied.count) != index {
      problem = "member \(member) applies \(index) as its number \(nodes[member - 1].applied.count)"
    }
    if index <= UInt64(final.count) {
      if final[Int(index - 1)] != entry { problem = "State Machine Safety: two entries at \(index)" }
    } else {
      if index != UInt64(final.count) + 1 { problem = "entry \(index) is final before the one before it" }
      final.append(entry)
      // Final is what a majority has on its disks.
      let count = nodes.count { $0.disk.log.term(at: index) == entry.term || index < $0.disk.log.baseIndex }
      if count <= settings.members / 2 { problem = "entry \(index) is final on \(count) disks" }
    }
  }

  // MARK: The properties

  private mutating func check(_ member: Int) {
    let raft = nodes[member - 1].raft
    checkReads(member)
    if UInt64(nodes[member - 1].applied.count) != raft.applied {
      problem = "member \(member) has applied \(nodes[member - 1].applied.count), and says \(raft.applied)"
    }
    guard raft.role == .leader else { return leaderLast[member] = nil }
    // Election Safety: at most one leader can be elected in a term.
    if let other = leaders[raft.term], other != member {
      problem = "Election Safety: members \(other) and \(member) lead term \(raft.term)"
    }
    if leaders[raft.term] == nil {
      leaders[raft.term] = member
      checkCompleteness(member)
    }
    // Leader Append-Only: a leader never overwrites or deletes entries in its log.
    if let (term, last) = leaderLast[member], term == raft.term, raft.log.lastIndex < last {
      problem = "Leader Append-Only: member \(member)'s log ends at \(raft.log.lastIndex), and did at \(last)"
    }
    leaderLast[member] = (raft.term, raft.log.lastIndex)
  }

  /// Leader Completeness: what is final is in the logs of the leaders of all later terms.
  private mutating func checkCompleteness(_ member: Int) {
    let log = nodes[member - 1].raft.log
    for (place, entry) in final.enumerated() {
      let index = UInt64(place + 1)
      guard index > log.baseIndex else { continue }
      if index > log.lastIndex || log[index] != entry {
        problem = "Leader Completeness: member \(member) leads term \(nodes[member - 1].raft.term) without \(index)"
        return
      }
    }
  }

  /// A read sees what was final anywhere when it was asked.
  private mutating func checkReads(_ member: Int) {
    let (confirmed, failed) = nodes[member - 1].raft.takeReads()
    for number in failed { openReads[number] = nil }
    for read in confirmed {
      guard let open = openReads.removeValue(forKey: read.number) else { continue }
      confirmedReads += 1
      if read.index < open.mustSee {
        problem = "a read of member \(member) sees \(read.index) entries, and \(open.mustSee) were final before it"
      }
    }
  }

  /// Log Matching: two logs with an entry of the same index and term are the same up to there.
  mutating func checkMatching() {
    for one in nodes.indices {
      for other in nodes.indices where other > one { match(nodes[one].raft.log, nodes[other].raft.log) }
    }
  }

  private mutating func match(_ one: EntryList, _ other: EntryList) {
    let start = max(one.firstIndex, other.firstIndex), end = min(one.lastIndex, other.lastIndex)
    guard start <= end else { return }
    var mustMatch = false
    for index in (start...end).reversed() {
      if one[index].term == other[index].term { mustMatch = true }
      if mustMatch, one[index] != other[index] { problem = "Log Matching: two logs part at \(index)" }
    }
  }

  /// What is wrong if not all members have applied the same, some of it since then.
  mutating func checkAgreement(since count: Int) {
    let applied = nodes.map(\.applied)
    if Set(applied).count > 1 { problem = problem ?? "not all have applied the same: \(applied.map(\.count))" }
    if (applied.first?.count ?? 0) <= count { problem = problem ?? "nothing more was applied than \(count)" }
  }

  mutating func proposeToLeader() {
    for member in 1...settings.members { propose(member) }
  }
}

/// SplitMix64.
struct Numbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
