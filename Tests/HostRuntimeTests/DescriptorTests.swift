import CNodeABI
import CSystem
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Descriptors that a small C role watches. It runs in this process, so that the test has their other ends.
@Suite struct DescriptorTests {
  let plugin = WatcherPlugin()
  static let read = Int(NH_FD_READ), write = Int(NH_FD_WRITE), error = Int(NH_FD_ERROR)

  // MARK: Readiness

  @Test func aRoleHearsOfItsOwnSocket() throws {
    let node = plugin.node()
    #expect(try node.live.call("say", [.text("hello")], on: "b") == .value(.int(5)))
    eventually("it hears itself") { node.ask("heard") == 5 }
    #expect(node.misuses.isEmpty)
  }

  @Test func whoDoesNotReadIsToldAgainAndHoldsUpNobody() throws {
    let node = plugin.node(), pair = Sockets()
    #expect(node.ask("leave", 1) == 1)
    #expect(node.ask("watch", pair.near, Self.read) > 0)
    pair.say("x")
    eventually("it is told again and again") { node.ask("told", pair.near) > 100 }
    let before = EventLoop.now()
    // Timers and calls of a role on the same loop have their turns.
    for _ in 0..<50 { _ = node.ask("heard") }
    #expect(EventLoop.now() - before < 1_000_000_000)
    #expect(node.ask("leave", 0) == 0)
    usleep(20_000)
    let told = node.ask("told", pair.near)
    usleep(50_000)
    #expect(node.ask("told", pair.near) == told, "it has read what there was")
    #expect(node.ask("last", pair.near) == Self.read)
  }

  @Test func aWatchChangesWhatItWaitsFor() throws {
    let node = plugin.node(), pair = Sockets()
    let watch = node.ask("watch", pair.near, Self.write)
    eventually("it may write") { node.ask("told", pair.near) > 0 }
    #expect(node.ask("last", pair.near) == Self.write)
    #expect(node.ask("change", watch, Self.read) == Int(NH_OK))
    let told = node.ask("told", pair.near)
    usleep(30_000)
    #expect(node.ask("told", pair.near) == told)
    pair.say("x")
    eventually("it may read") { node.ask("last", pair.near) == Self.read }
    #expect(node.ask("change", watch, Self.read | Self.write) == Int(NH_OK))
    eventually("it may write") { node.ask("last", pair.near) == Self.write }
    pair.say("x")
    eventually("it was told of both") { node.ask("told", pair.near) > told + 2 }
  }

