import HostRuntime
import NodeValues
package import Simulator

/// Invariants of a learning session as its server's disk has it: versions grow one by one, each takes as many updates
/// as make a step, and an update that is on the disk stays until a version has taken it, and never comes back.
package final class LedgerBalances: WorldWatcher {
  package static let rule = "updates count once"

  private let updatesPerStep: Int?
  private var commits = -1
  private var version: Int64 = 0
  private var models: [Int64: String] = [:]
  private var waiting: [String: JSON] = [:]
  private var gone: Set<String> = []
  private var recordBytes: [UInt8] = []
  private var record = JSON.null
  /// Updates that were on the disk.
  package private(set) var taken = 0
  package private(set) var versions: Int64 = 0
  /// Of the last model, when the session has ended.
  package private(set) var final: String?

  /// - Parameter updatesPerStep: nil: as many as come.
  package init(updatesPerStep: Int? = 4) { self.updatesPerStep = updatesPerStep }

  package func worldMoved(_ world: World) {
    let server = world.nodes[0]
    guard server.commits != commits else { return }
    commits = server.commits
    look(server.stored(of: "flserver").entries(in: StoreRange()), world)
  }

  private func look(_ entries: [StoreEntry], _ world: World) {
    var updates: [String: JSON] = [:]
    for entry in entries {
      let key = String(decoding: entry.key, as: UTF8.self)
      guard key.hasPrefix("session/lesson/") else { continue }
      if key.hasSuffix("/record") {
        // It grows with the models that may still be needed, and most commits leave it as it is.
        if entry.value != recordBytes {
          (recordBytes, record) = (entry.value, (try? JSON(parsing: entry.value)) ?? nil)
        }
      } else if let json = waiting[key] ?? (try? JSON(parsing: entry.value)) {
        updates[key] = json
      }
    }
    guard let now = record["version"]?.int, let model = record["model"]?["object"]?.string else { return }
    let left = waiting.keys.filter { updates[$0] == nil }
    if now < version { world.fail(Self.rule, "version \(version) was on the disk, and now it is \(now)") }
    if now > version + 1 { world.fail(Self.rule, "version \(version) is followed by \(now)") }
    if let known = models[now], known != model { world.fail(Self.rule, "version \(now) was made twice, as two models") }
    if now == version, !left.isEmpty { world.fail(Self.rule, "\(left.count) updates are gone, and in no version") }
    if now > version, let updatesPerStep, left.count != updatesPerStep {
      world.fail(
        Self.rule, "version \(now) has taken \(left.count) updates off the disk; \(updatesPerStep) make a step")
    }
    for (key, update) in updates where waiting[key] == nil {
      taken += 1
      if gone.contains(key) { world.fail(Self.rule, "\(key) is back, and was in a version before") }
      if let begun = update["version"]?.int, begun > now {
        world.fail(Self.rule, "\(key) begins with version \(begun)")
      }
    }
    gone.formUnion(left)
    (version, models[now], waiting, versions) = (now, model, updates, max(versions, now))
    if record["end"]?.string == "finished" { final = model }
  }
}
