import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// The store of a role in a whole node: through hostctl, over kills, and on a disk that goes wrong.
@Suite struct StoreProcessTests {
  let machine = Machine()

  init() { machine.fixture("keeper") }

  // MARK: hostctl store

  @Test func hostctlLooksIntoAStoreAndChangesIt() throws {
    machine.manifest(["role: keeper"], plugins: Machine.whereOn)
    let node = try machine.ready()
    #expect(machine.hostctl("call", "keeper", "put", "tea", "green").code == 0)
    #expect(machine.hostctl("store", "get", "keeper", "tea").output == "green")
    #expect(machine.hostctl("store", "put", "keeper", "cup/1", "blue").output == "revision 2\n")
    #expect(machine.hostctl("call", "keeper", "get", "cup/1").output == "=blue @2\n", "the role sees it")
    machine.write("bytes", "\u{0}\u{7}")
    #expect(machine.hostctl("store", "put", "keeper", "cup/2", "@\(machine.path("bytes"))").code == 0)
    #expect(machine.hostctl("store", "put", "keeper", "/wD+", "AP/+", "--base64").code == 0)
    let list = machine.hostctl("store", "ls", "keeper")
    #expect(
      list.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") } == [
        "KEY SIZE REVISION", "cup/1 4 B 2", "cup/2 2 B 3", "tea 5 B 1", "base64:/wD+ 3 B 4",
      ], "\(list.all)")
    #expect(machine.hostctl("store", "get", "keeper", "/wD+", "-b").output == "AP/+\n")
    let found = try machine.json("store", "get", "keeper", "/wD+", "-b")
    #expect(found["value_base64"] == "AP/+" && found["key_base64"] == "/wD+" && found["revision"] == 4)
    #expect(try machine.json("store", "ls", "keeper", "cup/")["entries"]?.array?.count == 2)
    #expect(try machine.json("store", "ls", "keeper", "--limit", "1")["more"] == true)
    let late = machine.hostctl("store", "put", "keeper", "tea", "black", "--revision", "7")
    #expect(late.code == 1 && late.errors.contains("keeper: ABORTED: an expectation was not met"), "\(late.all)")
    #expect(machine.hostctl("store", "delete", "keeper", "tea", "--revision", "1").code == 0)
    let gone = machine.hostctl("store", "get", "keeper", "tea")
    #expect(gone.code == 1 && gone.errors == "hostctl: keeper: NOT_FOUND: there is no such key\n", "\(gone.all)")
    // A role that has left the node has its store all the same.
    #expect(machine.hostctl("unload", "keeper").code == 0)
    #expect(machine.hostctl("store", "get", "keeper", "cup/1").output == "blue")
    node.send(SIGTERM)
    #expect(node.end() == 0)
    #expect(!machine.exists(machine.path("state/roles/keeper/store.db-wal")), "closed in order")
  }

  @Test func aLargeStoreIsExportedInParts() throws {
    machine.manifest(["role: keeper"])
    _ = try machine.ready()
    // Far more than a page in number, and then in size.
    #expect(machine.hostctl("call", "keeper", "flood", "4000", "700").output == "4000\n")
    #expect(machine.hostctl("call", "keeper", "flood", "3", "2000000").output == "3\n")
    #expect(machine.hostctl("call", "keeper", "flood", "1", "7000000").output == "1\n")
    let export = machine.hostctlLines("store", "export", "keeper")
    #expect(export.code == 0 && export.lines.count == 4000)
    let sizes = try export.lines.map { try #require(JSON(parsing: $0)["size"]?.int) }
    #expect(sizes.count { $0 == 700 } == 3997 && sizes.reduce(0, +) == 3997 * 700 + 11_000_000)
    // Longer than what a client may otherwise leave unread; "Zmxvb2Qw" is flood0.
    let value = machine.hostctlLines("store", "get", "keeper", "Zmxvb2Qw", "-b").lines
    #expect(value.first?.utf8.count == (7_000_000 + 2) / 3 * 4)
    #expect(machine.hostctlLines("store", "export", "keeper", "flood39").lines.count == 111)
  }

  @Test func storesAreNotChangedUnlessTheNodeAllowsIt() throws {
    machine.manifest(["role: keeper", "role: hello-c"])
    _ = try machine.ready()
    #expect(machine.hostctl("call", "keeper", "put", "tea", "green").code == 0)
    for words in [["put", "keeper", "tea", "black"], ["delete", "keeper", "tea"]] {
      let refused = machine.hostctl(["store"] + words)
      #expect(refused.code == 1 && refused.errors.contains("PERMISSION_DENIED: this node's stores"), "\(refused.all)")
    }
    #expect(machine.hostctl("store", "get", "keeper", "tea").output == "green")
    let none = machine.hostctl("store", "ls", "hello-c")
    #expect(
      none.code == 1 && none.errors.contains("hello-c: NOT_FOUND: the role `hello-c` has no store"), "\(none.all)")
    #expect(!machine.exists(machine.path("state/roles/hello-c/store.db")), "looking makes nothing")
    #expect(machine.hostctl("store", "ls", "../keeper").code == 1)
    #expect(machine.hostctl("store", "show", "keeper").code == 64)
    #expect(machine.hostctl("store", "put", "keeper", "tea").code == 64)
  }

  // MARK: kill -9

  /// Every commit that was acknowledged is there, and what is there is the first so many commits, each whole.
  @Test func nothingAcknowledgedIsLostByAKill() throws {
    let seed = getenv("NODEHOST_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1
    var numbers = SeededNumbers(seed: seed)
    machine.manifest(["role: keeper, limits: { drain_ms: 100 }"])
    var last = 0, acknowledged = 0
    for round in 1...(wantsLongTests ? 1000 : 20) {
      let node = try machine.ready()
      let place = "round \(round) of seed \(seed), after \(acknowledged) of \(last)"
      try expectWhole(&last, acknowledged: acknowledged, place)
      let depth = [1, 8, 64].randomElement(using: &numbers)!
      let run = machine.hostctl("call", "keeper", "run", machine.path("acks"), "\(last + 1)", "\(depth)")
      try #require(run.code == 0, "\(place): \(run.all)")
      usleep(UInt32.random(in: 0..<40_000, using: &numbers))
      node.send(SIGKILL)
      #expect(node.end() == 128 + SIGKILL)
      acknowledged = max(acknowledged, machine.lastAcknowledged)
    }
    #expect(acknowledged > 100)
  }

  private func expectWhole(_ last: inout Int, acknowledged: Int, _ place: String) throws {
    let export = machine.hostctlLines("store", "export", "keeper")
    guard export.code == 0 else {
      #expect(acknowledged == 0, "\(place): \(export)")
      return
    }
    var found: [String: Int] = [:]
    for line in export.lines {
      let entry = try JSON(parsing: line)
      found[entry["key"]?.string ?? ""] = entry["value"]?.string.flatMap { Int($0) }
    }
    last = found["last"] ?? 0
    #expect(last >= acknowledged, "\(place): \(last)")
    for number in max(1, last - 63)..<max(1, last + 1) {
      let slot = number % 64 < 10 ? "0\(number % 64)" : "\(number % 64)"
      #expect(found["left/\(slot)"] == number && found["right/\(slot)"] == number, "\(place): \(number) of \(last)")
    }
  }

  // MARK: A disk that goes wrong

  private func ready(onFaultyDisk faults: String) throws -> Child {
    let library = machine.path("libfaults.so")
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-o", library, "\(Place.repository)/Tests/Fixtures/disk_faults.c",
    ])
    #expect(code == 0, "\(output)")
    let preloaded = getenv("LD_PRELOAD").map { "\(String(cString: $0)):\(library)" } ?? library
    machine.manifest(["role: keeper"])
    let node = machine.start("node.yaml", environment: ["LD_PRELOAD=\(preloaded)", "DISK_FAULTS=\(faults)"])
    try node.waits(for: "node: ready after")
    return node
  }

  private func put(_ value: String) -> Machine.Result { machine.hostctl("call", "keeper", "put", "tea", value) }

  /// A disk of that fault refuses the second commit.
  private func expectsRoom(_ fault: String, _ faults: String) {
    machine.write("faults", fault)
    let refused = put("black")
    #expect(
      refused.errors.contains("RESOURCE_EXHAUSTED: the disk of ") && refused.errors.contains("is full"),
      "\(refused.all)")
    #expect(machine.hostctl("call", "keeper", "get", "tea").output == "=green @1\n", "reading goes on")
    unlink(faults)
    #expect(put("black").output == "2\n")
  }

  @Test func aFullDiskRefusesCommitsUntilThereIsRoom() throws {
    let faults = machine.path("faults")
    _ = try ready(onFaultyDisk: faults)
    #expect(put("green").output == "1\n")
    expectsRoom("full", faults)
  }

  @Test func aDiskThatASyncFindsFullRefusesCommitsUntilThereIsRoom() throws {
    let faults = machine.path("faults")
    let first = try ready(onFaultyDisk: faults)
    #expect(put("green").output == "1\n")
    first.send(SIGTERM)
    #expect(first.end() == 0)
    // Its next commit begins a new journal.
    _ = try ready(onFaultyDisk: faults)
    #expect(machine.hostctl("call", "keeper", "get", "tea").output == "=green @1\n")
    expectsRoom("late", faults)
  }

  @Test func afterASyncThatFailedNothingIsAcknowledgedUntilTheFileIsCheckedAnew() throws {
    let faults = machine.path("faults")
    let node = try ready(onFaultyDisk: faults)
    #expect(put("green").output == "1\n")
    machine.write("faults", "sync")
    let refused = put("black")
    #expect(
      refused.errors.contains("DATA_LOSS: the store ") && refused.errors.contains("restart the role"), "\(refused.all)")
    unlink(faults)
    #expect(put("red").errors.contains("DATA_LOSS"), "the next sync would succeed, and mean nothing")
    #expect(machine.hostctl("call", "keeper", "get", "tea").errors.contains("DATA_LOSS"))
    try node.waits(for: "keeper: the store ")
    #expect(machine.hostctl("restart", "keeper").code == 0)
    let found = machine.hostctl("call", "keeper", "get", "tea").output
    #expect(found == "=green @1\n" || found == "=black @2\n", "\(found)")
    #expect(put("white").code == 0)
    #expect(machine.hostctl("store", "get", "keeper", "tea").output == "white")
  }

  @Test func aDamagedStoreCostsItsRoleAlone() throws {
    machine.manifest(["role: keeper, restart: { policy: never }", "role: hello-c"])
    let first = try machine.ready()
    #expect(machine.hostctl("call", "keeper", "flood", "2000", "50").code == 0)
    first.send(SIGTERM)
    #expect(first.end() == 0)
    let path = machine.path("state/roles/keeper/store.db")
    var bytes = try #require(readFile(path, limit: 1 << 24))
    for place in 8192..<8300 { bytes[place] ^= 0x55 }
    #expect(writeFile(path, bytes, mode: 0o600))
    _ = try machine.ready()
    let role = try machine.role("keeper")
    #expect(role["state"] == "failed")
    let reason = role["reason"]?.string ?? ""
    #expect(reason.contains(path) && reason.contains("a damaged store is not replaced"), "\(reason)")
    #expect(try machine.role("hello-c")["state"] == "running")
    #expect(readFile(path, limit: 1 << 24) == bytes)
  }
}

extension Machine {
  /// The highest number that the role was told is on disk.
  var lastAcknowledged: Int {
    let bytes = readFile(path("acks"), limit: 1 << 26) ?? []
    return stride(from: 0, to: bytes.count - 7, by: 8).reduce(0) { most, place in
      let number = bytes[place..<place + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
      return max(most, number)
    }
  }

  /// For output that is larger than a test reads otherwise.
  func hostctlLines(_ words: String...) -> (code: Int32, lines: [String]) {
    let (code, output) = run(
      [
        "env", "NODEHOST_RUNTIME_DIR=\(runtimeFolder)", "\(Place.products)/hostctl", "--socket", socket,
      ] + words)
    return (code, output.split(separator: "\n").map(String.init))
  }
}