  @Test func whatTheOtherSideHasClosedIsAnErrorAndWhatWasAskedFor() throws {
    let node = plugin.node()
    let (socket, inlet, outlet) = (Sockets(), Sockets(isPipe: true), Sockets(isPipe: true))
    #expect(node.ask("watch", socket.near, Self.read) > 0)
    #expect(node.ask("watch", inlet.near, Self.error) > 0)
    // Full, so that it may not write before the reader goes.
    while Glibc.write(Int32(outlet.far), [UInt8](repeating: 0, count: 4096), 4096) > 0 {}
    #expect(node.ask("watch", outlet.far, Self.write) > 0)
    usleep(30_000)
    for descriptor in [socket.near, inlet.near, outlet.far] { #expect(node.ask("told", descriptor) == 0) }
    socket.closeFar()
    inlet.closeFar()
    outlet.closeNear()
    eventually("the socket is over") { node.ask("last", socket.near) == Self.read | Self.error }
    eventually("the pipe to read is over") { node.ask("last", inlet.near) == Self.error }
    eventually("the pipe to write is over") { node.ask("last", outlet.far) == Self.write | Self.error }
  }

  @Test func whoEndsAWatchHearsNothingMore() throws {
    let node = plugin.node(), pair = Sockets(), other = Sockets()
    #expect(node.ask("leave", 1) == 1)
    let watch = node.ask("watch", pair.near, Self.read)
    pair.say("x")
    eventually("it is told") { node.ask("told", pair.near) > 0 }
    #expect(node.ask("unwatch", watch) == Int(NH_OK))
    let told = node.ask("told", pair.near)
    usleep(30_000)
    #expect(node.ask("told", pair.near) == told)
    #expect(node.ask("unwatch", watch) == Int(NH_NOT_FOUND))
    #expect(node.ask("change", watch, Self.read) == Int(NH_NOT_FOUND))
    // The place is used again, by another handle.
    let again = node.ask("watch", pair.near, Self.read)
    #expect(again > 0 && again != watch)
    #expect(node.ask("unwatch", watch) == Int(NH_NOT_FOUND))
    // One callback ends the watch of another that is ready at the same time.
    #expect(node.ask("end_next", again) == again)
    #expect(node.ask("watch", other.near, Self.read) > 0)
    other.say("y")
    eventually("the other is told") { node.ask("told", other.near) > 10 }
    let last = node.ask("told", pair.near)
    usleep(20_000)
    #expect(node.ask("told", pair.near) == last)
    #expect(node.misuses.isEmpty)
  }

  @Test func manyThatAreReadyAtOnceAllHaveTheirTurn() throws {
    let node = plugin.node()
    let pairs = (0..<200).map { _ in Sockets() }
    #expect(node.ask("leave", 1) == 1)
    for pair in pairs {
      pair.say("x")
      #expect(node.ask("watch", pair.near, Self.read) > 0)
    }
    eventually("each is told") { pairs.allSatisfy { node.ask("told", $0.near) > 0 } }
  }

  // MARK: Limits and misuse

  @Test func aRoleWatchesSoMany() throws {
    let node = plugin.node()
    let counters = (0..<256).map { _ in Int(csystem_eventfd()) }
    defer { for counter in counters { close(Int32(counter)) } }
    // One is its own.
    let watches = counters[..<255].map { node.ask("watch", $0, Self.read) }
    #expect(watches.allSatisfy { $0 > 0 })
    #expect(node.ask("watch", counters[255], Self.read) == 0)
    #expect(node.ask("unwatch", watches[7]) == Int(NH_OK))
    #expect(node.ask("watch", counters[255], Self.read) > 0)
    #expect(node.misuses.isEmpty)
  }

  @Test func whatCannotBeWatchedIsRefusedInWords() throws {
    let node = plugin.node(), pair = Sockets()
    let file = Int(open("\(plugin.folder)/libwatcher.so", O_RDONLY | O_CLOEXEC))
    defer { close(Int32(file)) }
    for descriptor in [-1, 1_000_000, file] { #expect(node.ask("watch", descriptor, Self.read) == 0) }
    #expect(node.ask("watch", pair.near, 8) == 0)
    let watch = node.ask("watch", pair.near, Self.read)
    #expect(node.ask("watch", pair.near, Self.write) == 0)
    #expect(node.ask("change", watch, 64) == Int(NH_INVALID_ARGUMENT))
    #expect(
      node.misuses == [
        "fd.watch of descriptor -1, which is not open; watch it while it is",
        "fd.watch of descriptor 1000000, which is not open; watch it while it is",
        "fd.watch of descriptor \(file), which is a file or a folder: there is nothing to wait for; "
          + "read and write it in a job of nodehost.work/1",
        "fd.watch was asked for the interest 8; combine NH_FD_READ, NH_FD_WRITE and NH_FD_ERROR",
        "fd.watch of descriptor \(pair.near), which it watches already; change the watch that there is",
        "fd.change was asked for the interest 64; combine NH_FD_READ, NH_FD_WRITE and NH_FD_ERROR",
      ])
    pair.say("x")
    eventually("the first watch works") { node.ask("told", pair.near) > 0 }
  }

  @Test func aNumberThatWasClosedAndIsUsedAgainIsAnotherDescriptor() throws {
    let node = plugin.node(), first = Sockets(), second = Sockets()
    let old = node.ask("watch", first.near, Self.read)
    // Closes the first, and gives its number to the second.
    #expect(dup2(Int32(second.near), Int32(first.near)) == Int32(first.near))
    let new = node.ask("watch", first.near, Self.read)
    #expect(new > 0 && new != old)
    #expect(node.ask("unwatch", old) == Int(NH_NOT_FOUND))
    second.say("x")
    eventually("it is told") { node.ask("told", first.near) == 1 }
    #expect(
      node.misuses == ["descriptor \(first.near) was closed while it was watched; unwatch it before closing it"])
  }

