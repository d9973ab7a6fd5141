import HostCore
import Synchronization

/// What all of a node's stores share.
package final class BlobService: Sendable {
  let pool: any DiskRunner
  let buffers = BlobBuffers()
  /// Nil where each upload is best hashed for itself.
  let hasher: BlobHasher?
  private let state: String?
  private let settings: BlobSettings
  private let log: LogHub
  private let stores = Mutex<[String: BlobStore]>([:])
  private let scrubs = Mutex<[String: BlobScrub]>([:])

  /// Without a state folder, nothing is kept.
  init(state: String?, _ settings: BlobSettings, _ log: LogHub, pool: any DiskRunner = DiskPool()) {
    self.pool = pool
    // In a simulated world all goes on as on any other machine, whatever this one's processor can do.
    hasher = ContentDigest.width > 1 && pool is DiskPool ? BlobHasher(pool) : nil
    self.state = state
    self.settings = settings
    self.log = log
  }

  /// Nil without a state folder. The same one for all builds of a role, and for who looks at it from outside.
  package func store(of role: String) -> BlobStore? {
    guard let state else { return nil }
    return stores.withLock { stores in
      if let store = stores[role] { return store }
      let store = BlobStore(role: role, folder: "\(state)/roles/\(role)/blobs", settings, log)
      stores[role] = store
      return store
    }
  }

  /// The scrub of a role's objects: a new one, unless one is running.
  func scrub(_ role: String) -> BlobScrub? {
    guard let store = store(of: role) else { return nil }
    return scrubs.withLock { scrubs in
      if let scrub = scrubs[role], scrub.isRunning { return scrub }
      let scrub = BlobScrub(store, pool, buffers)
      scrubs[role] = scrub
      scrub.begin()
      return scrub
    }
  }

  /// The last one, if there was one since the node started.
  func lastScrub(of role: String) -> BlobScrub? { scrubs.withLock { $0[role] } }
}
