public import NodeKit

/// The image sink of this node.
///
/// One node leads, as the elector says, and only it takes and gives images. Each image has an entry, which says that it
/// is there or was removed, with a version of the leader's term and a number that only grows; of two entries of an
/// image the one with the later version is right. A write is acknowledged when the entry, and the image's bytes, are on
/// the disks of the leader and of so many others that together they are a majority.
///
/// Each node keeps on its disk the latest term that it has heard of, and takes nothing of an earlier one. A new leader
/// asks a majority for all entries before it does anything; so it knows all that was ever acknowledged, and whatever
/// an earlier leader still tries fails with at least one node of every majority.
public final class ImagesNode {
  let context: RoleContext
  let settings: ImagesSettings
  /// The other nodes that keep images.
  private(set) var others: [Int] = []
  private(set) var nodes: [Int: Peers.Node] = [:]
  var addresses: [Int: String] = [:]
  private(set) var measures: ImagesMeasures?

  var catalogue = Catalogue()
  var leadership = Leadership()
  /// The latest term, as it is known and as it is on the disk.
  var fence: UInt64 = 0 {
    didSet { if fence > oldValue { endBeginnings(before: fence) } }
  }
  var durableFence: UInt64 = 0
  /// The versions that are on their way to the disk.
  var queued: [ImageID: ImageEntry.Version] = [:]
  /// Images of whose entries it is not known whether a majority has them.
  var unsettled: Set<ImageID> = []
  private var locks = Locks()

  var proposals: [ImageID: Proposal] = [:]
  var comparisons: [Int: Comparison] = [:]
  var lastComparison: Int64 = 0
  /// While taking over: the nodes that make a majority, and what they must all learn.
  var batch: (nodes: Set<Int>, news: Set<ImageID>)?
  /// What is told to others and wants an answer.
  var awaited: [UInt64: Awaited] = [:]
  private var lastNumber: UInt64 = 0
  var lines: [Int: [Sending]] = [:]
  var arrivals: [ImageID: Arrival] = [:]
  /// Uploads that come here and go on to others at once, and those that come so from the leader.
  var copyings: [UInt64: Copying] = [:]
  var beginnings: [Beginning.Key: Beginning] = [:]
  var fetches: [ImageID: Fetch] = [:]
  var uploads: [String: ResumableUpload] = [:]
  var intakes = 0
  let pacer = Pacer()
  let memory = MemoryRoom()
  var decoding = Decoding()
  var thumbnails = ThumbnailCache()
  var rotation: Rotation?
  var verification: Verification?
  private(set) var isLoaded = false
  private var lastVersion: UInt64 = 0

  public init(_ context: RoleContext, _ settings: ImagesSettings) throws {
    (self.context, self.settings) = (context, settings)
    guard PublicAddress(settings.address) != nil else {
      throw RoleError(
        .invalidArgument, "`\(settings.address)` is no address; write :PORT, HOST:PORT or http://HOST:PORT",
        at: "/address")
    }
    if !settings.members.isEmpty, !settings.members.contains(context.nodeID) {
      throw RoleError(
        .invalidArgument, "node \(context.nodeID) is none of \(settings.members); add it, or take the role away here",
        at: "/members")
    }
  }

  var now: Int64 { context.now.nanoseconds }
  var majority: Int { (others.count + 1) / 2 + 1 }
  /// So many others have a write before it is acknowledged.
  var replicas: Int {
    #if BROKEN_EARLY_ANSWER
      return 0
    #else
      return min(settings.replicas ?? majority - 1, others.count)
    #endif
  }
  // In an order that is always the same, so that a simulated run repeats.
  var openProposals: [Proposal] { proposals.values.sorted { $0.entry.id < $1.entry.id } }
  var openComparisons: [Comparison] { comparisons.values.sorted { $0.node < $1.node } }
  var openArrivals: [Arrival] { arrivals.values.sorted { $0.entry.id < $1.entry.id } }
  var openCopyings: [Copying] { copyings.values.sorted { $0.number < $1.number } }
  var openBeginnings: [Beginning] { beginnings.values.sorted { $0.key < $1.key } }
  var linked: [Int] { others.filter { nodes[$0]?.isUp == true } }

  func number() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// Greater than all before, also than those of a build that was exchanged in the same term: the clock goes on.
  func nextVersion() -> ImageEntry.Version {
    lastVersion = max(lastVersion + 1, UInt64(max(0, now)) / 1000)
    return ImageEntry.Version(term: leadership.term, number: lastVersion)
  }

  /// Runs `body` when nothing else is done about the image.
  func alone(with id: ImageID, _ body: @escaping (Turn) -> Void) {
    let begin = { [self] in
      body(
        Turn { [self] in
          // Not from inside of what has just ended.
          locks.leave(id)?()
        })
    }
    if locks.enter(id, begin) { begin() }
  }

  // MARK: Life

  public func start() throws {
    measures = ImagesMeasures(context.metrics)
    lastNumber = context.random.next() >> 16
    try learnNodes()
    others = try findOthers()
    try context.peers.onMessage { [self] in messageCame($0) }
    try context.peers.onLink { [self] change in
      try learnNodes()
      if change.isUp { linkCame(change.node) } else { linkWent(change.node) }
    }
    try context.bus.subscribe("leader.changed") { [self] in leaderChanged(try $0.decode(JSON.self)) }
    try context.bus.subscribe("leader.lease") { [self] in leaseCame(try $0.decode(JSON.self)) }
    try addRoutes()
    try context.timer.every(.seconds(1)) { [self] in maintain() }
    load()
  }

  private func learnNodes() throws {
    nodes = Dictionary(uniqueKeysWithValues: try context.peers.nodes().map { ($0.id, $0) })
  }

