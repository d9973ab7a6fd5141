import CCrypto
import Glibc
import HostCore
import HostRuntime
import NodeValues
import Synchronization

/// Objects to the disk, one after the other, through the service from a role on its loop, each synced with its folder;
/// beside the same bytes by plain system calls, one step after the other.
final class BlobBenchmark: @unchecked Sendable {
  private static let runs = 7
  private static let rounds = 40
  private static let bodySize = 4 << 20
  private static let pieceSize = 64 << 10

  private let folder: String
  private let control = EventLoop(index: 0, name: "control")
  private let node: Node

  /// The folder is empty, and whoever gave it removes it.
  init(plugins: String, folder: String, isSealed: Bool) {
    self.folder = folder
    let blobs = isSealed ? "{ keys: { bench: \"${KEY}\" } }" : "{}"
    let text = """
      { nodehost: 1, node: { id: 1, name: bench, address: 127.0.0.1, state: \(folder)/state },
        plugins: { folders: [\(plugins)] }, blobs: \(blobs), roles: [{ role: attic }] }
      """
    let key = String(repeating: "5c", count: BlobSettings.Key.size)
    let values = Interpolation(variable: { _ in key }, file: { _ in .success("") })
    let manifest = try! ManifestFile.parse(Array(text.utf8), named: "bench.yaml", values: values).manifest
    let plan = NodePlan(
      manifest: manifest, path: "\(folder)/bench.yaml", address: "127.0.0.1", loops: 2, allowsChanges: false)
    node = Node(
      plan, control: control, log: LogHub(writesToStandardError: false), allowsOtherPlugins: true,
      executable: ownFolder + "/nodehost")
  }

  func run(_ what: String) {
    let thread = control.startThread()
    let ready = Answer<Bool>()
    control.post { [self] in
      node.whenReady = { ready.give(true) }
      node.start()
    }
    _ = ready.wait()
    _ = service()
    var ours: [Double] = [], theirs: [Double] = []
    for _ in 0..<Self.runs {
      ours.append(service())
      theirs.append(plain())
    }
    Measure.report(
      what, Measure.median(ours), Measure.median(theirs), unit: "MB/s", peerName: "write, fsync, read, SHA-256",
      aim: "2 x, more is better")
    let ended = Answer<Bool>()
    control.post { [self] in
      node.whenEnded = { ended.give(true) }
      node.end()
    }
    _ = ended.wait()
    control.stop()
    thread.join()
  }

  /// Megabytes a second.
  private func service() -> Double {
    let words = [String(Self.bodySize), String(Self.rounds)]
    let answer = Answer<ControlReply>()
    control.post { [self] in
      let call = CallRequest(.words(words), timeoutMilliseconds: 600_000)
      node.answer(.call(role: "attic", method: "measure", call)) { answer.give($0) }
    }
    guard case .json(let json, _) = answer.wait(), case .double(let rate)? = json["value"] else {
      print("the attic does not measure: \(answer.wait())")
      exit(1)
    }
    // The next run's objects are the same, and would be duplicates.
    removeTree("\(folder)/state/roles/attic/blobs/objects")
    return rate / 1e6
  }

  private func plain() -> Double {
    let body = [UInt8](unsafeUninitializedCapacity: Self.bodySize) { room, count in
      for place in 0..<Self.bodySize { room[place] = UInt8(truncatingIfNeeded: place &* 0x9E37 >> 7) }
      count = Self.bodySize
    }
    let target = "\(folder)/plain"
    _ = makeFolder(target)
    let begin = Measure.now()
    for round in 0..<Self.rounds { write(body, "\(target)/\(round)", target) }
    let seconds = (Measure.now() - begin) / 1e9
    removeTree(target)
    return Double(Self.bodySize * Self.rounds) / seconds / 1e6
  }

  private func write(_ body: [UInt8], _ path: String, _ folder: String) {
    let file = open(path + ".new", O_RDWR | O_CREAT | O_TRUNC, 0o600)
    for place in stride(from: 0, to: body.count, by: Self.pieceSize) {
      _ = body.withUnsafeBytes { pwrite(file, $0.baseAddress! + place, Self.pieceSize, place) }
    }
    precondition(fsync(file) == 0 && rename(path + ".new", path) == 0)
    let parent = open(folder, O_RDONLY)
    precondition(fsync(parent) == 0)
    close(parent)
    let context = EVP_MD_CTX_new()
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
    var piece = [UInt8](repeating: 0, count: Self.pieceSize)
    for place in stride(from: 0, to: body.count, by: Self.pieceSize) {
      EVP_DigestUpdate(context, piece, pread(file, &piece, piece.count, place))
    }
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &digest, nil)
    EVP_MD_CTX_free(context)
    close(file)
  }

  private func removeTree(_ path: String) {
    for name in filesIn(path) {
      let inner = "\(path)/\(name)"
      if isFolder(inner) { removeTree(inner) } else { unlink(inner) }
    }
  }
}
