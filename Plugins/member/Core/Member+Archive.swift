import NodeKit
import ProtoFields

/// What the store is still to be told.
struct Archive {
  /// Nodes that are otherwise there than in the list, or not at all.
  var changed: Set<Int32> = []
  var isDirty = false
  var timer: Timer?
  /// Under way; nil: nothing is.
  var writing: Set<Int32>?

  /// What the next build has to write: perhaps also what is under way.
  var unwritten: Set<Int32> { changed.union(writing ?? []) }
}

/// The list in the store, so that a restart without gateways still knows it: an entry for each node, and one for all
/// else. What changes within a second goes there together; what a kill takes with it the next watch tells again, since
/// the revision is in the same commit as its nodes.
extension Member {
  private static let head = "head"
  private static let nodePrefix = "node/"
  private static let delay = Duration.seconds(1)

  func readArchive(then done: @escaping () -> Void) throws {
    var nodes: [NodeRecord] = []
    var snapshot: Snapshot?
    try context.store.scan(from: "") { (entry: Stored<[UInt8]>) in
      if entry.name == Self.head {
        snapshot = try Snapshot(entry.value)
      } else if entry.name.hasPrefix(Self.nodePrefix) {
        nodes.append(try NodeRecord(ProtoReader(entry.value)))
      }
    } then: { [unowned self] result in
      if case .failure(let error) = result {
        context.log.error("what was known of the nodes cannot be read: \(error); beginning without it")
      } else if let snapshot {
        take(snapshot, nodes)
        context.log.info("\(Words.count(nodes.count, "node")) known from before")
        showFreshness()
      }
      done()
    }
  }

  func noteArchive(_ changes: [NodeList.Change] = []) {
    for change in changes {
      switch change {
      case .joined(let node), .updated(let node), .left(let node, _): archive.changed.insert(node.id)
      case .leader: break
      }
    }
    archive.isDirty = true
    writeLater()
  }

  private func writeLater() {
    guard archive.timer == nil, archive.writing == nil else { return }
    // Without a timer the next change tries again.
    archive.timer = try? context.timer.once(after: Self.delay) { [unowned self] in writeArchive() }
  }

  private func writeArchive() {
    archive.timer = nil
    guard archive.isDirty else { return }
    let changed = archive.changed
    (archive.changed, archive.isDirty, archive.writing) = ([], false, changed)
    do {
      try context.store.commit { commit in
        for id in changed.sorted() {
          let key = "\(Self.nodePrefix)\(id)"
          guard let node = list.nodes[id] else {
            commit.delete(key)
            continue
          }
          var writer = ProtoWriter()
          node.write(to: &writer)
          commit.put(key, writer.bytes)
        }
        commit.put(Self.head, snapshot().bytes)
      } then: { [unowned self] result in
        if case .failure(let error) = result { archiveFailed(error) } else { written() }
      }
    } catch {
      archiveFailed(RoleError(error))
    }
  }

  private func written() {
    archive.writing = nil
    if archive.isDirty { writeLater() }
  }

  private func archiveFailed(_ error: RoleError) {
    archive.changed = archive.unwritten
    archive.writing = nil
    archive.isDirty = true
    context.log.warning("the nodes are not on the disk: \(error); with the next change it is tried again")
  }
}