  private func findOthers() throws -> [Int] {
    let known = nodes.keys.filter { $0 != context.nodeID }
    if settings.members.isEmpty { return known.sorted() }
    for id in settings.members where nodes[id] == nil {
      throw RoleError(.failedPrecondition, "node \(id) is not in cluster.peers; add it there", at: "/members")
    }
    return settings.members.filter { $0 != context.nodeID }.sorted()
  }

  /// What the disk has. Until it is known, nobody is answered.
  private func load() {
    attempt("reading the entries") {
      try context.store.get("fence") { [self] (found: Result<Stored<JSON>?, RoleError>) in
        guard case .success(let stored) = found else { return cannotRead("the latest term") }
        durableFence = stored?.value.int.flatMap { UInt64(exactly: $0) } ?? 0
        fence = max(fence, durableFence)
        lastVersion = 0
        try loadEntries()
      }
    }
  }

  private func loadEntries() throws {
    try context.store.scan(prefix: "entry/") { [self] (stored: Stored<[UInt8]>) in
      guard let entry = ImageEntry(storedBytes: stored.value) else {
        throw RoleError(.dataLoss, "\(stored.name) cannot be read")
      }
      catalogue.apply(entry)
    } then: { [self] result in
      guard case .success = result else { return cannotRead("the entries") }
      try thumbnails.load(self) { [self] in try loadObjects() }
    }
  }

  private func loadObjects() throws {
    try context.blobs.list { [self] result in
      guard case .success(let objects) = result else { return cannotRead("the list of objects") }
      var strays: [String] = []
      for object in objects where object.problem == nil {
        guard let id = ImageID(object.sha256), catalogue.live(id) != nil else {
          if !thumbnails.uses(object.sha256) { strays.append(object.sha256) }
          continue
        }
        catalogue.hold(id)
      }
      // Of writes that were killed before anybody was told of them.
      for stray in strays { try context.blobs.remove(stray) { _ in } }
      try loadUploads()
    }
  }

  /// The last of what is loaded: what others have said meanwhile was not listened to, so ask them anew.
  func loaded() {
    isLoaded = true
    context.log.info(
      "node \(context.nodeID): \(catalogue.liveCount) images, \(catalogue.missing.count) of them without their bytes, "
        + "term \(fence)")
    for node in linked { linkCame(node) }
    askForLeader()
  }

  private func cannotRead(_ what: String) {
    context.fail(.dataLoss, "\(what) of the images cannot be read, and going on without could lose some")
  }

  func attempt(_ what: String, _ body: () throws -> Void) {
    do { try body() } catch { context.log.error("\(what): \(error)") }
  }

  // MARK: Others

  func send(_ message: ImageMessage, to node: Int, _ priority: Peers.Priority = .normal) throws {
    try context.peers.send(message.bytes, to: node, priority: priority)
  }

  /// What is lost is asked for again.
  func say(_ message: ImageMessage, to node: Int) { try? send(message, to: node) }

  private func linkCame(_ node: Int) {
    guard isLoaded, others.contains(node) else { return }
    say(.hello(address: settings.address, wantsAnswer: true), to: node)
    if leadership.leads { compare(with: node) }
    for proposal in openProposals { deliver(proposal, to: node) }
  }

  private func linkWent(_ node: Int) {
    dropComparison(node)
    stopTransfers(with: node)
  }

  private func messageCame(_ message: Message) {
    guard isLoaded, others.contains(message.node) else { return }
    guard let said = ImageMessage(message.bytes) else {
      return context.log.warning("node \(message.node) speaks another language about images; it runs another version")
    }
    let node = message.node
    switch said {
    case .hello(let address, let wantsAnswer):
      addresses[node] = address
      guard wantsAnswer else { return }
      say(.hello(address: settings.address, wantsAnswer: false), to: node)
      // It has just begun to listen, so what it was asked before is lost.
      if comparisons[node]?.stage == .asked { compare(with: node) }
    case .gather(let term): gatherCame(term, from: node)
    case .summary(let term, let digests): summaryCame(term, digests, from: node)
    case .ask(let term, let buckets): askCame(term, buckets, from: node)
    case .entries(let term, let entries, let isLast): entriesCame(term, entries, isLast, from: node)
    case .keep(let term, let number, let entries): keepCame(term, number, entries, from: node)
    case .open(let term, let number, let entry, let isNew): openCame(term, number, entry, isNew, from: node)
    case .chunk(let number, let offset, let bytes): chunkCame(number, Int(clamping: offset), bytes, from: node)
    case .taken(let number, let offset): takenCame(number, Int(clamping: offset), from: node)
    case .kept(let number): answerCame(number, from: node, .success(()))
    case .refused(let number, let term, let reason): refusalCame(number, term, reason, from: node)
    case .stop(let number): stopCame(number, from: node)
    case .fetch(let id): fetchCame(id, from: node)
    case .absent(let id): fetches[id]?.failed(from: node)
    case .begin(let term, let number, let format): beginCame(term, number, format, from: node)
    case .whole(let number, let size): wholeCame(number, size, from: node)
    case .seal(let term, let copy, let number, let entry): sealCame(term, copy, number, entry, from: node)
    }
  }

  // MARK: From time to time

  private func maintain() {
    guard isLoaded else { return }
    let silent = openComparisons.filter { $0.isUnderWay && now - $0.touched > 3_000_000_000 }
    for comparison in silent { dropComparison(comparison.node) }
    if leadership.isTaking { goOnTaking() }
    if leadership.isReady {
      if now - lastComparison > Int64(settings.compareSeconds) * 1_000_000_000 { compareWithAll() }
      settleSome()
    }
    forgetSilent()
    repairSome()
    removeOldUploads()
    measures?.show(self)
  }
}
