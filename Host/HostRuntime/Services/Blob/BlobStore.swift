import CNodeABI
import Glibc
package import HostCore
import Synchronization

/// The objects of one role, as plain files:
///
///     objects/ab/cd/abcd…   whole objects, named by the SHA-256 of their content
///     uploads/…             what is not whole yet, named by the SHA-256 of the upload's name
///     quarantine/abcd…      objects that a scrub found damaged
///
/// A name in `objects` is durable and whole: content and record are synced before the rename, the folders after it. All
/// of it may wait for the disk, and belongs on a disk thread.
package final class BlobStore: @unchecked Sendable {
  let role: String
  let folder: String
  let settings: BlobSettings
  let log: LogHub
  /// Held while names change, so that of two uploads of the same content one finds the other's.
  private let names = Mutex<Names>(Names())
  private let holders = Mutex<[String: BlobUpload]>([:])

  private struct Names {
    var isPrepared = false
    /// Folders that are known to be on the disk.
    var durable: Set<String> = []
  }

  init(role: String, folder: String, _ settings: BlobSettings, _ log: LogHub) {
    self.role = role
    self.folder = folder
    self.settings = settings
    self.log = log
  }

  private var objects: String { "\(folder)/objects" }
  private var uploads: String { "\(folder)/uploads" }
  private var quarantine: String { "\(folder)/quarantine" }

  private func innerFolder(_ name: BlobName) -> String {
    "\(objects)/\(name.folders.outer)/\(name.folders.inner)"
  }

  package func path(of name: BlobName) -> String { "\(innerFolder(name))/\(name)" }

  func path(ofUpload name: String) -> String {
    "\(uploads)/\(BlobName.hexadecimal(ContentDigest.of(Array(name.utf8))))"
  }

  /// Makes the folders, once. Its parents may be new too.
  func prepare() throws(BlobFailure) {
    let result = names.withLock { names -> Result<Bool, BlobFailure> in
      if names.isPrepared { return .success(false) }
      for path in [objects, uploads, quarantine] where !makeFolder(path, mode: 0o700) {
        return .failure(.system("make the folder", path))
      }
      var above = folder
      for _ in 0..<4 {
        guard syncFolder(above) else { return .failure(.system("sync the folder", above)) }
        above = PathText.folder(of: above)
      }
      names.isPrepared = true
      return .success(true)
    }
    if try result.get() { removeOldUploads() }
  }

  // MARK: Objects

  /// The file of a whole object, and what is known of it.
  package func open(_ name: BlobName) throws(BlobFailure) -> (file: BlobFile, record: BlobRecord) {
    let path = path(of: name)
    let file: BlobFile
    do throws(BlobFailure) { file = try BlobFile.open(path, settings) } catch {
      if access(path, F_OK) != 0, errno == ENOENT { throw missing(name) }
      guard error.status == NH_DATA_LOSS else {
        throw BlobFailure(error.status, "the object \(name): \(error.message)")
      }
      throw .damaged(name, error.message)
    }
    guard let record = file.readWholeRecord() else { throw .damaged(name, "its record is not as it was written") }
    guard record.name == name else { throw .damaged(name, "its file holds another object, \(record.name)") }
    let size = file.header.layout.fileSize(of: record.size)
    guard file.size == size else {
      throw .damaged(name, "its file has \(file.size ?? 0) bytes, and should have \(size)")
    }
    return (file, record)
  }

  private func missing(_ name: BlobName) -> BlobFailure {
    guard access("\(quarantine)/\(name)", F_OK) == 0 else {
      return BlobFailure(NH_NOT_FOUND, "there is no object \(name)")
    }
    return .damaged(name, "it was put into quarantine")
  }

  /// Whether such an object is there, and whether the upload may stay out of its place: not if that is sealed with
  /// another key, so that whoever writes an object again seals it with the present one.
  private func standing(_ name: BlobName, against file: BlobFile) -> (isThere: Bool, mayStay: Bool) {
    guard let present = try? open(name).file else { return (false, false) }
    return (true, present.header.seal?.keyID == file.header.seal?.keyID)
  }

  /// Gives a finished upload its name, durably. True if the object was there already.
  func keep(_ file: BlobFile, _ record: BlobRecord) throws(BlobFailure) -> Bool {
    let name = record.name
    var (isDuplicate, mayStay) = standing(name, against: file)
    if !mayStay {
      try file.writeWholeRecord(record)
      try file.sync()
      (isDuplicate, mayStay) = try rename(file, to: name)
    }
    if mayStay { unlink(file.path) }
    // Also for a duplicate: whoever made it may have been killed before he got here.
    try syncFolders(of: name)
    unlink("\(quarantine)/\(name)")
    return isDuplicate
  }

  /// Unless another upload has just been given it.
  private func rename(
    _ file: BlobFile, to name: BlobName
  ) throws(BlobFailure) -> (isDuplicate: Bool, mayStay: Bool) {
    let result = names.withLock { _ -> Result<(isDuplicate: Bool, mayStay: Bool), BlobFailure> in
      let (isThere, mayStay) = standing(name, against: file)
      if mayStay { return .success((true, true)) }
      let path = path(of: name)
      guard makeFolder(innerFolder(name), mode: 0o700), Glibc.rename(file.path, path) == 0 else {
        return .failure(.system("make", path))
      }
      return .success((isThere, false))
    }
    return try result.get()
  }

  /// The folder that the name stands in; each of those above it only until the one below is known to be durable.
  private func syncFolders(of name: BlobName) throws(BlobFailure) {
    let inner = innerFolder(name), outer = "\(objects)/\(name.folders.outer)"
    let known = names.withLock { ($0.durable.contains(inner), $0.durable.contains(outer)) }
    let due = [inner] + (known.0 ? [] : [outer]) + (known.1 ? [] : [objects])
    for path in due where !syncFolder(path) { throw .system("sync the folder", path) }
    guard due.count > 1 else { return }
    names.withLock { $0.durable.formUnion([inner, outer]) }
  }

  func remove(_ name: BlobName) throws(BlobFailure) {
    let wasThere = names.withLock { _ in unlink(path(of: name)) == 0 }
    let wasQuarantined = unlink("\(quarantine)/\(name)") == 0
    if wasThere, !syncFolder(innerFolder(name)) { throw .system("sync the folder", innerFolder(name)) }
    if wasQuarantined, !syncFolder(quarantine) { throw .system("sync the folder", quarantine) }
    guard wasThere || wasQuarantined else { throw BlobFailure(NH_NOT_FOUND, "there is no object \(name)") }
  }

  /// Out of the way of readers, and kept for whoever wants to look at it.
  func quarantine(_ name: BlobName) throws(BlobFailure) {
    let target = "\(quarantine)/\(name)"
    guard names.withLock({ _ in Glibc.rename(path(of: name), target) == 0 }) else { throw .system("move", target) }
    guard syncFolder(quarantine), syncFolder(innerFolder(name)) else { throw .system("sync the folder", quarantine) }
  }

  /// The names after one, in order, at most so many.
  package func list(after last: String, limit: Int) -> [BlobName] {
    var found: [BlobName] = []
    for outer in filesIn(objects).sorted() where outer >= last.prefix(2) {
      for inner in filesIn("\(objects)/\(outer)").sorted() where outer + inner >= last.prefix(4) {
        let names = filesIn("\(objects)/\(outer)/\(inner)").compactMap(BlobName.init)
        found += names.filter { $0.text > last }.sorted()
        if found.count >= limit { return Array(found.prefix(limit)) }
      }
    }
    return found
  }

  // MARK: Uploads

  /// The upload that had the name before; it must be over before this one begins.
  func claim(_ name: String, _ upload: BlobUpload) -> BlobUpload? {
    holders.withLock { $0.updateValue(upload, forKey: name) }
  }

  func release(_ name: String, _ upload: BlobUpload) {
    holders.withLock { if $0[name] === upload { $0[name] = nil } }
  }

  func syncUploads() throws(BlobFailure) {
    guard syncFolder(uploads) else { throw .system("sync the folder", uploads) }
  }

  /// Those that nobody goes on with. One that is open has been written to not long ago.
  @discardableResult
  func removeOldUploads() -> Int {
    let oldest = time(nil) - settings.unfinishedDays * 86_400
    var count = 0
    for file in filesIn(uploads) {
      var status = stat()
      guard stat("\(uploads)/\(file)", &status) == 0, status.st_mtim.tv_sec < oldest else { continue }
      if unlink("\(uploads)/\(file)") == 0 { count += 1 }
    }
    if count > 0 { log.write(NH_LOG_INFO, role: role, "removed \(count) uploads that nobody went on with") }
    return count
  }

  /// Refuses what would leave less free than the manifest wants.
  func checkRoom(for bytes: UInt64) throws(BlobFailure) {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { throw .system("look at the disk of", folder) }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
    guard free < settings.freeFloorBytes + bytes else { return }
    throw BlobFailure(
      NH_RESOURCE_EXHAUSTED,
      "the disk has \(free >> 20) MiB free, of which `blobs.free_floor_mb` keeps \(settings.freeFloorBytes >> 20), and "
        + "\((bytes + (1 << 20) - 1) >> 20) more are wanted; free some room and go on")
  }
}