  @Test func aClosedDescriptorThatLivesOnElsewhereIsToldNoMore() throws {
    let node = plugin.node(), pair = Sockets(), other = Sockets()
    let watch = node.ask("watch", pair.near, Self.read)
    #expect(node.ask("watch", other.near, Self.read) > 0)
    // As a child process would keep it.
    let kept = dup(Int32(pair.near))
    defer { close(kept) }
    pair.closeNear()
    #expect(node.ask("unwatch", watch) == Int(NH_OK))
    #expect(
      node.misuses == ["descriptor \(pair.near) was closed while it was watched; unwatch it before closing it"])
    pair.say("still reported by the kernel")
    usleep(20_000)
    let loop = try node.live.instance().loop
    let before = loop.callbacks
    usleep(100_000)
    #expect(loop.callbacks - before < 100, "the loop sleeps again")
    #expect(node.ask("told", pair.near) == 0)
    other.say("x")
    eventually("the others are still watched") { node.ask("told", other.near) == 1 }
  }

  @Test func theHostsOwnDescriptorsComeToNoHarm() throws {
    let node = plugin.node(), pair = Sockets()
    try node.live.serve()
    #expect(node.ask("watch", pair.near, Self.read) > 0)
    let number = pair.near
    pair.closeNear()
    // Connections of the host take the number, and it is watched by whoever owns it then.
    for _ in 0..<3 { #expect(try node.live.curl(["http://node/v1/status"]).status == 200) }
    let heir = Int(csystem_eventfd())
    defer { close(Int32(heir)) }
    #expect(node.ask("watch", heir, Self.write) > 0)
    eventually("it is told") { node.ask("told", heir) > 0 }
    #expect(node.ask("told", number) == 0 || number == heir)
  }

  // MARK: Swap and end

  @Test func theNewBuildOfASwapWatchesForItself() throws {
    let node = plugin.node(), pair = Sockets()
    #expect(node.ask("watch", pair.near, Self.read) > 0)
    pair.say("x")
    eventually("the old build is told") { node.ask("told", pair.near) == 1 }
    #expect(node.ask("leave", 1) == 1)
    pair.say("y")
    let old = try node.live.instance()
    plugin.build("2.0.0")
    _ = try node.live.swap(["b"]).get()
    // The same descriptor, which its start has watched while the old one's watch still was there.
    eventually("the new build is told") { node.ask("told", pair.near) == 1 }
    pair.say("z")
    eventually("and again") { node.ask("told", pair.near) == 2 }
    #expect(try node.live.call("say", [.text("hello")], on: "b") == .value(.int(5)))
    eventually("its own socket too") { node.ask("heard") == 5 }
    #expect(
      node.live.onLoop(old.seat) { _ in old.descriptorWatches.table.count } == 2, "on probation it has them still")
    node.live.endProbation("b")
    eventually("the old one's are gone") { node.live.onLoop(old.seat) { _ in old.descriptorWatches.table.count } == 0 }
    #expect(node.misuses.isEmpty)
  }

  @Test func theOldBuildComesBackToItsWatches() throws {
    let node = plugin.node(), pair = Sockets()
    #expect(node.ask("watch", pair.near, Self.read) > 0)
    let old = try node.live.instance()
    plugin.build("2.0.0")
    _ = try node.live.swap(["b"]).get()
    #expect(node.ask("leave", 1) == 1)
    pair.say("x")
    eventually("the new build is told") { node.ask("told", pair.near) > 0 }
    #expect(node.ask("give_up") == 0)
    node.live.waits { $0.role("b")?.swap == nil }
    #expect(try node.live.instance() === old)
    eventually("the old build reads it") { node.ask("told", pair.near) == 1 }
    #expect(node.misuses.isEmpty)
  }

  @Test func whoHasGivenUpIsToldNothingAndNothingIsLeft() throws {
    let node = plugin.node(), pair = Sockets()
    #expect(node.ask("leave", 1) == 1)
    #expect(node.ask("watch", pair.near, Self.read) > 0)
    pair.say("x")
    let old = try node.live.instance()
    weak let group = node.live.onLoop(old.seat) { _ in UncheckedReference(old.descriptorWatches.group!) }.value
    #expect(group != nil)
    node.live.onControl { $0.restart($0.role("b")!) }
    node.live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 2 }
    eventually("its poller is closed") { group == nil }
    eventually("the next one is told") { node.ask("told", pair.near) > 0 }
    #expect(node.misuses.isEmpty)
  }
}

/// A role that says it needs descriptors cannot be simulated, and that shows.
extension DescriptorTests {
  @Test func theHostMarksARoleThatTouchesTheWorld() throws {
    let node = plugin.node()
    let description = node.live.onControl { $0.describe($0.role("b")!, HealthReport.Entry(name: "b", health: .ok)) }
    #expect(description.simulatable == false)
    #expect(description.needs.map(\.id) == [NH_FD_ID] && description.needs.allSatisfy(\.offered))
  }
}

/// Builds of the fixture, each over the one before.
final class WatcherPlugin {
  let folder = Place.temporaryFolder()

  init() { build("1.0.0") }
  deinit { run(["rm", "-rf", folder]) }

  func build(_ version: String) {
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libwatcher.so", "-DRAW",
      "-DVERSION=\"\(version)\"", "\(Place.repository)/Tests/Fixtures/watcher.c",
    ])
    precondition(code == 0, output)
  }

  /// A node with the role `b`. Swaps come only when asked for.
  func node() -> WatcherNode {
    let live = LiveNode(folders: [folder], ["{ role: watcher, name: b }"])
    live.onControl {
      $0.watcher?.close()
      $0.watcher = nil
    }
    return WatcherNode(live: live)
  }
}

struct WatcherNode {
  let live: LiveNode

  func ask(_ method: String, _ values: Int...) -> Int {
    guard case .value(.int(let answer)) = live.send(method, values.map { .int(Int64($0)) }).outcome() else {
      return -99
    }
    return Int(answer)
  }

  /// What it did wrong, without the words that say who.
  var misuses: [String] {
    live.lines(NH_LOG_MISUSE).map { $0.split(separator: ": ", maxSplits: 2).last.map(String.init) ?? $0 }
  }
}

/// Two ends, closed with this: the near one is the role's.
final class Sockets {
  private(set) var near = -1
  private(set) var far = -1
  private var closesNear = true, closesFar = true

  /// A pipe is read at the near end.
  init(isPipe: Bool = false) {
    var ends: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let status = isPipe ? pipe(&ends) : socketpair(AF_UNIX, kind, 0, &ends)
    precondition(status == 0)
    for end in ends where isPipe {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    (near, far) = (Int(ends[0]), Int(ends[1]))
  }

  deinit {
    closeNear()
    closeFar()
  }

  func say(_ text: String) { precondition(write(Int32(far), text, text.utf8.count) == text.utf8.count) }

  /// The number stays known.
  func closeNear() {
    if closesNear { close(Int32(near)) }
    closesNear = false
  }

  func closeFar() {
    if closesFar { close(Int32(far)) }
    closesFar = false
  }
}
